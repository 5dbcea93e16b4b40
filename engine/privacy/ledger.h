// SPDX-License-Identifier: GPL-3.0-or-later
//
// The saved truth of what has been spent: an append-only, hash-chained file of events per private
// dataset, kept outside every project. A line is on the disk before the noise of its steps is used;
// what is reserved is spent for ever. Nothing in a line is private.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/hash.h"
#include "engine/core/result.h"
#include "engine/privacy/ledger_event.h"

namespace velamen::privacy {

/// One line: {v, seq, prev, run, attempt, unit, neighbours, event}. `prev` is the SHA-256 of the
/// previous line's bytes without the newline; 64 zeros for the first.
struct LedgerEntry {
    std::int64_t v = 1;
    std::int64_t seq = 0;
    std::string prev;
    std::string run;
    std::int64_t attempt = 1;
    std::string unit = "image";
    Neighbours neighbours = Neighbours::ZeroOut;
    LedgerEvent event;
};

/// A position in the chain; runs, checkpoints and releases record one.
struct LedgerHead {
    std::int64_t seq = -1; ///< -1: empty
    std::string hash;      ///< of the last line; 64 zeros when empty
};

/// What a total or a ceiling is claimed for.
struct Claim {
    std::string unit = "image";
    Neighbours neighbours = Neighbours::ZeroOut;
    /// The most images that one unit has, a public number. With it image events enter the claim of
    /// a larger unit by group privacy; without it such a claim is refused.
    std::optional<std::int64_t> images_per_unit{};
    friend bool operator==(const Claim&, const Claim&) = default;
};

/// What all runs of a dataset together may spend, whatever made people choose the later ones:
/// enforced by an RDP filter at one order, which is fixed here. Declared once, never changed.
/// Events reserved before it are counted too; they must not be what the ceiling was chosen by.
struct Ceiling {
    Claim claim;
    Epsilon epsilon; ///< above 0, finite
    Delta delta;
    double order;                ///< alpha of the filter, above 1 and at most 1024
    LedgerHead declared_after{}; ///< what was already reserved when it was declared
};

/// The right to use the noise of one step; made only from a synced line, used once.
class SpentStep {
public:
    SpentStep(SpentStep&& other) noexcept;
    SpentStep& operator=(SpentStep&&) = delete;
    /// Position of the step within its run, over all attempts: no two SpentSteps of a run are
    /// equal.
    std::int64_t index() const noexcept { return index_; }
    /// What was charged; `noise` is that of all parts together.
    const SubsampledGaussian& event() const noexcept { return event_; }
    /// The noise of each part.
    const StepNoise& noise() const noexcept { return noise_; }
    /// Charged as the discrete Gaussian on a grid, which is what has to be added.
    bool is_hardened() const noexcept { return is_hardened_; }
    bool is_live() const noexcept { return live_; }

private:
    friend class ReservedSteps;
    SpentStep(std::int64_t index, SubsampledGaussian event, StepNoise noise, bool is_hardened)
        : index_(index), event_(event), noise_(noise), is_hardened_(is_hardened)
    {
    }
    std::int64_t index_;
    SubsampledGaussian event_;
    StepNoise noise_;
    bool is_hardened_;
    bool live_ = true;
};

/// The steps of one synced line, taken one by one.
class ReservedSteps {
public:
    /// The source has no steps left: a step is never taken twice.
    ReservedSteps(ReservedSteps&& other) noexcept;
    ReservedSteps& operator=(ReservedSteps&& other) noexcept;
    std::int64_t left() const noexcept { return left_; }
    /// Requires left() > 0.
    SpentStep take();

private:
    friend class Ledger;
    ReservedSteps(std::int64_t first, std::int64_t count, SubsampledGaussian event, StepNoise noise,
                  bool is_hardened)
        : next_(first), left_(count), event_(event), noise_(noise), is_hardened_(is_hardened)
    {
    }
    std::int64_t next_;
    std::int64_t left_;
    SubsampledGaussian event_;
    StepNoise noise_;
    bool is_hardened_;
};

/// The right to make the releases of one synced line that is no training; used once.
class SpentRelease {
public:
    SpentRelease(SpentRelease&& other) noexcept;
    SpentRelease& operator=(SpentRelease&&) = delete;
    /// Number of its line in the ledger, counted from 0: no two are equal.
    std::int64_t line() const noexcept { return line_; }
    const NoisyRelease& release() const noexcept { return release_; }
    bool is_live() const noexcept { return live_; }

private:
    friend class Ledger;
    SpentRelease(std::int64_t line, NoisyRelease release)
        : line_(line), release_(std::move(release))
    {
    }
    std::int64_t line_;
    NoisyRelease release_;
    bool live_ = true;
};

/// One dataset's ledger, locked for writing while it lives. One thread.
class Ledger {
public:
    /// Opens the ledger of a folder under ledgers/. An unfinished last line (crash while appending)
    /// is cut off; an edited, reordered, removed or foreign line is Refused with its number, as is
    /// a ceiling that was declared after a line that is missing now. Busy when another process
    /// writes to it.
    static Result<Ledger> open(const std::filesystem::path& folder);
    ~Ledger();
    Ledger(Ledger&&) noexcept;
    Ledger& operator=(Ledger&&) noexcept;

