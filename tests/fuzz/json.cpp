// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any text is refused or read; what was read is written and read again as the same value.

#include "engine/io/json.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    // A value takes up to 32 bytes in an array that grows by doubling; its text may be two.
    const fuzz::AllocationLimit limit(size, 32);
    const auto json = io::Json::parse(fuzz::text_of(data, size));
    if (!json) {
        fuzz::require(!json.error().message.empty(), "an error says why");
        return 0;
    }
    for (const int indent : {-1, 2}) {
        const std::string text = json->dump(indent);
        const auto again = io::Json::parse(text);
        fuzz::require(again.has_value(), "what was written can be read");
        fuzz::require(*again == *json, "it is the same value");
        fuzz::require(again->dump(indent) == text, "and the same bytes");
    }
    return 0;
}
