// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/conv1d.h"

#include "engine/dpsgd/grad_rules/conv2d.h"

namespace velamen::dpsgd {

at::Tensor taped_conv1d(GradTape& tape, Slots slots, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& bias, std::int64_t stride, std::int64_t padding)
{
    return taped_conv2d(tape, slots, x.unsqueeze(2), weight.unsqueeze(2), bias, {1, stride},
                        {0, padding})
        .squeeze(2);
}

} // namespace velamen::dpsgd
