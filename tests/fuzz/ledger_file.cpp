// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any bytes as a ledger file: reading and opening agree; a refused file keeps every byte, an opened
// one every whole line, and takes another line.

#include "engine/core/file.h"
#include "engine/privacy/totals.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temp_dir.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    using namespace velamen::privacy;
    const std::string_view text = fuzz::text_of(data, size);
    static const test::TempDir dir;
    const auto path = dir.path() / "ledger.jsonl";
    if (std::FILE* file = std::fopen(path.c_str(), "wb")) {
        fuzz::require(std::fwrite(data, 1, size, file) == size, "the input is written");
        std::fclose(file);
    }
    const auto entries = parse_ledger(text);
    auto ledger = Ledger::open(dir.path());
    fuzz::require(entries.has_value() == ledger.has_value(), "reading and opening agree");
    if (!ledger) {
        fuzz::require(core::read_file(path) == text, "a refused file is left as it is");
        return 0;
    }
    const std::string_view whole = text.substr(0, text.rfind('\n') + 1);
    fuzz::require(ledger->text() == whole, "every whole line is kept, nothing else");
    fuzz::require(ledger->entries().size() == entries->size(), "as many lines");
    fuzz::require(ledger->head().seq + 1 == static_cast<std::int64_t>(entries->size()), "head");
    fuzz::require(require_head(*entries, head_of(text), ledger->head()).has_value(), "its head");
    std::int64_t steps = 0;
    for (const Share& share : shares_of(*entries))
        steps += share.steps;
    TrainingSteps event;
    event.rate = 0.5;
    event.noise_gradient = event.noise_effective = 1.0;
    event.steps = 3;
    fuzz::require(ledger->reserve("r", 1, "image", Neighbours::ZeroOut, event).has_value(), "room");
    const auto after = parse_ledger(core::read_file(path).value());
    fuzz::require(after && after->size() == entries->size() + 1, "the line is there");
    for (const Share& share : shares_of(*after))
        steps -= share.steps;
    fuzz::require(steps == -3, "three steps more are spent");
    return 0;
}
