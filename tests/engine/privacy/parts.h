// SPDX-License-Identifier: GPL-3.0-or-later
//
// What several tests of privacy need: rights from a ledger of their own, a slow delta of a pmf.

#pragma once

#include <cmath>
#include <cstdint>

#include "engine/core/random.h"
#include "engine/privacy/ledger.h"
#include "engine/privacy/pld/pmf.h"
#include "tests/support/temp_dir.h"

namespace velamen::privacy::testing {

/// Rights from a ledger of its own, and a key for their noise.
class Rights {
public:
    SpentRelease reserve(const NoisyRelease& release)
    {
        return ledger_.reserve("run", 1, "image", Neighbours::ZeroOut, release).value();
    }
    const Ledger& ledger() const { return ledger_; }
    const core::StreamKey& key() const { return key_; }

private:
    test::TempDir folder_;
    Ledger ledger_ = Ledger::open(folder_.path()).value();
    core::StreamKey key_ = core::StreamKey::reproducible(5);
};

/// delta(epsilon) of a pmf by the sum that defines it.
inline double delta_of(const LossPmf& pmf, double epsilon)
{
    double delta = pmf.infinite;
    for (std::size_t k = 0; k < pmf.mass.size(); ++k) {
        const double loss =
            static_cast<double>(pmf.lowest + static_cast<std::int64_t>(k)) * pmf.step;
        if (loss > epsilon) delta -= pmf.mass[k] * std::expm1(epsilon - loss);
    }
    return delta;
}

} // namespace velamen::privacy::testing
