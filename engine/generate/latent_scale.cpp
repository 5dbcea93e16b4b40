// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reads mean and std of a card into broadcastable tensors.

#include "engine/generate/latent_scale.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "engine/nn/autoencoder/autoencoder.h"
#include "engine/nn/unet/model.h"

namespace velamen::generate {

LatentScale::LatentScale(at::Tensor mean, at::Tensor std, std::int64_t channels, std::int64_t side)
    : mean_(std::move(mean)), std_(std::move(std)), channels_(channels), side_(side)
{
}

Result<LatentScale> LatentScale::create(const checkpoint::Card& card, double scaling_factor,
                                        std::int64_t channels, std::int64_t side)
{
    const auto invalid = [](const std::string& cause) {
        return fail(ErrorCode::Corrupt, "the checkpoint's velamen.json cannot be used: " + cause,
                    "use the folder as it was written, with its own velamen.json");
    };
    if (card.latent_mean.size() != card.latent_std.size())
        return invalid("latent_mean and latent_std have different lengths");
    if (card.latent_mean.empty()) {
        if (!std::isfinite(scaling_factor) || scaling_factor <= 0.0)
            return invalid("no latent_std, and the autoencoder's scaling_factor is not positive");
        return LatentScale(at::zeros({1, 1, 1, 1}), at::full({1, 1, 1, 1}, 1.0 / scaling_factor),
                           channels, side);
    }
    const auto count = static_cast<std::int64_t>(card.latent_mean.size());
    if (count != channels && count != channels * side * side)
        return invalid("latent_mean has " + std::to_string(count) + " numbers, expected "
                       + std::to_string(channels) + " or "
                       + std::to_string(channels * side * side));
    const auto usable = [](double value) { return std::isfinite(value) && value > 0.0; };
    if (!std::ranges::all_of(card.latent_std, usable)
        || !std::ranges::all_of(card.latent_mean, [](double v) { return std::isfinite(v); }))
        return invalid("latent_std holds a number that is not positive, or latent_mean one that is "
                       "not finite");
    const std::int64_t extent = count == channels ? 1 : side;
    const auto as_tensor = [&](const std::vector<double>& values) {
        return at::tensor(values, at::kDouble).to(at::kFloat).view({1, channels, extent, extent});
    };
    return LatentScale(as_tensor(card.latent_mean), as_tensor(card.latent_std), channels, side);
}

Result<LatentScale> LatentScale::of(checkpoint::Checkpoint& checkpoint)
{
    return create(checkpoint.card(), checkpoint.autoencoder().sizes().scaling_factor,
                  checkpoint.unet().plan().in_channels, checkpoint.latent_size());
}

at::Tensor LatentScale::to_model(const at::Tensor& z) const { return (z - mean_) / std_; }

at::Tensor LatentScale::to_autoencoder(const at::Tensor& z_model) const
{
    return z_model * std_ + mean_;
}

} // namespace velamen::generate
