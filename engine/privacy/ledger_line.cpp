// SPDX-License-Identifier: GPL-3.0-or-later
//
// Lines of the ledger: writing, strict reading, the chain over them and the segments they sum up
// to.

#include "engine/privacy/ledger_line.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/core/hash.h"
#include "engine/io/json.h"
#include "engine/privacy/ledger_scan.h"

namespace velamen::privacy {

namespace {

/// Longer than any line: names of 64 characters, numbers of 24.
constexpr std::size_t kMaxLine = 1024;

template <std::size_t N>
Result<> require_keys(const io::Json& json, const std::array<std::string_view, N>& keys)
{
    if (!json.is_object()) return fail(ErrorCode::Corrupt, "it is not an object");
    const auto& object = *json.if_object();
    if (!std::ranges::equal(object, keys, {},
                            [](const auto& member) { return std::string_view(member.first); }))
        return fail(ErrorCode::Corrupt, "its fields are not those of a ledger line");
    return {};
}

Error on_line(const Error& error, std::size_t number)
{
    return Error{ErrorCode::Refused,
                 "ledger line " + std::to_string(number)
                     + " is not as it was written: " + error.message,
                 "restore the ledger folder from a backup; what was spent cannot be shown without "
                 "it"};
}

/// Calls `visit(line, number)` for each line that ends with a newline; numbers start at 1.
template <class Visit>
Result<> each_line(std::string_view text, Visit visit)
{
    std::size_t number = 1;
    for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
        VELAMEN_TRY(visit(text.substr(0, end), number++));
        text.remove_prefix(end + 1);
    }
    return {};
}

/// What a crash can leave after the last newline: the beginning of the next line, and zeros where
/// the file system had made room for bytes that never came.
bool is_unfinished(std::string_view tail, std::size_t number, std::string_view prev)
{
    const std::string start = "{\"v\":1,\"seq\":" + std::to_string(number - 1) + ",\"prev\":\""
        + std::string(prev) + "\",\"run\":\"";
    for (std::size_t i = 0; i < tail.size(); ++i) {
        const char c = tail[i];
        if (c == '\0') continue;
        if (i >= kMaxLine || (i < start.size() ? c != start[i] : c < ' ' || c > '~')) return false;
    }
    return true;
}

} // namespace

std::string no_hash() { return std::string(64, '0'); }

std::string line_of(const LedgerEntry& entry)
{
    io::Json::Object line;
    line.emplace_back("v", entry.v);
    line.emplace_back("seq", entry.seq);
    line.emplace_back("prev", entry.prev);
    line.emplace_back("run", entry.run);
    line.emplace_back("attempt", entry.attempt);
    line.emplace_back("unit", entry.unit);
    line.emplace_back("neighbours", name_of(entry.neighbours));
    line.emplace_back("event", json_of(entry.event));
    return io::Json(std::move(line)).dump();
}

Result<LedgerEntry> entry_of(std::string_view line)
{
    if (auto scanned = scan_line(line); scanned && check_entry(*scanned))
        return std::move(*scanned);
    return entry_of_json(line);
}

Result<LedgerEntry> entry_of_json(std::string_view line)
{
    constexpr std::array<std::string_view, 8> kKeys{"v",       "seq",  "prev",       "run",
                                                    "attempt", "unit", "neighbours", "event"};
    VELAMEN_ASSIGN(const io::Json json, io::Json::parse(line));
    if (const auto version = json.integer("v"); version && *version > 1)
        return fail(ErrorCode::Unsupported, "it was written by a newer Velamen");
    VELAMEN_TRY(require_keys(json, kKeys));
    LedgerEntry entry;
    VELAMEN_ASSIGN(entry.v, json.integer("v"));
    VELAMEN_ASSIGN(entry.seq, json.integer("seq"));
    VELAMEN_ASSIGN(entry.prev, json.text("prev"));
    VELAMEN_ASSIGN(entry.run, json.text("run"));
    VELAMEN_ASSIGN(entry.attempt, json.integer("attempt"));
    VELAMEN_ASSIGN(entry.unit, json.text("unit"));
    VELAMEN_ASSIGN(const std::string neighbours, json.text("neighbours"));
    VELAMEN_ASSIGN(entry.neighbours, neighbours_of(neighbours));
    VELAMEN_ASSIGN(entry.event, ledger_event_of(*json.find("event")));
    VELAMEN_TRY(check_entry(entry));
    return entry;
}

