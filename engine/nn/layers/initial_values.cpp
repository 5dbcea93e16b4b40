// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/layers/initial_values.h"

#include <ATen/ATen.h>

namespace velamen::nn {

namespace {
thread_local bool are_left_out = false;
}

WithoutInitialValues::WithoutInitialValues() noexcept : before_(are_left_out)
{
    are_left_out = true;
}

WithoutInitialValues::~WithoutInitialValues() { are_left_out = before_; }

std::int64_t initial_width(std::int64_t width) noexcept { return are_left_out ? 1 : width; }

void replace_uninitialised(at::Tensor& parameter, at::IntArrayRef shape)
{
    if (are_left_out && parameter.defined())
        parameter.set_data(at::empty(shape, parameter.options()));
}

} // namespace velamen::nn
