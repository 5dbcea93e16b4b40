// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/private_step.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "engine/core/assert.h"

namespace velamen::dpsgd {

namespace {

constexpr std::uint32_t kLossTensor = 0xFFFFFFFFU; // no model has that many tensors
constexpr double kHalfLimit = 0.5;                 // L / 2: sensitivity of the released loss

void wipe(std::array<std::uint8_t, 32>& key) noexcept
{
    for (volatile std::uint8_t& byte : key)
        byte = 0;
}

} // namespace

std::optional<double> loss_noise(double effective, double gradient) noexcept
{
    const double rest = 1.0 / (effective * effective) - 1.0 / (gradient * gradient);
    if (!(rest * effective * effective > 1e-9)) return std::nullopt;
    return 1.0 / std::sqrt(rest);
}

NoisyGradient::NoisyGradient(std::vector<at::Tensor> sums, double stddev, double batch,
                             std::int64_t step, const core::StreamKey& noise)
    : sums_(std::move(sums)), stddev_(stddev), batch_(batch), step_(step)
{
    std::memcpy(key_.data(), noise.bytes().data(), key_.size());
}

NoisyGradient::~NoisyGradient() { wipe(key_); }

kernels::NoiseStreamId NoisyGradient::stream(std::uint32_t tensor) const
{
    kernels::NoiseStreamId id{.key = key_};
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
    const double sigma = spent.gradient_noise().value();
    const double effective = spent.event().noise.value();
    VELAMEN_ASSERT(sigma >= effective);
    NoisyGradient released(std::move(used.sums_), sigma * used.clip_.value(), used.batch_.value(),
                           spent.index(), noise);
    if (const auto loss_sigma = loss_noise(effective, sigma)) {
        core::SecureStream stream(noise, static_cast<std::uint64_t>(spent.index()), kLossTensor);
        const double noised = used.loss_sum_ + *loss_sigma * kHalfLimit * stream.normal();
        released.noised_loss_ = noised / used.batch_.value() + kHalfLimit;
    }
    return released;
}

} // namespace velamen::dpsgd
