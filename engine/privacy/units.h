// SPDX-License-Identifier: GPL-3.0-or-later
//
// The numbers of a privacy claim, each with its range, and the relation they are claimed for.

#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "engine/core/quantity.h"

namespace velamen::privacy {

struct EpsilonTag {
    static constexpr const char* name = "epsilon";
    static constexpr const char* range = "at least 0";
    static constexpr bool valid(double v) { return v >= 0.0; } // +inf: not private
};
struct DeltaTag {
    static constexpr const char* name = "delta";
    static constexpr const char* range = "above 0 and below 1";
    static constexpr bool valid(double v) { return v > 0.0 && v < 1.0; }
};
struct NoiseMultiplierTag {
    static constexpr const char* name = "noise multiplier";
    static constexpr const char* range = "above 0 and finite";
    static constexpr bool valid(double v)
    {
        return v > 0.0 && v <= std::numeric_limits<double>::max();
    }
};
struct SamplingRateTag {
    static constexpr const char* name = "sampling rate";
    static constexpr const char* range = "above 0 and at most 1";
    static constexpr bool valid(double v) { return v > 0.0 && v <= 1.0; }
};
struct ClippingNormTag {
    static constexpr const char* name = "clipping norm";
    static constexpr const char* range = "above 0 and finite";
    static constexpr bool valid(double v)
    {
        return v > 0.0 && v <= std::numeric_limits<double>::max();
    }
};
struct StepsTag {
    static constexpr const char* name = "steps";
    static constexpr const char* range = "at least 1";
    static constexpr bool valid(std::int64_t v) { return v > 0; }
};
struct ExpectedBatchTag {
    static constexpr const char* name = "expected batch";
    static constexpr const char* range = "above 0 and finite";
    static constexpr bool valid(double v)
    {
        return v > 0.0 && v <= std::numeric_limits<double>::max();
    }
};

using Epsilon = Quantity<EpsilonTag>;
using Delta = Quantity<DeltaTag>;
using NoiseMultiplier = Quantity<NoiseMultiplierTag>; ///< sigma: noise stddev / sensitivity
using SamplingRate = Quantity<SamplingRateTag>;       ///< q, per unit and step
using ClippingNorm = Quantity<ClippingNormTag>;       ///< C
using Steps = Quantity<StepsTag, std::int64_t>;       ///< T, optimiser steps
using ExpectedBatch = Quantity<ExpectedBatchTag>;     ///< B = q * public number of units

/// What two neighbouring datasets differ by. The noise is the same for all; only the accountant
/// reads it.
enum class Neighbours {
    ZeroOut,    ///< one unit's contribution replaced by nothing; the number of units is public
    AddRemove,  ///< one unit more or less; the number of units is secret
    ReplaceOne, ///< one unit replaced by any other; the number of units is public
};

/// "zero_out", "add_remove", "replace_one".
constexpr std::string_view name_of(Neighbours relation) noexcept
{
    switch (relation) {
    case Neighbours::ZeroOut:
        return "zero_out";
    case Neighbours::AddRemove:
        return "add_remove";
    case Neighbours::ReplaceOne:
        break;
    }
    return "replace_one";
}
/// For ledgers, plans and certificates: their epsilon is that of zero_out and add_remove, which
/// would be too small for replace_one, so that name is refused.
Result<Neighbours> neighbours_of(std::string_view name);
/// For questions to the accountant alone: all three names.
Result<Neighbours> any_neighbours_of(std::string_view name);

} // namespace velamen::privacy
