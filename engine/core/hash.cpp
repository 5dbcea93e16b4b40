// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/core/hash.h"

#include <fstream>
#include <vector>

#include <sodium.h>

#include "engine/core/assert.h"

namespace velamen::core {

struct Sha256::State {
    crypto_hash_sha256_state sha;
};

std::string to_hex(std::span<const std::uint8_t> bytes)
{
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::uint8_t byte : bytes) {
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 15]);
    }
    return text;
}

Sha256::Sha256() : state_(std::make_unique<State>()) { crypto_hash_sha256_init(&state_->sha); }

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes)
{
    crypto_hash_sha256_update(&state_->sha, reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size());
}

void Sha256::update(std::string_view text)
{
    update(std::as_bytes(std::span(text.data(), text.size())));
}

Digest Sha256::finish()
{
    Digest digest;
    crypto_hash_sha256_final(&state_->sha, digest.data());
    return digest;
}

std::string sha256_hex(std::string_view text)
{
    Sha256 sha;
    sha.update(text);
    return to_hex(sha.finish());
}

std::string sha256_hex(std::span<const std::byte> bytes)
{
    Sha256 sha;
    sha.update(bytes);
    return to_hex(sha.finish());
}

Result<std::string> sha256_file(const std::filesystem::path& path)
{
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(ErrorCode::Unreadable, "cannot open " + path.string());
    Sha256 sha;
    std::vector<char> block(1 << 20);
    while (in) {
        in.read(block.data(), static_cast<std::streamsize>(block.size()));
        sha.update(std::as_bytes(std::span(block.data(), static_cast<std::size_t>(in.gcount()))));
    }
    if (in.bad()) return fail(ErrorCode::Unreadable, "cannot read " + path.string());
    return to_hex(sha.finish());
}

Digest keyed_hash(std::span<const std::uint8_t> key, std::span<const std::byte> bytes)
{
    VELAMEN_ASSERT(key.size() >= crypto_generichash_KEYBYTES_MIN
                   && key.size() <= crypto_generichash_KEYBYTES_MAX);
    Digest digest;
    crypto_generichash(digest.data(), digest.size(),
                       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                       key.data(), key.size());
    return digest;
}

} // namespace velamen::core
