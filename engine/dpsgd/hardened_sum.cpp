// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/hardened_sum.h"

#include <algorithm>
#include <new>

namespace velamen::dpsgd {

Result<HardenedLayout> HardenedLayout::create(const TrainedTensors& trained,
                                              privacy::ClippingNorm clip,
                                              const privacy::StepNoise& noise)
{
    std::vector<std::size_t> offsets{0};
    for (const auto& entry : trained)
        offsets.push_back(offsets.back() + static_cast<std::size_t>(entry.tensor.numel()));
    const std::size_t scalars =
        (noise.loss ? 1U : 0U) + (noise.clipped_fraction ? 1U : 0U) + offsets.back();
    const double sigma = noise.gradient.value();
    VELAMEN_ASSIGN(
        const auto whole,
        privacy::ClippingNorm::create(clip.value() * sigma / privacy::joint_noise(noise).value()));
    VELAMEN_ASSIGN(const auto grid,
                   privacy::Grid::create(whole, static_cast<std::int64_t>(scalars)));
    HardenedLayout layout(grid, std::move(offsets));
    const auto scale_of = [&](const std::optional<privacy::NoiseMultiplier>& scalar) {
        return scalar ? 2.0 * sigma * clip.value() / scalar->value() : 0.0;
    };
    layout.loss_scale_ = scale_of(noise.loss);
    layout.clipped_scale_ = scale_of(noise.clipped_fraction);
    return layout;
}

Result<HardenedContribution> HardenedContribution::create(const HardenedLayout& layout)
try {
    VELAMEN_ASSIGN(auto rounded, privacy::GridContribution::create(layout.grid()));
    HardenedContribution contribution(layout, std::move(rounded));
    contribution.whole_.assign(static_cast<std::size_t>(layout.grid().dimensions()), 0.0F);
    return contribution;
} catch (const std::bad_alloc&) {
    return fail(ErrorCode::OutOfMemory, "no memory for a hardened contribution",
                "train fewer weights, or without hardened noise");
}

Result<HardenedSum> HardenedSum::create(const HardenedLayout& layout)
{
    VELAMEN_ASSIGN(auto exact, privacy::GridSum::create(layout.grid()));
    return HardenedSum(layout, std::move(exact));
}

void HardenedContribution::round(double shifted_loss, double shifted_clipped)
{
    std::size_t at = layout_.weights();
    for (const auto& [scale, value] : {std::pair{layout_.loss_scale(), shifted_loss},
                                       {layout_.clipped_scale(), shifted_clipped}})
        if (scale > 0.0) whole_[at++] = static_cast<float>(scale * value);
    rounded_.set(whole_);
}

HardenedScalars HardenedSum::release(privacy::GridNoise&& noise, privacy::SpentStep&& step,
                                     const std::vector<at::Tensor>& sums) &&
{
    std::vector<float> noisy(static_cast<std::size_t>(layout_.grid().dimensions()));
    std::move(sum_).release(std::move(noise), std::move(step), noisy);
    for (std::size_t i = 0; i < sums.size(); ++i) {
        const std::span<const float> place = layout_.place_of(i, std::span<const float>(noisy));
        std::ranges::copy(place, sums[i].data_ptr<float>());
    }
    HardenedScalars scalars;
    std::size_t at = layout_.weights();
    if (layout_.loss_scale() > 0.0) scalars.loss = noisy[at++] / layout_.loss_scale();
    if (layout_.clipped_scale() > 0.0) scalars.clipped = noisy[at++] / layout_.clipped_scale();
    return scalars;
}

} // namespace velamen::dpsgd
