// SPDX-License-Identifier: GPL-3.0-or-later
//
// The ledger of one dataset on disk: opened under a lock, repaired only at its torn end, appended
// and synced before any noise is drawn. What a line may hold is decided in ledger_line.cpp.

#include "engine/privacy/ledger.h"

#include <limits>
#include <map>
#include <utility>

#include "engine/core/assert.h"
#include "engine/core/file.h"
#include "engine/io/json.h"
#include "engine/privacy/checked.h"
#include "engine/privacy/explain.h"
#include "engine/privacy/ledger_files.h"
#include "engine/privacy/ledger_line.h"
#include "engine/privacy/totals.h"

namespace velamen::privacy {

namespace fs = std::filesystem;

SpentStep::SpentStep(SpentStep&& other) noexcept
    : index_(other.index_), event_(other.event_), noise_(other.noise_),
      is_hardened_(other.is_hardened_), live_(std::exchange(other.live_, false))
{
}

SpentRelease::SpentRelease(SpentRelease&& other) noexcept
    : line_(other.line_), release_(std::move(other.release_)),
      live_(std::exchange(other.live_, false))
{
}

ReservedSteps::ReservedSteps(ReservedSteps&& other) noexcept
    : next_(other.next_), left_(std::exchange(other.left_, 0)), event_(other.event_),
      noise_(other.noise_), is_hardened_(other.is_hardened_)
{
}

ReservedSteps& ReservedSteps::operator=(ReservedSteps&& other) noexcept
{
    if (this != &other) {
        next_ = other.next_;
        left_ = std::exchange(other.left_, 0);
        event_ = other.event_;
        noise_ = other.noise_;
        is_hardened_ = other.is_hardened_;
    }
    return *this;
}

SpentStep ReservedSteps::take()
{
    VELAMEN_ASSERT(left_ > 0);
    --left_;
    return SpentStep(next_++, event_, noise_, is_hardened_);
}

struct Ledger::State {
    fs::path folder;
    core::FileLock lock;
    core::AppendFile file;
    std::string text;
    std::vector<LedgerEntry> entries;
    LedgerHead head;
    FileIdentity identity;
    std::optional<Ceiling> ceiling{};
    std::optional<RdpFilter> filter{};
    std::map<std::string, std::int64_t> next_step{}; // by run
    /// A write failed: the end of the file is unknown until it is opened again.
    bool is_broken = false;

    Result<> count(const LedgerEntry& entry)
    {
        if (filter) VELAMEN_TRY(filter->add(entry));
        if (const auto* steps = std::get_if<TrainingSteps>(&entry.event))
            next_step[entry.run] += steps->steps;
        return {};
    }

    fs::path path() const { return folder / kLedgerFile; }

    /// A file that was put in its place, or to which somebody else wrote, holds another truth.
    Result<> check_file() const
    {
        VELAMEN_ASSIGN(const FileIdentity now, identity_of(path()));
        if (now.device == identity.device && now.inode == identity.inode && now.size == text.size())
            return {};
        return fail(ErrorCode::Refused,
                    "the ledger " + path().string() + " was changed by another program",
                    "keep backup and sync programs away from it while a run goes on, then start "
                    "Velamen again");
    }
};

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::~Ledger() = default;
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger& Ledger::operator=(Ledger&&) noexcept = default;

namespace {

/// "epsilon 8.0 at delta 1e-05"
std::string text_of(const Ceiling& ceiling)
{
    return "epsilon " + io::Json(ceiling.epsilon.value()).dump() + " at delta "
        + io::Json(ceiling.delta.value()).dump();
}

Error passed(const Ceiling& ceiling, std::int64_t left, std::int64_t wanted)
{
    return Error{ErrorCode::Refused,
                 "the ceiling of this dataset (" + text_of(ceiling) + ") leaves room for "
                     + std::to_string(left) + " more steps of this kind, not for "
                     + std::to_string(wanted),
                 "stop here; a ceiling is not raised once results have been seen"};
}

Result<core::FileLock> lock(const fs::path& folder)
{
    auto held = core::FileLock::acquire(folder / "lock");
    if (!held && held.error().code == ErrorCode::Busy)
        return fail(ErrorCode::Busy,
                    "the ledger of this dataset is in use: another Velamen works on these images",
                    "wait until it has ended, or stop it; two runs cannot spend at once");
    return held;
}

} // namespace

Result<Ledger> Ledger::open(const fs::path& folder)
{
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored))
        return fail(ErrorCode::NotFound, "there is no ledger folder " + folder.string());
    VELAMEN_ASSIGN(core::FileLock held, lock(folder));

    const fs::path path = folder / kLedgerFile;
    std::string text;
    if (fs::exists(path, ignored)) {
        VELAMEN_ASSIGN(text, core::read_file(path));
    } else if (fs::exists(folder / "units.idx", ignored)) {
        return fail(ErrorCode::Refused,
                    "the ledger file of " + folder.string() + " has been removed",
                    "restore it from a backup; what was spent cannot be shown without it");
    }
    VELAMEN_ASSIGN(auto entries, parse_ledger(text));
    LedgerHead head = head_of(text);
    VELAMEN_ASSIGN(std::optional<Ceiling> ceiling, read_ceiling(folder));
    std::optional<RdpFilter> filter;
    if (ceiling) {
        VELAMEN_TRY(require_head(entries, head, ceiling->declared_after));
        VELAMEN_ASSIGN(filter, RdpFilter::create(*ceiling));
    }
    // A line without newline was never acknowledged: reserve() returns after the whole line is
    // synced.
    const std::size_t whole = text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1;
    if (whole != text.size()) {
        VELAMEN_TRY(cut_file(path, whole));
        text.resize(whole);
    }
    VELAMEN_ASSIGN(core::AppendFile file, core::AppendFile::open(path));
    VELAMEN_ASSIGN(const FileIdentity identity, identity_of(path));

    auto state = std::make_unique<State>(State{.folder = folder,
                                               .lock = std::move(held),
                                               .file = std::move(file),
                                               .text = std::move(text),
                                               .entries = std::move(entries),
                                               .head = std::move(head),
                                               .identity = identity,
                                               .ceiling = std::move(ceiling),
                                               .filter = std::move(filter)});
    VELAMEN_TRY(state->check_file());
    for (const LedgerEntry& entry : state->entries)
        VELAMEN_TRY(state->count(entry));
    return Ledger(std::move(state));
}

