// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/unit_rows.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/core/assert.h"

namespace velamen::train {

std::vector<data::ImageIndex> pick_images(const data::Unit& unit, std::int64_t count,
                                          core::SecureStream& stream)
{
    const auto wanted = static_cast<std::size_t>(count);
    const std::size_t all = unit.images.size();
    VELAMEN_ASSERT(all > 0);
    std::vector<data::ImageIndex> picks;
    picks.reserve(wanted);
    for (std::size_t whole = 0; whole < wanted / all; ++whole)
        picks.insert(picks.end(), unit.images.begin(), unit.images.end());
    // The first steps of a Fisher-Yates shuffle.
    std::vector<data::ImageIndex> left = unit.images;
    for (std::size_t i = 0; i < wanted % all; ++i) {
        std::swap(left[i], left[i + static_cast<std::size_t>(stream.below(all - i))]);
        picks.push_back(left[i]);
    }
    return picks;
}

Rows unit_rows(const Dataset& dataset, std::span<const std::int64_t> units,
               const TrainingPlan& plan, std::int64_t train_timesteps, std::int64_t null_class,
               const core::StreamKey& key, std::uint64_t step)
{
    const data::LatentCache& cache = dataset.latents;
    const std::int64_t draws = plan.optimiser.noise_multiplicity;
    const std::int64_t count = static_cast<std::int64_t>(units.size()) * rows_per_unit(plan);
    const std::vector<std::int64_t> shape{count, cache.channels, cache.height, cache.width};
    Rows rows{torch::empty(shape), torch::empty(shape), torch::empty({count}, torch::kInt64),
              torch::empty({count}, torch::kInt64)};
    float* latents = rows.latents.data_ptr<float>();
    float* noise = rows.noise.data_ptr<float>();
    auto* times = rows.times.data_ptr<std::int64_t>();
    auto* classes = rows.classes.data_ptr<std::int64_t>();
    const auto width = static_cast<std::size_t>(cache.row());
    const auto fill = [&](std::int64_t row, data::ImageIndex image, core::SecureStream& stream) {
        const auto latent = cache.latent(image);
        const std::size_t at = static_cast<std::size_t>(row) * width;
        std::copy(latent.begin(), latent.end(), latents + at);
        times[row] =
            static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(train_timesteps)));
        const bool is_dropped = stream.uniform() < plan.optimiser.class_dropout;
        classes[row] = is_dropped ? null_class : cache.class_index[static_cast<std::size_t>(image)];
        stream.normals({noise + at, width});
    };
    std::int64_t row = 0;
    for (const std::int64_t unit : units) {
        core::SecureStream stream(key, step, static_cast<std::uint32_t>(unit));
        const data::Unit& members = dataset.units[static_cast<std::size_t>(unit)];
        for (const data::ImageIndex image :
             pick_images(members, plan.privacy.images_per_unit, stream))
            for (std::int64_t draw = 0; draw < draws; ++draw)
                fill(row++, image, stream);
    }
    return rows;
}

} // namespace velamen::train
