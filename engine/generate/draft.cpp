// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/generate/draft.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "engine/nn/autoencoder/autoencoder.h"
#include "engine/nn/autoencoder/slices.h"
#include "engine/nn/autoencoder/tiny.h"

namespace velamen::generate {

Result<DraftDecoder> DraftDecoder::of(checkpoint::Checkpoint& checkpoint, const LatentScale& scale)
{
    VELAMEN_ASSIGN(const auto tiny, checkpoint.load_tiny_autoencoder());
    if (!tiny) return fit(checkpoint.autoencoder(), scale);
    return DraftDecoder([tiny](const at::Tensor& z) { return tiny->decode(z).clamp(-1.0, 1.0); });
}

namespace {

constexpr std::int64_t kCells = 512; ///< to fit on: many times the numbers of a fit
constexpr std::int64_t kLargestSide = 16;
constexpr double kRidge = 1e-3; ///< of a cell: keeps channels that do nothing at zero

/// Noise of every size at once, of variance one a latent: [n, channels, side, side]
at::Tensor rough_noise(std::int64_t n, std::int64_t channels, std::int64_t side)
{
    auto generator = at::make_generator<at::CPUGeneratorImpl>(0);
    at::Tensor sum = at::zeros({n, channels, side, side});
    for (std::int64_t coarse = side; coarse >= 1; coarse /= 2) {
        const at::Tensor noise = at::randn({n, channels, coarse, coarse}, generator);
        sum += at::upsample_bilinear2d(noise, {side, side}, false);
    }
    return sum / sum.square().mean({1, 2, 3}, true).sqrt();
}

/// z: [N, Z, h, w]  ->  [N h w, Z + 1], the last being 1
at::Tensor cells_of(const at::Tensor& z)
{
    const at::Tensor cells = z.permute({0, 2, 3, 1}).flatten(0, 2).to(at::kDouble);
    return at::cat({cells, at::ones({cells.size(0), 1}, cells.options())}, 1);
}

} // namespace

DraftDecoder DraftDecoder::fit(nn::Autoencoder& autoencoder, const LatentScale& scale)
{
    const std::int64_t factor = autoencoder.sizes().factor;
    const std::int64_t side =
        scale.is_uniform() ? std::min(scale.side(), kLargestSide) : scale.side();
    const std::int64_t n = (kCells + side * side - 1) / (side * side);
    const at::Tensor z = rough_noise(n, scale.channels(), side);
    const at::Tensor made =
        nn::decode_all(autoencoder, scale.to_autoencoder(z)).clamp(-1.0, 1.0); // [n, C, H, W]
    const at::Tensor colours = at::avg_pool2d(made, {factor, factor})
                                   .permute({0, 2, 3, 1})
                                   .flatten(0, 2)
                                   .to(at::kDouble); // [cells, C]
    const at::Tensor cells = cells_of(z);
    const at::Tensor square = cells.t().mm(cells)
        + kRidge * static_cast<double>(cells.size(0)) * at::eye(cells.size(1), cells.options());
    const at::Tensor map = at::linalg_solve(square, cells.t().mm(colours)); // [Z + 1, C]
    return DraftDecoder([map, factor](const at::Tensor& latents) {
        const std::int64_t count = latents.size(0), h = latents.size(2), w = latents.size(3);
        const at::Tensor small = cells_of(latents)
                                     .mm(map)
                                     .clamp(-1.0, 1.0)
                                     .to(at::kFloat)
                                     .view({count, h, w, map.size(1)})
                                     .permute({0, 3, 1, 2});
        return at::upsample_bicubic2d(small, {h * factor, w * factor}, false).clamp(-1.0, 1.0);
    });
}

} // namespace velamen::generate