Result<> Ledger::append(LedgerEntry entry)
{
    if (state_->is_broken)
        return fail(ErrorCode::Unreadable,
                    "the last entry of the ledger could not be written, so no more may be spent",
                    "make room on the disk, then start Velamen again");
    entry.seq = state_->head.seq + 1;
    entry.prev = state_->head.hash;
    VELAMEN_TRY(check_entry(entry));
    VELAMEN_ASSIGN(const std::int64_t left, room(entry.unit, entry.neighbours, entry.event));
    if (const std::int64_t wanted = times_of(entry.event); wanted > left)
        return fail(passed(*state_->ceiling, left, wanted));
    VELAMEN_TRY(state_->check_file());

    const std::string line = line_of(entry);
    state_->is_broken = true;
    VELAMEN_TRY(state_->file.append(line + "\n"));
    state_->text += line + "\n";
    VELAMEN_TRY(state_->check_file()); // the line is where the next reader looks for it
    VELAMEN_TRY(state_->count(entry));
    state_->is_broken = false;
    state_->head = {entry.seq, core::sha256_hex(line)};
    state_->entries.push_back(std::move(entry));
    return {};
}

Result<ReservedSteps> Ledger::reserve(const std::string& run, std::int64_t attempt,
                                      const std::string& unit, Neighbours neighbours,
                                      const TrainingSteps& event)
{
    VELAMEN_TRY(append(
        {.run = run, .attempt = attempt, .unit = unit, .neighbours = neighbours, .event = event}));
    const auto exact = [](double noise) { return checked<NoiseMultiplier>(noise); };
    StepNoise noise{exact(event.noise_gradient)};
    if (event.noise_loss) noise.loss = exact(*event.noise_loss);
    if (event.noise_clipped) noise.clipped_fraction = exact(*event.noise_clipped);
    const SubsampledGaussian charged{checked<SamplingRate>(event.rate),
                                     exact(event.noise_effective)};
    const std::int64_t first = state_->next_step[run] - event.steps;
    return ReservedSteps(first, event.steps, charged, noise, event.is_hardened);
}

Result<SpentRelease> Ledger::reserve(const std::string& run, std::int64_t attempt,
                                     const std::string& unit, Neighbours neighbours,
                                     const NoisyRelease& release)
{
    VELAMEN_TRY(append({.run = run,
                        .attempt = attempt,
                        .unit = unit,
                        .neighbours = neighbours,
                        .event = release}));
    return SpentRelease(state_->head.seq, release);
}

Result<std::int64_t> Ledger::room(const std::string& unit, Neighbours neighbours,
                                  const LedgerEvent& event,
                                  std::span<const NoisyRelease> before) const
{
    if (!state_->filter) return std::numeric_limits<std::int64_t>::max();
    RdpFilter filter = *state_->filter;
    for (const NoisyRelease& release : before)
        VELAMEN_TRY(filter.add({.unit = unit, .neighbours = neighbours, .event = release}));
    return filter.room({.unit = unit, .neighbours = neighbours, .event = event});
}

Result<> Ledger::declare(const Ceiling& ceiling)
{
    if (state_->ceiling) {
        const Ceiling& known = *state_->ceiling;
        if (known.claim == ceiling.claim && known.epsilon == ceiling.epsilon
            && known.delta == ceiling.delta && known.order == ceiling.order)
            return {};
        return fail(ErrorCode::Refused,
                    "this dataset already has a ceiling (" + text_of(known)
                        + "), and a ceiling is declared once",
                    "stay below it; one that is moved after looking at results bounds nothing");
    }
    VELAMEN_ASSIGN(RdpFilter filter, RdpFilter::create(ceiling));
    for (const LedgerEntry& entry : state_->entries)
        VELAMEN_TRY(filter.add(entry));
    if (filter.is_passed())
        return fail(ErrorCode::Refused,
                    "more than this ceiling is already reserved: epsilon "
                        + epsilon_text(filter.spent_epsilon()) + " at order "
                        + io::Json(ceiling.order).dump(),
                    "declare a ceiling above it, or one of a smaller order");
    Ceiling declared = ceiling;
    declared.declared_after = state_->head;
    VELAMEN_TRY(write_ceiling(state_->folder, declared));
    state_->ceiling = std::move(declared);
    state_->filter = std::move(filter);
    return {};
}

const std::optional<Ceiling>& Ledger::ceiling() const noexcept { return state_->ceiling; }

const std::vector<LedgerEntry>& Ledger::entries() const noexcept { return state_->entries; }

LedgerHead Ledger::head() const { return state_->head; }

std::string Ledger::id() const { return state_->folder.filename().string(); }

fs::path Ledger::folder() const { return state_->folder; }

Result<> Ledger::require(const LedgerHead& recorded) const
{
    return require_head(state_->entries, state_->head, recorded);
}

std::string Ledger::text() const { return state_->text; }

} // namespace velamen::privacy
