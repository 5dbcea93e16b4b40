// SPDX-License-Identifier: GPL-3.0-or-later
//
// How long a unit's gradient may be: from norms to what each unit weighs in the clipped sum. Plain
// numbers; no tensor here.

#pragma once

#include <cstdint>
#include <vector>

namespace velamen::dpsgd {

/// How a unit's gradient is bounded. Whatever the style, one unit moves the sum by at most C.
enum class ClippingStyle {
    Flat,      ///< the whole gradient to C
    PerBlock,  ///< the part of each of n blocks to C / sqrt(n)
    Automatic, ///< normalised instead of clipped; C is 1 (Bu et al., arXiv 2206.07136)
};

/// min(1, C / (norm (1 + 1e-3) + 1e-6)): the margin covers what fp32 may under-estimate of a norm.
double clip_factor(double norm, double clip) noexcept;
/// 1 / (norm (1 + 1e-3) + 0.01), with the same margin (arXiv 2206.07136, equation 4).
double automatic_factor(double norm) noexcept;

/// Exact figures of the units of a micro-batch. PRIVATE: for memory only.
struct UnitFigures {
    std::int64_t units = 0;
    std::int64_t blocks = 1;
    std::vector<double> squared; ///< [blocks, units]: squared norms
    std::vector<double> losses;  ///< [units]

    double squared_norm(std::int64_t block, std::int64_t unit) const
    {
        return squared[static_cast<std::size_t>(block * units + unit)];
    }
    double loss(std::int64_t unit) const { return losses[static_cast<std::size_t>(unit)]; }
    /// Of all blocks together.
    double norm(std::int64_t unit) const;
    bool is_finite(std::int64_t unit) const;
};

/// What the same units weigh. PRIVATE as well.
struct UnitWeights {
    std::int64_t units = 0;
    std::vector<float> factors;   ///< [blocks, units]; 0 where a unit does not count
    std::vector<bool> is_counted; ///< [units]: neither padding nor non-finite
    std::vector<bool> is_clipped; ///< [units]: in any block

    float factor(std::int64_t block, std::int64_t unit) const
    {
        return factors[static_cast<std::size_t>(block * units + unit)];
    }
};

/// The last `padded` units and those with a value that is not finite weigh nothing.
UnitWeights weigh(const UnitFigures& figures, ClippingStyle style, double clip,
                  std::int64_t padded);

} // namespace velamen::dpsgd
