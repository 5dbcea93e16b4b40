// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/layers/changes.h"

#include <torch/nn/module.h>

namespace velamen::nn {

std::int64_t changes_of(const torch::nn::Module& module)
{
    std::int64_t sum = 0;
    for (const at::Tensor& parameter : module.parameters())
        sum += static_cast<std::int64_t>(parameter._version());
    return sum;
}

} // namespace velamen::nn
