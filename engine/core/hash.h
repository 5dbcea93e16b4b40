// SPDX-License-Identifier: GPL-3.0-or-later
//
// SHA-256 for what others verify, keyed BLAKE2b for what only this machine may recognise.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/core/result.h"

namespace velamen::core {

using Digest = std::array<std::uint8_t, 32>;

std::string to_hex(std::span<const std::uint8_t> bytes);

/// Incremental SHA-256. Not thread-safe.
class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;

    void update(std::span<const std::byte> bytes);
    void update(std::string_view text);
    Digest finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);
std::string sha256_hex(std::span<const std::byte> bytes);
/// Reads the file in blocks.
Result<std::string> sha256_file(const std::filesystem::path& path);

/// Keyed BLAKE2b-256: equal inputs can be recognised only by who has the key.
Digest keyed_hash(std::span<const std::uint8_t> key, std::span<const std::byte> bytes);

} // namespace velamen::core
