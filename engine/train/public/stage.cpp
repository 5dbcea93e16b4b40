// SPDX-License-Identifier: GPL-3.0-or-later
//
// Draws of a step, and the switch for mixed precision.

#include "engine/train/public/stage.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

namespace velamen::train {

generate::CounterNoise draws(std::uint64_t seed, Draw draw, std::int64_t step)
{
    return {seed, (static_cast<std::uint64_t>(draw) << 48) | static_cast<std::uint64_t>(step)};
}

at::Tensor draw_rows(generate::CounterNoise& noise, std::int64_t count, std::int64_t among)
{
    at::Tensor rows = at::empty({count}, at::kLong);
    for (std::int64_t i = 0; i < count; ++i)
        rows.data_ptr<std::int64_t>()[i] =
            static_cast<std::int64_t>(noise.below(static_cast<std::uint64_t>(among)));
    return rows;
}

at::Tensor draw_normals(generate::CounterNoise& noise, at::IntArrayRef shape)
{
    at::Tensor values = at::empty(shape, at::kFloat);
    noise.normals({values.data_ptr<float>(), static_cast<std::size_t>(values.numel())});
    return values;
}

Autocast::Autocast(bool enabled) : was_enabled_(at::autocast::is_autocast_enabled(at::kCPU))
{
    at::autocast::set_autocast_enabled(at::kCPU, enabled);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::increment_nesting();
}

Autocast::~Autocast()
{
    if (at::autocast::decrement_nesting() == 0)
        at::autocast::clear_cache(); // cached casts would outlive the weights they were made from
    at::autocast::set_autocast_enabled(at::kCPU, was_enabled_);
}

} // namespace velamen::train
