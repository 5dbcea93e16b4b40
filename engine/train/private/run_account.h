// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a private run may spend and has spent: its plan's events, its lines in the dataset's ledger,
// and epsilon from both. Sees no tensor and draws no noise.

#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/core/hash.h"
#include "engine/core/result.h"
#include "engine/privacy/composition.h"
#include "engine/privacy/ledger.h"
#include "engine/train/plan.h"
#include "engine/train/private/run_folder.h"

namespace velamen::train {

/// One thread.
class RunAccount {
public:
    /// InvalidArgument naming the number of the plan that is out of range.
    static Result<RunAccount> create(const PrivacyPlan& plan);

    /// Finds the dataset's ledger and what this run has already spent in it; `state.attempt`
    /// becomes the last one that the ledger knows. Refused when the ledger is not the run's or was
    /// rolled back.
    Result<> join(privacy::LedgerStore store, std::span<const core::Digest> hashes,
                  RunState& state);
    /// Refused when the dataset's ceiling would end the run midway, the releases of its warm start
    /// included while they are still to come. Requires join(), as all that follows.
    Result<> check_room(bool is_warm_start_due) const;

    const privacy::Ledger& ledger() const noexcept { return *ledger_; }
    /// Writes the ledger's line of one step or of a release; only then may noise be used.
    Result<privacy::SpentStep> reserve_step(const RunState& state);
    Result<privacy::SpentRelease> reserve_release(const RunState& state,
                                                  const privacy::NoisyRelease& release);

    const privacy::SubsampledGaussian& event() const noexcept { return event_; }
    /// Steps of this run in the ledger, of all attempts.
    std::int64_t spent() const noexcept { return spent_; }
    /// What the plan releases before its first step.
    const std::vector<privacy::NoisyRelease>& warm_start() const noexcept { return warm_start_; }
    /// Whether a release of this purpose is in the ledger.
    bool is_released(const std::string& purpose) const { return released_.contains(purpose); }
    bool has_released() const noexcept { return !released_.empty(); }
    /// After so many steps, with what was released before them; infinity where it cannot be told.
    double epsilon_after(std::int64_t steps) const;
    double rdp_after(std::int64_t steps) const;

private:
    RunAccount(const PrivacyPlan& plan, privacy::SubsampledGaussian event, privacy::Delta delta,
               privacy::Event step, std::vector<privacy::NoisyRelease> warm_start)
        : plan_(plan), event_(event), delta_(delta), step_(std::move(step)),
          warm_start_(std::move(warm_start))
    {
    }
    std::vector<privacy::Spending> spending_after(std::int64_t steps) const;

    PrivacyPlan plan_;
    privacy::SubsampledGaussian event_;
    privacy::Delta delta_;
    privacy::Event step_;
    std::vector<privacy::NoisyRelease> warm_start_;
    std::optional<privacy::PldCurve> curve_; // none: steps are not all, or hardened
    std::optional<privacy::Ledger> ledger_;
    std::int64_t spent_ = 0;
    std::set<std::string> released_; // purposes of this run's lines beside its steps
};

} // namespace velamen::train
