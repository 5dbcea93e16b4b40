// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/run_account.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>

namespace velamen::train {

Result<RunAccount> RunAccount::create(const PrivacyPlan& plan)
{
    VELAMEN_ASSIGN(const auto rate, privacy::SamplingRate::create(plan.rate));
    VELAMEN_ASSIGN(const auto noise, privacy::NoiseMultiplier::create(plan.noise_effective));
    VELAMEN_ASSIGN(const auto delta, privacy::Delta::create(plan.delta));
    VELAMEN_ASSIGN(auto step, privacy::event_of(charge_for(plan, 1)));
    VELAMEN_ASSIGN(auto warm_start, warm_start_charges(plan));
    RunAccount account(plan, {rate, noise}, delta, std::move(step), std::move(warm_start));
    if (plan.hardened || !account.warm_start_.empty()) return account;
    VELAMEN_ASSIGN(account.curve_, privacy::PldCurve::create(account.event_));
    return account;
}

Result<> RunAccount::join(privacy::LedgerStore store, std::span<const core::Digest> hashes,
                          RunState& state)
{
    const RunRecord& record = state.record;
    VELAMEN_ASSIGN(ledger_, store.join(hashes));
    if (!record.ledger_id.empty() && record.ledger_id != ledger_->id())
        return fail(ErrorCode::Refused, "the folder now holds other images than when the run began",
                    "start a new run for them");
    if (record.ledger_seq >= 0)
        VELAMEN_TRY(ledger_->require({record.ledger_seq, record.ledger_hash}));
    for (const privacy::LedgerEntry& entry : ledger_->entries())
        if (entry.run == record.id) {
            if (const auto* steps = std::get_if<privacy::TrainingSteps>(&entry.event))
                spent_ += steps->steps;
            else
                released_.insert(std::get<privacy::NoisyRelease>(entry.event).purpose);
            state.attempt = std::max(state.attempt, entry.attempt);
        }
    return {};
}

Result<> RunAccount::check_room(bool is_warm_start_due) const
{
    std::vector<privacy::NoisyRelease> due;
    if (is_warm_start_due)
        std::ranges::copy_if(warm_start_, std::back_inserter(due), [&](const auto& release) {
            return !released_.contains(release.purpose);
        });
    VELAMEN_ASSIGN(const std::int64_t room,
                   ledger_->room(plan_.unit, plan_.neighbours, charge_for(plan_, 1), due));
    const std::int64_t wanted = plan_.steps - spent_;
    if (room >= wanted) return {};
    return fail(ErrorCode::Refused,
                "the ceiling of this dataset leaves room for " + std::to_string(room)
                    + " more steps of this plan" + (due.empty() ? "" : " beside its warm start")
                    + ", not for " + std::to_string(wanted),
                std::string("plan fewer steps or more noise")
                    + (due.empty() ? "" : ", or no warm start")
                    + "; a ceiling is not raised once results have been seen");
}

Result<privacy::SpentStep> RunAccount::reserve_step(const RunState& state)
{
    VELAMEN_ASSIGN(auto reserved,
                   ledger_->reserve(state.record.id, state.attempt, plan_.unit, plan_.neighbours,
                                    charge_for(plan_, 1)));
    ++spent_;
    return reserved.take();
}

Result<privacy::SpentRelease> RunAccount::reserve_release(const RunState& state,
                                                          const privacy::NoisyRelease& release)
{
    VELAMEN_ASSIGN(
        auto right,
        ledger_->reserve(state.record.id, state.attempt, plan_.unit, plan_.neighbours, release));
    released_.insert(release.purpose);
    return right;
}

double RunAccount::epsilon_after(std::int64_t steps) const
{
    if (curve_ && steps > 0) {
        const auto epsilon = curve_->epsilon_after(*privacy::Steps::create(steps), delta_);
        return epsilon ? epsilon->value() : std::numeric_limits<double>::infinity();
    }
    const auto bound = privacy::bound_of(spending_after(steps), delta_);
    return bound ? bound->epsilon.value() : std::numeric_limits<double>::infinity();
}

double RunAccount::rdp_after(std::int64_t steps) const
{
    const auto rdp = privacy::composed_rdp(spending_after(steps), delta_);
    return rdp ? rdp->epsilon.value() : std::numeric_limits<double>::infinity();
}

std::vector<privacy::Spending> RunAccount::spending_after(std::int64_t steps) const
{
    std::vector<privacy::Spending> all;
    if (steps > 0) all.push_back({step_, *privacy::Steps::create(steps)});
    for (const privacy::NoisyRelease& release : warm_start_)
        if (released_.contains(release.purpose))
            all.push_back({release.event, privacy::Steps::literal(1)});
    return all;
}

} // namespace velamen::train
