// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every operation as slow, obvious loops in double: what the fast ones and the device ones are
// compared with. Not used by the engine.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>

#include "kernels/api/channel_norm.h"
#include "kernels/api/gram_product.h"
#include "kernels/api/layer_norm_sums.h"
#include "kernels/api/private_update.h"
#include "kernels/api/weighted_accumulate.h"

namespace velamen::kernels::reference {

namespace {

void quarter_round(std::uint32_t (&x)[16], int a, int b, int c, int d)
{
    x[a] += x[b];
    x[d] = std::rotl(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = std::rotl(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = std::rotl(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = std::rotl(x[b] ^ x[c], 7);
}

std::uint32_t word_at(const NoiseStreamId& id, std::uint32_t block, std::size_t word)
{
    std::array<std::uint8_t, 64> bytes{};
    chacha20_block(id, block, bytes);
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + 4 * word, sizeof value);
    return value;
}

} // namespace

void chacha20_block(const NoiseStreamId& id, std::uint32_t counter,
                    std::span<std::uint8_t, 64> out) noexcept
{
    std::uint32_t start[16] = {0x61707865U, 0x3320646eU, 0x79622d32U, 0x6b206574U};
    std::memcpy(start + 4, id.key.data(), 32);
    start[12] = counter;
    std::memcpy(start + 13, id.nonce.data(), 12);
    std::uint32_t x[16];
    std::memcpy(x, start, sizeof x);
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 4; ++i)
            quarter_round(x, i, 4 + i, 8 + i, 12 + i);
        for (int i = 0; i < 4; ++i)
            quarter_round(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (int i = 0; i < 16; ++i)
        x[i] += start[i];
    std::memcpy(out.data(), x, sizeof x);
}

double normal_at(const NoiseStreamId& id, std::uint64_t index) noexcept
{
    const std::uint64_t group = index / kNoiseGroup;
    const std::size_t row = static_cast<std::size_t>(index / kNoiseLanes % 16);
    const auto block = static_cast<std::uint32_t>(group * kNoiseLanes + index % kNoiseLanes);
    const std::size_t word = row / 2 * 2;
    const std::uint32_t a = word_at(id, block, word);
    const double u = a >= kRefinedBelow
        ? (a + 0.5) * 0x1p-32
        : (a * 0x1p32 + word_at(id, block + kRefiningBlocks, word) + 0.5) * 0x1p-64;
    const double radius = std::sqrt(-2.0 * std::log(u));
    const double angle = 2.0 * std::numbers::pi * (word_at(id, block, word + 1) + 0.5) * 0x1p-32;
    return row % 2 == 0 ? radius * std::cos(angle) : radius * std::sin(angle);
}

Status gaussian_fill(Stream, const GaussianFill& job) noexcept
{
    if (job.id == nullptr || job.first > kNormalsPerStream
        || job.out.size() > kNormalsPerStream - job.first)
        return Status::InvalidArgument;
    for (std::size_t i = 0; i < job.out.size(); ++i)
        job.out[i] = static_cast<float>(job.stddev * normal_at(*job.id, job.first + i));
    return Status::Ok;
}

Status gram_product(Stream, const GramProduct& job) noexcept
{
    const std::size_t t = job.tokens;
    for (std::size_t u = 0; u < job.units; ++u) {
        double squared = 0.0;
        double trace_a = 0.0;
        double trace_g = 0.0;
        for (std::size_t i = 0; i < t; ++i)
            for (std::size_t j = 0; j < t; ++j) {
                const std::size_t at = (u * t + i) * t + j;
                squared += static_cast<double>(job.gram_a[at]) * job.gram_g[at];
                if (i == j) {
                    trace_a += job.gram_a[at];
                    trace_g += job.gram_g[at];
                }
            }
        job.squared[u] = squared;
        job.bound[u] = trace_a * trace_g;
    }
    return Status::Ok;
}

Status weighted_accumulate(Stream, const WeightedAccumulate& job) noexcept
{
    for (std::size_t i = 0; i < job.width; ++i) {
        double total = job.accumulator[i];
        for (std::size_t u = 0; u < job.units; ++u)
            if (job.weights[u] != 0.0F)
                total += static_cast<double>(job.weights[u]) * job.rows[u * job.width + i];
        job.accumulator[i] = static_cast<float>(total);
    }
    return Status::Ok;
}

Status layer_norm_sums(Stream, const LayerNormSums& job) noexcept
{
    for (std::size_t u = 0; u < job.units; ++u)
        for (std::size_t c = 0; c < job.width; ++c) {
            double weight = 0.0;
            double bias = 0.0;
            for (std::size_t t = 0; t < job.tokens; ++t) {
                const std::size_t row = u * job.tokens + t;
                const double g = job.output_grad[row * job.width + c];
                weight +=
                    g * (job.input[row * job.width + c] - job.mean[row]) * job.inverse_stddev[row];
                bias += g;
            }
            job.weight_grad[u * job.width + c] = static_cast<float>(weight);
            job.bias_grad[u * job.width + c] = static_cast<float>(bias);
        }
    return Status::Ok;
}

Status channel_sums(Stream, const ChannelSums& job) noexcept
{
    for (std::size_t c = 0; c < job.channels; ++c) {
        job.sums[c] = 0.0;
        for (std::size_t p = 0; p < job.pixels; ++p) {
            const double x = job.input[p * job.channels + c];
            job.sums[c] += job.centre.empty() ? x : (x - job.centre[c]) * (x - job.centre[c]);
        }
    }
    return Status::Ok;
}

Status channel_affine(Stream, const ChannelAffine& job) noexcept
{
    for (std::size_t p = 0; p < job.pixels; ++p)
        for (std::size_t c = 0; c < job.channels; ++c) {
            const std::size_t at = p * job.channels + c;
            const double y =
                (static_cast<double>(job.input[at]) - job.centre[c]) * job.scale[c] + job.shift[c];
            job.output[at] = static_cast<float>(job.has_silu ? y / (1.0 + std::exp(-y)) : y);
        }
    return Status::Ok;
}

Status private_update(Stream, const PrivateUpdate& job) noexcept
{
    if (!fits(job)) return Status::InvalidArgument;
    const UpdateStep& s = job.step;
    for (std::size_t i = 0; i < job.sum.size(); ++i) {
        const double noise =
            job.noise_stddev == 0.0F ? 0.0 : job.noise_stddev * normal_at(*job.id, job.first + i);
        const double noised = (job.sum[i] + noise) * job.inverse_batch;
        const double g = job.public_gradient.empty()
            ? noised
            : noised + static_cast<double>(job.public_weight) * job.public_gradient[i];
        double w = job.weight[i];
        w -= s.learning_rate * s.weight_decay * w;
        if (s.rule == UpdateRule::Adam) {
            const double m = s.beta1 * job.first_moment[i] + (1.0 - s.beta1) * g;
            const double v = s.beta2 * job.second_moment[i] + (1.0 - s.beta2) * g * g;
            const double own = v / s.bias_correction2 - s.noise_variance;
            w -= s.learning_rate * (m / s.bias_correction1)
                / (std::sqrt(std::max(own, s.variance_floor)) + s.epsilon);
            job.first_moment[i] = static_cast<float>(m);
            job.second_moment[i] = static_cast<float>(v);
        } else {
            const double m = s.beta1 * job.first_moment[i] + g;
            w -= s.learning_rate * m;
            job.first_moment[i] = static_cast<float>(m);
        }
        if (job.squared_norm != nullptr) *job.squared_norm += noised * noised;
        if (job.moved != nullptr && static_cast<float>(w) != job.weight[i]) ++*job.moved;
        job.weight[i] = static_cast<float>(w);
        if (!job.average.empty())
            job.average[i] =
                static_cast<float>(s.average_decay * job.average[i] + (1.0 - s.average_decay) * w);
    }
    return Status::Ok;
}

} // namespace velamen::kernels::reference
