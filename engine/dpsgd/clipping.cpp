// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/clipping.h"

#include <algorithm>
#include <cmath>

namespace velamen::dpsgd {

namespace {

/// What fp32 may under-estimate of a norm, relatively.
constexpr double kMargin = 1.0 + 1e-3;

} // namespace

double clip_factor(double norm, double clip) noexcept
{
    return std::min(1.0, clip / (norm * kMargin + 1e-6));
}

double automatic_factor(double norm) noexcept { return 1.0 / (norm * kMargin + 0.01); }

double UnitFigures::norm(std::int64_t unit) const
{
    double sum = 0.0;
    for (std::int64_t block = 0; block < blocks; ++block)
        sum += std::max(0.0, squared_norm(block, unit));
    return std::sqrt(sum);
}

bool UnitFigures::is_finite(std::int64_t unit) const
{
    for (std::int64_t block = 0; block < blocks; ++block)
        if (!std::isfinite(squared_norm(block, unit))) return false;
    return std::isfinite(loss(unit));
}

UnitWeights weigh(const UnitFigures& figures, ClippingStyle style, double clip, std::int64_t padded)
{
    const auto units = static_cast<std::size_t>(figures.units);
    const double share = clip / std::sqrt(static_cast<double>(figures.blocks));
    UnitWeights out{.units = figures.units,
                    .factors = std::vector<float>(figures.squared.size(), 0.0F),
                    .is_counted = std::vector<bool>(units, false),
                    .is_clipped = std::vector<bool>(units, false)};
    for (std::int64_t unit = 0; unit < figures.units - padded; ++unit) {
        if (!figures.is_finite(unit)) continue;
        const auto at = static_cast<std::size_t>(unit);
        out.is_counted[at] = true;
        for (std::int64_t block = 0; block < figures.blocks; ++block) {
            const double norm = std::sqrt(std::max(0.0, figures.squared_norm(block, unit)));
            const bool is_normalised = style == ClippingStyle::Automatic;
            const double factor = is_normalised ? automatic_factor(norm) : clip_factor(norm, share);
            out.factors[static_cast<std::size_t>(block) * units + at] = static_cast<float>(factor);
            if (!is_normalised && factor < 1.0) out.is_clipped[at] = true;
        }
    }
    return out;
}

} // namespace velamen::dpsgd
