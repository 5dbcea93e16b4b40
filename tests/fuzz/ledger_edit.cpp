// SPDX-License-Identifier: GPL-3.0-or-later
//
// A true ledger with one edit: it is refused, or everything before its last line is untouched (a
// last line can only be checked by a head that was recorded elsewhere).

#include <algorithm>
#include <limits>

#include "engine/core/hash.h"
#include "engine/privacy/ledger_line.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace velamen::privacy;

/// Every type of event that a line can hold, each with and without what it may lack.
LedgerEvent event_of_kind(unsigned kind, double rate, double noise, std::int64_t times)
{
    const SubsampledGaussian step{SamplingRate::create(rate).value(),
                                  NoiseMultiplier::create(noise).value()};
    const NoisyRelease release{"search", Guarantee{Epsilon::literal(0.5), 1e-8}, times};
    const auto released = [&](const Event& event) {
        NoisyRelease made = release;
        made.event = event;
        return made;
    };
    TrainingSteps steps{
        .rate = rate, .noise_gradient = noise, .noise_effective = 0.5 * noise, .steps = times};
    switch (kind % 10) {
    case 0:
        return released(SubsampledGaussian{SamplingRate::literal(1.0), step.noise});
    case 1:
        return released(LaplaceNoise{step.noise});
    case 2:
        return release;
    case 3:
        return released(BestOfRuns{step, Steps::literal(100), {10.0, rate}});
    case 4:
        return released(
            BestOfRuns{step, Steps::literal(9), {2.0, std::numeric_limits<double>::infinity()}});
    case 5:
        steps.is_hardened = true;
        break;
    case 6:
        steps.cap = DrawCap{.units = 10'000, .cap = 300};
        break;
    case 7:
        steps.noise_loss = 4.0 * noise;
        break;
    case 8:
        steps.noise_clipped = 4.0 * noise;
        break;
    default:
        break;
    }
    return steps;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    if (size < 8) return 0;
    const std::size_t lines = 2 + data[0] % 5;
    std::string text, prev = no_hash();
    std::size_t last = 0;
    for (std::size_t i = 0; i < lines; ++i) {
        LedgerEntry entry;
        entry.seq = static_cast<std::int64_t>(i);
        entry.prev = prev;
        entry.run = data[1] % 2 == 0 ? "a" : "b";
        entry.event = event_of_kind(static_cast<unsigned>(data[0] / 5 + i), (1 + data[2]) / 256.0,
                                    1.0 + data[3 + i % 4], 1 + data[1] % 32);
        fuzz::require(check_entry(entry).has_value(), "the true lines are valid");
        const std::string line = line_of(entry);
        prev = core::sha256_hex(line);
        last = text.size();
        text += line + "\n";
    }
    const LedgerHead head = head_of(text);
    const std::size_t at = (data[4] * 256U + data[5]) % text.size();
    const std::string_view bytes = fuzz::text_of(data + 7, size - 7);
    std::string edited = text;
    switch (data[6] % 4) {
    case 0: // overwritten
        edited.replace(at, std::min(bytes.size(), edited.size() - at), bytes);
        break;
    case 1: // inserted
        edited.insert(at, bytes);
        break;
    case 2: // removed
        edited.erase(at, 1 + data[7] * 3U);
        break;
    default: // cut
        edited.resize(at);
    }
    const auto entries = parse_ledger(edited);
    if (!entries) return 0;
    if (require_head(*entries, head_of(edited), head)) {
        fuzz::require(edited.starts_with(text), "a ledger with the recorded head is the true one");
        return 0;
    }
    const std::size_t whole = edited.rfind('\n') == edited.npos ? 0 : edited.rfind('\n') + 1;
    const std::size_t same = edited.rfind('\n', whole < 2 ? 0 : whole - 2);
    const std::size_t checked = whole < 2 || same == edited.npos ? 0 : same + 1;
    fuzz::require(text.compare(0, std::min(checked, last), edited, 0, std::min(checked, last)) == 0,
                  "no line before the last was changed");
    return 0;
}