    /// Appends and syncs one line for `event.steps` steps (1..32); only then may noise be drawn.
    /// Refused, with what is left, when the dataset's ceiling would be passed.
    Result<ReservedSteps> reserve(const std::string& run, std::int64_t attempt,
                                  const std::string& unit, Neighbours neighbours,
                                  const TrainingSteps& event);
    /// The same for releases beside training.
    Result<SpentRelease> reserve(const std::string& run, std::int64_t attempt,
                                 const std::string& unit, Neighbours neighbours,
                                 const NoisyRelease& release);

    /// How many events like this one the ceiling still allows, once the releases `before` them have
    /// been charged too; no limit without a ceiling. Refused when such events have no place under
    /// it (the number of steps does not matter).
    Result<std::int64_t> room(const std::string& unit, Neighbours neighbours,
                              const LedgerEvent& event,
                              std::span<const NoisyRelease> before = {}) const;

    /// Fixes the ceiling of this dataset for ever; `declared_after` is set to the present head.
    /// Refused when there is another one, or when more than that is already reserved.
    Result<> declare(const Ceiling& ceiling);
    const std::optional<Ceiling>& ceiling() const noexcept;

    const std::vector<LedgerEntry>& entries() const noexcept;
    LedgerHead head() const;
    std::string id() const;
    std::filesystem::path folder() const;
    /// Refused when a recorded head is missing from the chain (rollback or truncation).
    Result<> require(const LedgerHead& recorded) const;
    /// All lines as written (for a release).
    std::string text() const;

private:
    struct State;
    explicit Ledger(std::unique_ptr<State> state);
    Result<> append(LedgerEntry entry);
    std::unique_ptr<State> state_;
};

/// Reads and checks a chain without locking; for `verify` and read-only views. An unfinished last
/// line is passed over.
Result<std::vector<LedgerEntry>> parse_ledger(std::string_view text);
/// The head of such a chain.
LedgerHead head_of(std::string_view text);
/// Ledger::require() on a chain that was read without locking.
Result<> require_head(std::span<const LedgerEntry> entries, const LedgerHead& head,
                      const LedgerHead& recorded);
/// The ceiling in a ledger's folder; nothing when none was declared. Corrupt or Unsupported when it
/// cannot be read: a ceiling is never passed over.
Result<std::optional<Ceiling>> read_ceiling(const std::filesystem::path& folder);
/// What the given run released (all runs when empty), equal events merged. Refused when they differ
/// in unit or relation; totals.h adds up what can be.
Result<std::vector<Spending>> spendings_of(std::span<const LedgerEntry> entries,
                                           std::string_view run = {});

/// All ledgers of this user: $XDG_DATA_HOME/velamen/ledgers.
class LedgerStore {
public:
    /// Creates the folder (0700) and the machine-wide key when they are not there.
    static Result<LedgerStore>
    open(const std::filesystem::path& root = {}); // empty: user_data_directory()/ledgers

    /// Keyed hash of one image's content, the same on this machine for equal bytes.
    core::Digest hash_unit(std::span<const std::byte> content) const;
    /// The ledger that shares any of these hashes, extended by the new ones; a new ledger when none
    /// does. Refused when they belong to more than one ledger (copies of two datasets mixed).
    Result<Ledger> join(std::span<const core::Digest> hashes);
    /// The same without creating, extending or locking: the folder, or nothing.
    Result<std::optional<std::filesystem::path>> find(std::span<const core::Digest> hashes) const;
    /// Folders of all ledgers, in the order of their names.
    Result<std::vector<std::filesystem::path>> folders() const;
    /// The same; empty when they cannot be listed.
    std::vector<std::filesystem::path> list() const;

private:
    LedgerStore() = default;
    std::filesystem::path root_;
    std::vector<std::uint8_t> key_;
};

} // namespace velamen::privacy
