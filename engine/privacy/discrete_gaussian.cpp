// SPDX-License-Identifier: GPL-3.0-or-later
//
// Canonne, Kamath, Steinke, arXiv 2004.00010. Algorithm 3 proposes from a discrete Laplace of any
// integer scale t; t = s is nearly the fastest and turns each decision into coins of probability
// b / s, 1 / k and 1 / 2 with 64-bit integers. A coin of probability p q is two coins.

#include "engine/privacy/discrete_gaussian.h"

#include "engine/core/assert.h"

namespace velamen::privacy {
namespace {

class Coins {
public:
    Coins(core::SecureStream& stream, std::uint64_t scale) : stream_(stream), scale_(scale) {}

    bool half() { return stream_.next_u64() >> 63 != 0; }
    /// Uniform in [0, s).
    std::uint64_t below_scale() { return stream_.below(scale_); }
    /// With probability b / s, b <= s.
    bool ratio(std::uint64_t b) { return below_scale() < b; }

    /// Algorithm 1: true with probability exp(-p), `coin` being true with probability p <= 1.
    bool exp_minus(auto coin)
    {
        std::uint64_t k = 1;
        while ((k == 1 || stream_.below(k) == 0) && coin())
            ++k;
        return k % 2 == 1;
    }
    bool exp_minus_one()
    {
        return exp_minus([] { return true; });
    }
    bool exp_minus_half()
    {
        return exp_minus([this] { return half(); });
    }
    /// exp(-b / s), b <= s.
    bool exp_minus_ratio(std::uint64_t b)
    {
        return exp_minus([this, b] { return ratio(b); });
    }
    /// exp(-b^2 / (2 s^2)), b <= s.
    bool exp_minus_half_square(std::uint64_t b)
    {
        return exp_minus([this, b] { return half() && ratio(b) && ratio(b); });
    }

private:
    core::SecureStream& stream_;
    std::uint64_t scale_;
};

// |y| of a discrete Laplace of scale s, as turns * s + rest (algorithm 2).
struct Magnitude {
    std::uint64_t turns;
    std::uint64_t rest; // below s
};

Magnitude geometric(Coins& coins)
{
    Magnitude y{0, coins.below_scale()};
    while (!coins.exp_minus_ratio(y.rest))
        y.rest = coins.below_scale();
    while (coins.exp_minus_one())
        ++y.turns;
    return y;
}

// Algorithm 3 with t = s: true with probability exp(-(|y| - s)^2 / (2 s^2)). With
// | |y| - s | = a s + b that is exp(-a^2 / 2) exp(-a b / s) exp(-b^2 / (2 s^2)).
bool is_accepted(Coins& coins, const Magnitude& y, std::uint64_t scale)
{
    const std::uint64_t a = y.turns == 0 ? 0 : y.turns - 1;
    const std::uint64_t b = y.turns == 0 ? scale - y.rest : y.rest;
    for (std::uint64_t i = 0; i < a * a; ++i)
        if (!coins.exp_minus_half()) return false;
    for (std::uint64_t i = 0; i < a; ++i)
        if (!coins.exp_minus_ratio(b)) return false;
    return coins.exp_minus_half_square(b);
}

} // namespace

std::int64_t discrete_gaussian(core::SecureStream& stream, NoiseScale scale)
{
    const auto s = static_cast<std::uint64_t>(scale.value());
    Coins coins(stream, s);
    while (true) {
        const Magnitude y = geometric(coins);
        const bool is_negative = coins.half();
        if (is_negative && y.turns == 0 && y.rest == 0) continue; // 0 has one sign only
        if (!is_accepted(coins, y, s)) continue;
        VELAMEN_ASSERT(y.turns < static_cast<std::uint64_t>(kNoiseLimit) / s - 1);
        const auto magnitude = static_cast<std::int64_t>(y.turns * s + y.rest);
        return is_negative ? -magnitude : magnitude;
    }
}

void discrete_gaussians(core::SecureStream& stream, NoiseScale scale, std::span<std::int64_t> out)
{
    for (std::int64_t& value : out)
        value = discrete_gaussian(stream, scale);
}

} // namespace velamen::privacy
