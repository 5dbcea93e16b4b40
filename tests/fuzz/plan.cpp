// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any text as a training plan: refused with a sentence, or read, written and read again as the
// same, with a cost that accountants can be asked about.

#include "engine/train/plan.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    const auto json = io::Json::parse(fuzz::text_of(data, size));
    if (!json) return 0;
    const auto plan = train::TrainingPlan::from_json(*json);
    if (!plan) {
        fuzz::require(!plan.error().message.empty(), "a refusal says why");
        return 0;
    }
    const io::Json written = plan->to_json();
    const auto parsed = io::Json::parse(written.dump(2));
    fuzz::require(parsed.has_value(), "what was written is JSON");
    const auto again = train::TrainingPlan::from_json(*parsed);
    fuzz::require(again.has_value(), "what was written can be read");
    fuzz::require(again->to_json() == written, "and is the same");
    const auto spending = train::spending_of(plan->privacy);
    fuzz::require(spending.has_value() && spending->size() == 1, "it has a cost");
    fuzz::require(
        privacy::check_ledger_event(train::charge_for(plan->privacy, 1), plan->privacy.neighbours)
            .has_value(),
        "and the ledger takes its steps");
    return 0;
}
