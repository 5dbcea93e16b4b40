// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any text as a ceiling is refused or gives a filter that never has room beyond its budget.

#include "engine/privacy/ledger_files.h"
#include "engine/privacy/totals.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    using namespace velamen::privacy;
    const auto ceiling = parse_ceiling(fuzz::text_of(data, size));
    if (!ceiling) {
        fuzz::require(!ceiling.error().hint.empty(), "a refusal names the way out");
        return 0;
    }
    auto filter = RdpFilter::create(*ceiling);
    fuzz::require(filter.has_value(), "what was read is a ceiling");
    fuzz::require(filter->budget() > 0.0, "with a budget");
    LedgerEntry entry;
    entry.unit = size % 2 == 0 ? "image" : ceiling->claim.unit;
    entry.neighbours = ceiling->claim.neighbours;
    TrainingSteps event{.rate = 0.25, .noise_gradient = 2.0, .noise_effective = 2.0, .steps = 1};
    entry.event = event;
    const auto room = filter->room(entry);
    if (!room || *room == 0) return 0;
    event.steps = *room;
    entry.event = event;
    fuzz::require(filter->add(entry).has_value(), "what has room can be added");
    fuzz::require(filter->spent() <= filter->budget() * (1.0 + 1e-11), "within the budget");
    fuzz::require(filter->spent_epsilon().value() <= ceiling->epsilon.value() * (1.0 + 1e-11),
                  "and within epsilon");
    return 0;
}
