// SPDX-License-Identifier: GPL-3.0-or-later
//
// One ledger line of any kind: both readers agree, what was read is written and read again as the
// same, and has a divergence or none.

#include <variant>

#include "engine/privacy/composition.h"
#include "engine/privacy/ledger_line.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    using namespace velamen::privacy;
    const std::string_view line = fuzz::text_of(data, size);
    const auto entry = entry_of(line);
    const auto by_json = entry_of_json(line);
    fuzz::require(entry.has_value() == by_json.has_value(), "both readers accept the same lines");
    if (!entry) return 0;
    const std::string written = line_of(*entry);
    fuzz::require(written == line_of(*by_json), "both readers read the same");
    const auto again = entry_of(written);
    fuzz::require(again.has_value(), "what was written can be read");
    fuzz::require(line_of(*again) == written, "and is the same");
    const auto event = event_of(entry->event);
    fuzz::require(event.has_value(), "accountants know it");
    if (std::holds_alternative<CappedGaussian>(*event)) return 0; // takes a while
    const RenyiPart part = renyi_of(*event, 2.0, entry->neighbours);
    fuzz::require(part.divergence >= 0.0 && part.failure >= 0.0, "a divergence is never negative");
    return 0;
}
