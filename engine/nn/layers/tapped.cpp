// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which calls a tap sees, and how it reaches all layers of a model.

#include "engine/nn/layers/tapped.h"

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

namespace velamen::nn {

Tap* Tapped::watching(const at::Tensor& weight) const
{
    return tap_ != nullptr && weight.requires_grad() && at::GradMode::is_enabled() ? tap_ : nullptr;
}

void set_tap(torch::nn::Module& root, Tap* tap)
{
    for (const auto& module : root.modules(/*include_self=*/false))
        if (auto* tapped = dynamic_cast<Tapped*>(module.get())) tapped->set_tap(tap);
}

} // namespace velamen::nn
