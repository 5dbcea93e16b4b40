// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a denoiser is given and asked for during training.

#pragma once

#include <ATen/core/Tensor.h>

#include "engine/diffusion/schedule.h"

namespace velamen::diffusion {

/// sqrt(a_t) x0 + sqrt(1 - a_t) noise. x0 and noise: [N, ...], t: [N] int64 in [0, T).
at::Tensor add_noise(const Schedule& schedule, const at::Tensor& x0, const at::Tensor& noise,
                     const at::Tensor& t);

/// What the network should return for add_noise(x0, noise, t): noise, x0, or
/// v = sqrt(a_t) noise - sqrt(1 - a_t) x0.
at::Tensor target(const Schedule& schedule, const at::Tensor& x0, const at::Tensor& noise,
                  const at::Tensor& t);

} // namespace velamen::diffusion
