// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/private_step.h"

#include <cstring>
#include <utility>

#include "engine/core/assert.h"

namespace velamen::dpsgd {

namespace {

constexpr std::uint32_t kLossTensor = 0xFFFFFFFFU; // no model has that many tensors
constexpr std::uint32_t kClippedTensor = 0xFFFFFFFEU;
/// Sensitivity of both scalars: the loss lies in [0, 1], being clipped is 0 or 1, each minus 1/2.
constexpr double kHalf = 0.5;

} // namespace

NoisyGradient::NoisyGradient(std::vector<at::Tensor> sums, double stddev, double batch,
                             std::int64_t step, const core::StreamKey* noise)
    : sums_(std::move(sums)), stddev_(stddev), batch_(batch), step_(step)
{
    if (noise != nullptr) key_ = noise->derive(core::StreamPurpose::Noise);
}

kernels::NoiseStreamId NoisyGradient::stream(std::uint32_t tensor) const
{
    kernels::NoiseStreamId id;
    if (!key_) return id;
    std::memcpy(id.key.data(), key_->bytes().data(), id.key.size());
    const auto step = static_cast<std::uint64_t>(step_);
    std::memcpy(id.nonce.data(), &step, sizeof step);
    std::memcpy(id.nonce.data() + sizeof step, &tensor, sizeof tensor);
    return id;
}

NoisyGradient NoisyGradient::release(ClippedSum&& sum, privacy::SpentStep&& step,
                                     const core::StreamKey& noise)
{
    VELAMEN_ASSERT(step.is_live());
    const privacy::SpentStep spent(std::move(step));
    ClippedSum used(std::move(sum));
    VELAMEN_ASSERT(!spent.is_hardened() && !used.hardened_); // this noise is not what was charged
    const privacy::StepNoise& noises = spent.noise();
    const double sigma = noises.gradient.value();
    VELAMEN_ASSERT(privacy::joint_noise(noises) >= spent.event().noise);
    NoisyGradient released(std::move(used.sums_), sigma * used.clip_.value(), used.batch_.value(),
                           spent.index(), &noise);
    // Mean over the expected batch of a sum of values minus 1/2.
    const auto mean_of = [&](double shifted, privacy::NoiseMultiplier scalar,
                             std::uint32_t tensor) {
        core::SecureStream stream(noise, static_cast<std::uint64_t>(spent.index()), tensor);
        return (shifted + scalar.value() * kHalf * stream.normal()) / used.batch_.value() + kHalf;
    };
    if (noises.loss) released.noised_loss_ = mean_of(used.loss_sum_, *noises.loss, kLossTensor);
    if (noises.clipped_fraction) {
        VELAMEN_ASSERT(used.clipped_sum_); // a normalised gradient is not clipped
        released.noised_clipped_fraction_ =
            mean_of(*used.clipped_sum_, *noises.clipped_fraction, kClippedTensor);
    }
    return released;
}

NoisyGradient NoisyGradient::release(ClippedSum&& sum, privacy::SpentStep&& step,
                                     privacy::GridNoise&& noise)
{
    ClippedSum used(std::move(sum));
    VELAMEN_ASSERT(used.hardened_ && step.is_live());
    const privacy::StepNoise noises = step.noise();
    const std::int64_t index = step.index();
    const HardenedScalars scalars =
        std::move(*used.hardened_).release(std::move(noise), std::move(step), used.sums_);
    NoisyGradient released(std::move(used.sums_), noises.gradient.value() * used.clip_.value(),
                           used.batch_.value(), index, nullptr);
    const auto mean_of = [&](double shifted) { return shifted / used.batch_.value() + kHalf; };
    if (scalars.loss) released.noised_loss_ = mean_of(*scalars.loss);
    if (scalars.clipped) released.noised_clipped_fraction_ = mean_of(*scalars.clipped);
    return released;
}

} // namespace velamen::dpsgd
