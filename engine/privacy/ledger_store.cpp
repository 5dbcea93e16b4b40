// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which ledger a dataset belongs to. A unit is known by a keyed hash of its content; the key never
// leaves this machine, so an index tells nobody else which images were used.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <thread>

#include "engine/core/file.h"
#include "engine/core/random.h"
#include "engine/privacy/ledger.h"
#include "engine/privacy/ledger_files.h"

namespace velamen::privacy {

namespace {

namespace fs = std::filesystem;
using Digests = std::vector<core::Digest>; // sorted, no two equal

constexpr std::size_t kKeyBytes = 32;
constexpr char kMagic[8] = {'V', 'L', 'M', 'U', 'N', 'I', 'T', '1'};
constexpr std::size_t kHeader = sizeof(kMagic) + sizeof(std::uint64_t);
constexpr std::size_t kDigest = sizeof(core::Digest);

Digests sorted(std::span<const core::Digest> hashes)
{
    Digests digests(hashes.begin(), hashes.end());
    std::ranges::sort(digests);
    digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
    return digests;
}

/// units.idx: magic, count (little-endian), the sorted hashes, SHA-256 of all before.
Result<> write_index(const fs::path& path, const Digests& digests)
{
    std::string text(kMagic, sizeof(kMagic));
    const std::uint64_t count = digests.size();
    for (int shift = 0; shift < 64; shift += 8)
        text.push_back(static_cast<char>((count >> shift) & 0xff));
    for (const core::Digest& digest : digests)
        text.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    core::Sha256 sha;
    sha.update(text);
    const core::Digest check = sha.finish();
    text.append(reinterpret_cast<const char*>(check.data()), check.size());
    return write_private(path, std::as_bytes(std::span(text)));
}

Result<Digests> read_index(const fs::path& path)
{
    const auto corrupt = [&](const std::string& cause) {
        return fail(ErrorCode::Corrupt, path.string() + " is damaged: " + cause,
                    "restore the ledger folder from a backup");
    };
    VELAMEN_ASSIGN(const std::string text, core::read_file(path));
    if (text.size() < kHeader + kDigest || std::memcmp(text.data(), kMagic, sizeof(kMagic)) != 0)
        return corrupt("it is not an index of units");
    const std::size_t end = text.size() - kDigest;
    core::Sha256 sha;
    sha.update(std::string_view(text).substr(0, end));
    const core::Digest check = sha.finish();
    if (std::memcmp(check.data(), text.data() + end, kDigest) != 0)
        return corrupt("its check sum does not fit");
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < 8; ++i)
        count |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[sizeof(kMagic) + i]))
            << (8 * i);
    if ((end - kHeader) % kDigest != 0 || (end - kHeader) / kDigest != count)
        return corrupt("its length does not fit");
    Digests digests(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < digests.size(); ++i)
        std::memcpy(digests[i].data(), text.data() + kHeader + i * kDigest, kDigest);
    return digests;
}

/// The lock of the store is held for milliseconds: wait for it instead of failing.
Result<core::FileLock> lock_store(const fs::path& root)
{
    constexpr int kTries = 500;
    for (int i = 0;; ++i) {
        auto lock = core::FileLock::acquire(root / "lock");
        if (lock || lock.error().code != ErrorCode::Busy || i == kTries) return lock;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

/// An error when the folder cannot be read to its end: an overlooked ledger would start a new one
/// at zero.
Result<std::vector<fs::path>> ledger_folders(const fs::path& root)
{
    std::vector<fs::path> folders;
    std::error_code error;
    for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
        std::error_code unknown; // what cannot be looked at is kept, and fails where it is read
        if (fs::exists(it->path() / kLedgerFile, unknown) || unknown
            || fs::exists(it->path() / "units.idx", unknown) || unknown)
            folders.push_back(it->path());
    }
    if (error)
        return fail(ErrorCode::Unreadable, "cannot list " + root.string() + ": " + error.message());
    std::ranges::sort(folders);
    return folders;
}

struct Known {
    fs::path folder;
    Digests digests;
};

/// The one ledger that shares a hash; nothing when none does.
Result<std::optional<Known>> match(const fs::path& root, const Digests& wanted)
{
    std::optional<Known> found;
    VELAMEN_ASSIGN(const std::vector<fs::path> folders, ledger_folders(root));
    for (const fs::path& folder : folders) {
        std::error_code error;
        if (!fs::exists(folder / "units.idx", error)) {
            // A crash between the two files of a new ledger; nothing can have been spent in it.
            if (fs::file_size(folder / kLedgerFile, error) == 0 && !error) continue;
            return fail(ErrorCode::Corrupt,
                        "the index of units of " + folder.string() + " is missing",
                        "restore the ledger folder from a backup");
        }
        VELAMEN_ASSIGN(Digests digests, read_index(folder / "units.idx"));
        const bool is_shared = std::ranges::any_of(wanted, [&](const core::Digest& digest) {
            return std::ranges::binary_search(digests, digest);
        });
        if (!is_shared) continue;
        if (found)
            return fail(ErrorCode::Refused,
                        "these images belong to two ledgers, so no single one tells what is spent",
                        "choose a folder that shares images with one earlier dataset only");
        found = Known{folder, std::move(digests)};
    }
    return found;
}

} // namespace