Result<> check_entry(const LedgerEntry& entry)
{
    const auto refuse = [](const std::string& what) {
        return fail(ErrorCode::InvalidArgument, what);
    };
    if (entry.v != 1)
        return refuse("version " + std::to_string(entry.v) + " of a ledger line does not exist");
    if (!is_plain_name(entry.run))
        return refuse("the run's name must be 1 to 64 letters, digits, \"_\" or \"-\"");
    if (!is_plain_name(entry.unit))
        return refuse("the unit's name must be 1 to 64 letters, digits, \"_\" or \"-\"");
    VELAMEN_TRY(neighbours_of(name_of(entry.neighbours))); // what could not be read back
    if (entry.attempt < 1) return refuse("attempts are counted from 1");
    return check_ledger_event(entry.event, entry.neighbours);
}

Result<std::vector<LedgerEntry>> parse_ledger(std::string_view text)
{
    std::vector<LedgerEntry> entries;
    std::string prev = no_hash();
    VELAMEN_TRY(each_line(text, [&](std::string_view line, std::size_t number) -> Result<> {
        auto entry = entry_of(line);
        if (!entry && entry.error().code == ErrorCode::Unsupported)
            return fail(ErrorCode::Unsupported,
                        "ledger line " + std::to_string(number) + ": " + entry.error().message,
                        "update Velamen");
        if (!entry) return fail(on_line(entry.error(), number));
        if (entry->prev != prev)
            return fail(
                on_line({ErrorCode::Refused, "it does not follow the line before it"}, number));
        if (entry->seq != static_cast<std::int64_t>(number) - 1)
            return fail(on_line({ErrorCode::Refused, "its number is out of order"}, number));
        prev = core::sha256_hex(line);
        entries.push_back(std::move(*entry));
        return {};
    }));
    const std::size_t whole = text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1;
    if (!is_unfinished(text.substr(whole), entries.size() + 1, prev))
        return fail(on_line({ErrorCode::Refused, "it is not a line, nor the beginning of one"},
                            entries.size() + 1));
    return entries;
}

LedgerHead head_of(std::string_view text)
{
    LedgerHead head{-1, no_hash()};
    std::string_view last;
    (void)each_line(text, [&](std::string_view line, std::size_t) -> Result<> {
        ++head.seq;
        last = line;
        return {};
    });
    if (head.seq >= 0) head.hash = core::sha256_hex(last);
    return head;
}

Result<> require_head(std::span<const LedgerEntry> entries, const LedgerHead& head,
                      const LedgerHead& recorded)
{
    const auto refuse = [](const std::string& cause) {
        return fail(ErrorCode::Refused, "the ledger does not hold what was recorded: " + cause,
                    "restore the ledger folder from a backup; a rolled-back ledger would promise "
                    "more privacy than is left");
    };
    if (recorded.seq < 0)
        return recorded.seq == -1 && (recorded.hash.empty() || recorded.hash == no_hash())
            ? Result<>{}
            : refuse("the recorded position is not valid");
    if (recorded.seq > head.seq)
        return refuse("line " + std::to_string(static_cast<std::uint64_t>(recorded.seq) + 1)
                      + " is missing, it ends at line " + std::to_string(head.seq + 1));
    // The hash of a line is the "prev" of the next one.
    const std::string& hash = recorded.seq == head.seq
        ? head.hash
        : entries[static_cast<std::size_t>(recorded.seq) + 1].prev;
    if (hash != recorded.hash)
        return refuse("line " + std::to_string(recorded.seq + 1) + " is another one");
    return {};
}

Result<std::vector<Spending>> spendings_of(std::span<const LedgerEntry> entries,
                                           std::string_view run)
{
    struct Sum {
        Event event;
        std::int64_t times;
    };
    std::vector<Sum> sums;
    const LedgerEntry* first = nullptr;
    for (const LedgerEntry& entry : entries) {
        if (!run.empty() && entry.run != run) continue;
        if (first == nullptr) first = &entry;
        if (entry.unit != first->unit)
            return fail(ErrorCode::Refused,
                        "this ledger holds events of two units (" + first->unit + ", " + entry.unit
                            + "), which have no common total",
                        "look at the total of each run");
        if (entry.neighbours != first->neighbours)
            return fail(ErrorCode::Refused,
                        "this ledger holds events of two relations (zero_out, add_remove), which "
                        "are not mixed silently",
                        "look at the total of each run, or ask for a total under zero_out");
        VELAMEN_ASSIGN(const Event event, event_of(entry.event));
        // Composition does not depend on the order: equal events are one.
        const auto known = std::ranges::find(sums, event, &Sum::event);
        if (known == sums.end())
            sums.push_back({event, times_of(entry.event)});
        else
            known->times += times_of(entry.event);
    }
    std::vector<Spending> all;
    for (const Sum& sum : sums) {
        VELAMEN_ASSIGN(const auto times, Steps::create(sum.times));
        all.push_back({sum.event, times});
    }
    return all;
}

} // namespace velamen::privacy
