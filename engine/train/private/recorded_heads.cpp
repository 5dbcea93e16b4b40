// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/recorded_heads.h"

#include <algorithm>
#include <vector>

#include "engine/core/file.h"
#include "engine/train/private/private_session.h"

namespace velamen::train {

namespace {

namespace fs = std::filesystem;

Result<> named(Result<> outcome, const std::string& who)
{
    if (outcome) return outcome;
    return fail(outcome.error().code, who + ": " + outcome.error().message, outcome.error().hint);
}

/// The private folder of a run beside this one; empty when its plan cannot be read.
fs::path source_of(const fs::path& run_folder)
{
    const auto text = core::read_file(run_folder / "plan.json");
    if (!text) return {};
    const auto json = io::Json::parse(*text);
    if (!json) return {};
    return json->text_or("source", "").value_or("");
}

} // namespace

Result<> check_recorded_heads(const fs::path& run_folder, const TrainingPlan& plan,
                              const checkpoint::Card& base, const privacy::LedgerStore& store,
                              const privacy::Ledger& ledger)
{
    if (base.ledger_id == ledger.id())
        VELAMEN_TRY(named(ledger.require({base.ledger_seq, base.ledger_hash}),
                          "the checkpoint \"" + base.name + "\" was tuned on these images"));
    VELAMEN_ASSIGN(const std::vector<fs::path> known, store.folders());
    std::error_code error;
    for (fs::directory_iterator it(run_folder.parent_path(), error), end; !error && it != end;
         it.increment(error)) {
        if (it->path().filename() == run_folder.filename()) continue;
        const auto record = read_run(it->path());
        if (!record || record->ledger_seq < 0) continue;
        const std::string who = "run " + it->path().filename().string();
        if (record->ledger_id == ledger.id()) {
            VELAMEN_TRY(named(ledger.require({record->ledger_seq, record->ledger_hash}), who));
            continue;
        }
        const bool is_there = std::ranges::any_of(known, [&](const fs::path& folder) {
            return folder.filename().string() == record->ledger_id;
        });
        if (!is_there && source_of(it->path()) == plan.source)
            return fail(ErrorCode::Refused,
                        who + " on the same folder was charged to a ledger that is not here",
                        "bring the ledgers folder back from a backup or from the machine of that "
                        "run; without it what was spent would be forgotten");
    }
    return {};
}

} // namespace velamen::train
