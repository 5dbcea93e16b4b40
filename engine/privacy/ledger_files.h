// SPDX-License-Identifier: GPL-3.0-or-later
//
// The files of a ledger's folder beside the chain itself, and the few things about files that only
// a ledger asks: whose they are, whether they are still the same, what a power cut leaves of them.
// Internal to engine/privacy.

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "engine/core/result.h"
#include "engine/privacy/ledger.h"

namespace velamen::privacy {

inline constexpr const char* kLedgerFile = "ledger.jsonl";
inline constexpr const char* kCeilingFile = "ceiling.json";

/// A file and its length, not its name.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
};
Result<FileIdentity> identity_of(const std::filesystem::path& path);

/// Written aside, synced, renamed; readable by its owner only (its folder is 0700 anyway).
Result<> write_private(const std::filesystem::path& path, std::span<const std::byte> content);
/// Shortens the file to `length` bytes and syncs it.
Result<> cut_file(const std::filesystem::path& path, std::size_t length);
/// A new name in `folder` survives a power cut once this has returned.
Result<> sync_folder(const std::filesystem::path& folder);

/// ceiling.json: {v, unit, neighbours, images_per_unit, epsilon, delta, order, seq, head}, seq and
/// head being the last line when it was declared (-1 and zeros: none).
Result<> write_ceiling(const std::filesystem::path& folder, const Ceiling& ceiling);
/// Only what write_ceiling() can have written.
Result<Ceiling> parse_ceiling(std::string_view text);

} // namespace velamen::privacy