Result<LedgerStore> LedgerStore::open(const fs::path& root)
{
    LedgerStore store;
    store.root_ = root.empty() ? core::user_data_directory() / "ledgers" : root;
    std::error_code error;
    const bool is_new = !fs::exists(store.root_, error);
    VELAMEN_TRY(core::make_directory(store.root_, true));
    if (is_new) VELAMEN_TRY(sync_folder(store.root_.parent_path()));
    VELAMEN_ASSIGN(const core::FileLock lock, lock_store(store.root_));
    const fs::path path = store.root_ / "unit.key";
    if (!fs::exists(path, error)) {
        VELAMEN_ASSIGN(const std::vector<fs::path> folders, ledger_folders(store.root_));
        if (!folders.empty())
            return fail(ErrorCode::Refused,
                        "the key " + path.string()
                            + " is missing: known images can no longer be recognised",
                        "restore it from a backup");
        const core::StreamKey key = core::StreamKey::fresh();
        VELAMEN_TRY(write_private(path, std::as_bytes(key.bytes())));
    }
    VELAMEN_ASSIGN(const std::string text, core::read_file(path));
    if (text.size() != kKeyBytes)
        return fail(ErrorCode::Corrupt, "the key " + path.string() + " is damaged",
                    "restore it from a backup");
    store.key_.assign(text.begin(), text.end());
    return store;
}

core::Digest LedgerStore::hash_unit(std::span<const std::byte> content) const
{
    return core::keyed_hash(key_, content);
}

Result<Ledger> LedgerStore::join(std::span<const core::Digest> hashes)
{
    if (hashes.empty())
        return fail(ErrorCode::InvalidArgument, "a dataset without images has no ledger");
    const Digests wanted = sorted(hashes);
    VELAMEN_ASSIGN(const core::FileLock lock, lock_store(root_));
    VELAMEN_ASSIGN(const std::optional<Known> known, match(root_, wanted));
    if (!known) {
        const fs::path folder = root_ / core::random_id(16);
        VELAMEN_TRY(core::make_directory(folder, true));
        VELAMEN_TRY(sync_folder(root_)); // or the whole folder could be gone after a power cut
        VELAMEN_ASSIGN(Ledger ledger, Ledger::open(folder));
        VELAMEN_TRY(write_index(folder / "units.idx", wanted));
        return ledger;
    }
    VELAMEN_ASSIGN(Ledger ledger, Ledger::open(known->folder));
    Digests all;
    std::ranges::set_union(known->digests, wanted, std::back_inserter(all));
    if (all.size() != known->digests.size())
        VELAMEN_TRY(write_index(known->folder / "units.idx", all));
    return ledger;
}

Result<std::optional<fs::path>> LedgerStore::find(std::span<const core::Digest> hashes) const
{
    VELAMEN_ASSIGN(std::optional<Known> known, match(root_, sorted(hashes)));
    if (!known) return std::optional<fs::path>();
    return std::optional<fs::path>(std::move(known->folder));
}

Result<std::vector<fs::path>> LedgerStore::folders() const { return ledger_folders(root_); }

std::vector<fs::path> LedgerStore::list() const
{
    return folders().value_or(std::vector<fs::path>{});
}

} // namespace velamen::privacy
