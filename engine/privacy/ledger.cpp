// SPDX-License-Identifier: GPL-3.0-or-later
//
// The ledger of one dataset on disk: opened under a lock, repaired only at its torn end, appended
// and synced before any noise is drawn. What a line may hold is decided in ledger_line.cpp.

#include "engine/privacy/ledger.h"

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "engine/core/assert.h"
#include "engine/core/file.h"
#include "engine/privacy/ledger_line.h"

namespace velamen::privacy {

namespace fs = std::filesystem;

SpentStep::SpentStep(SpentStep&& other) noexcept
    : index_(other.index_), event_(other.event_), gradient_noise_(other.gradient_noise_),
      live_(std::exchange(other.live_, false))
{
}

ReservedSteps::ReservedSteps(ReservedSteps&& other) noexcept
    : next_(other.next_), left_(std::exchange(other.left_, 0)), event_(other.event_),
      gradient_noise_(other.gradient_noise_)
{
}

ReservedSteps& ReservedSteps::operator=(ReservedSteps&& other) noexcept
{
    if (this != &other) {
        next_ = other.next_;
        left_ = std::exchange(other.left_, 0);
        event_ = other.event_;
        gradient_noise_ = other.gradient_noise_;
    }
    return *this;
}

SpentStep ReservedSteps::take()
{
    VELAMEN_ASSERT(left_ > 0);
    --left_;
    return SpentStep(next_++, event_, gradient_noise_);
}

struct Ledger::State {
    fs::path folder;
    core::FileLock lock;
    core::AppendFile file;
    std::string text;
    std::vector<LedgerEntry> entries;
    LedgerHead head;
    std::map<std::pair<std::string, std::int64_t>, std::int64_t> next_step{};
    /// A write failed: the end of the file is unknown until it is opened again.
    bool is_broken = false;

    void count(const LedgerEntry& entry)
    {
        next_step[{entry.run, entry.attempt}] += entry.event.steps;
    }
};

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::~Ledger() = default;
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger& Ledger::operator=(Ledger&&) noexcept = default;

namespace {

Result<> cut(const fs::path& path, std::size_t length)
{
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    bool is_done = descriptor >= 0 && ::ftruncate(descriptor, static_cast<off_t>(length)) == 0
        && ::fsync(descriptor) == 0;
    const int number = errno;
    if (descriptor >= 0) ::close(descriptor);
    if (!is_done)
        return fail(ErrorCode::Unreadable,
                    "cannot repair " + path.string() + ": " + std::strerror(number));
    return {};
}

} // namespace

Result<Ledger> Ledger::open(const fs::path& folder)
{
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored))
        return fail(ErrorCode::NotFound, "there is no ledger folder " + folder.string());
    VELAMEN_ASSIGN(core::FileLock lock, core::FileLock::acquire(folder / "lock"));

    const fs::path path = folder / "ledger.jsonl";
    std::string text;
    if (fs::exists(path, ignored)) {
        VELAMEN_ASSIGN(text, core::read_file(path));
    } else if (fs::exists(folder / "units.idx", ignored)) {
        return fail(ErrorCode::Refused,
                    "the ledger file of " + folder.string() + " has been removed",
                    "restore it from a backup; what was spent cannot be shown without it");
    }
    VELAMEN_ASSIGN(auto entries, parse_ledger(text));
    // A line without newline was never acknowledged: reserve() returns after the whole line is
    // synced.
    const std::size_t whole = text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1;
    if (whole != text.size()) {
        VELAMEN_TRY(cut(path, whole));
        text.resize(whole);
    }
    VELAMEN_ASSIGN(core::AppendFile file, core::AppendFile::open(path));

    LedgerHead head = head_of(text);
    auto state = std::make_unique<State>(State{.folder = folder,
                                               .lock = std::move(lock),
                                               .file = std::move(file),
                                               .text = std::move(text),
                                               .entries = std::move(entries),
                                               .head = std::move(head)});
    for (const LedgerEntry& entry : state->entries)
        state->count(entry);
    return Ledger(std::move(state));
}

Result<ReservedSteps> Ledger::reserve(const std::string& run, std::int64_t attempt,
                                      const std::string& unit, Neighbours neighbours,
                                      const LedgerEvent& event)
{
    if (state_->is_broken)
        return fail(ErrorCode::Unreadable,
                    "the last entry of the ledger could not be written, so no more may be spent",
                    "make room on the disk, then start Velamen again");
    const LedgerEntry entry{.seq = state_->head.seq + 1,
                            .prev = state_->head.hash,
                            .run = run,
                            .attempt = attempt,
                            .unit = unit,
                            .neighbours = neighbours,
                            .event = event};
    VELAMEN_TRY(check_entry(entry));
    VELAMEN_ASSIGN(const auto rate, SamplingRate::create(event.rate));
    VELAMEN_ASSIGN(const auto noise, NoiseMultiplier::create(event.noise_effective));
    VELAMEN_ASSIGN(const auto gradient, NoiseMultiplier::create(event.noise_gradient));

    const std::string line = line_of(entry);
    state_->is_broken = true;
    VELAMEN_TRY(state_->file.append(line + "\n"));
    state_->is_broken = false;

    const std::int64_t first = state_->next_step[{run, attempt}];
    state_->head = {entry.seq, core::sha256_hex(line)};
    state_->text += line + "\n";
    state_->count(entry);
    state_->entries.push_back(entry);
    return ReservedSteps(first, event.steps, SubsampledGaussian{rate, noise}, gradient);
}

const std::vector<LedgerEntry>& Ledger::entries() const noexcept { return state_->entries; }

LedgerHead Ledger::head() const { return state_->head; }

std::string Ledger::id() const { return state_->folder.filename().string(); }

fs::path Ledger::folder() const { return state_->folder; }

Result<> Ledger::require(const LedgerHead& recorded) const
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
    if (recorded.seq > state_->head.seq)
        return refuse("line " + std::to_string(recorded.seq + 1) + " is missing, it ends at line "
                      + std::to_string(state_->head.seq + 1));
    // The hash of a line is the "prev" of the next one.
    const std::string& hash = recorded.seq == state_->head.seq
        ? state_->head.hash
        : state_->entries[static_cast<std::size_t>(recorded.seq) + 1].prev;
    if (hash != recorded.hash)
        return refuse("line " + std::to_string(recorded.seq + 1) + " is another one");
    return {};
}

std::string Ledger::text() const { return state_->text; }

} // namespace velamen::privacy
