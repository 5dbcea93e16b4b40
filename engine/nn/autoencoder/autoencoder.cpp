// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/autoencoder/autoencoder.h"

#include <ATen/ATen.h>

namespace velamen::nn {

Posterior certain(const at::Tensor& mean)
{
    return {.mean = mean, .logvar = at::full_like(mean, -30.0)};
}

} // namespace velamen::nn
