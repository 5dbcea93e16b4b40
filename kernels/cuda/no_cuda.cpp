// SPDX-License-Identifier: GPL-3.0-or-later
//
// The device kernels of a build without CUDA: the same symbols, each of which says so.

#include "kernels/api/gram_product.h"
#include "kernels/api/layer_norm_sums.h"
#include "kernels/api/private_update.h"
#include "kernels/api/weighted_accumulate.h"

namespace velamen::kernels::cuda {

Status gram_product(Stream, const GramProduct&) noexcept { return Status::Unavailable; }

Status weighted_accumulate(Stream, const WeightedAccumulate&) noexcept
{
    return Status::Unavailable;
}

Status layer_norm_sums(Stream, const LayerNormSums&) noexcept { return Status::Unavailable; }

Status gaussian_fill(Stream, const GaussianFill&) noexcept { return Status::Unavailable; }

Status private_update(Stream, const PrivateUpdate&) noexcept { return Status::Unavailable; }

} // namespace velamen::kernels::cuda
