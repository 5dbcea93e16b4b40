// SPDX-License-Identifier: GPL-3.0-or-later
//
// An autoencoder over many or large images in bounded memory: so many of them at a time that a pass
// sees at most 512 x 512 pixels, and one at a time above. The numbers are those of one pass.

#pragma once

#include <ATen/core/Tensor.h>

#include "engine/nn/autoencoder/autoencoder.h"

namespace velamen::nn {

/// The means of the posteriors. x: [N, C, H, W]  ->  [N, Z, h, w]
at::Tensor encode_means(Autoencoder& autoencoder, const at::Tensor& x);
/// z: [N, Z, h, w]  ->  [N, C, H, W]
at::Tensor decode_all(Autoencoder& autoencoder, const at::Tensor& z);

} // namespace velamen::nn
