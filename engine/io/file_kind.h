// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a file of weights really is, whatever its name says: told by its first bytes, so that an
// opener can say "git-lfs pointer" where it would otherwise report a broken header.

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "engine/core/result.h"

namespace velamen::io {

/// The longest JSON header of a safetensors file, as its reference reader has it.
constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

enum class FileKind { Safetensors, TorchZip, TorchLegacy, GitLfsPointer, HtmlPage, Other };

/// Says nothing about whether the file is whole.
FileKind kind_of(std::span<const std::byte> file) noexcept;

/// The error of an opener that does not read files of this kind, with the way out.
Error mistaken(const std::filesystem::path& path, FileKind kind);

/// Bytes with which every legacy torch file starts: a pickle of torch's magic number.
std::span<const std::byte> legacy_magic() noexcept;

} // namespace velamen::io
