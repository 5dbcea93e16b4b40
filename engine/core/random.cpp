// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/core/random.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <vector>

#include <sodium.h>

#include "engine/core/assert.h"
#include "engine/core/hash.h"

namespace velamen::core {

namespace {

void start_sodium()
{
    VELAMEN_ASSERT(sodium_init() >= 0); // idempotent and thread-safe
}

} // namespace

StreamKey StreamKey::fresh()
{
    start_sodium();
    StreamKey key;
    randombytes_buf(key.bytes_.data(), key.bytes_.size());
    return key;
}

StreamKey StreamKey::reproducible(std::uint64_t seed)
{
    start_sodium();
    StreamKey key;
    const std::string text = "velamen reproducible test key " + std::to_string(seed);
    crypto_generichash(key.bytes_.data(), key.bytes_.size(),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr,
                       0);
    return key;
}

StreamKey::~StreamKey() { sodium_memzero(bytes_.data(), bytes_.size()); }

StreamKey::StreamKey(StreamKey&& other) noexcept : bytes_(other.bytes_)
{
    sodium_memzero(other.bytes_.data(), other.bytes_.size());
}

StreamKey& StreamKey::operator=(StreamKey&& other) noexcept
{
    if (this != &other) {
        bytes_ = other.bytes_;
        sodium_memzero(other.bytes_.data(), other.bytes_.size());
    }
    return *this;
}

StreamKey StreamKey::derive(StreamPurpose purpose) const
{
    StreamKey key;
    const auto number = static_cast<std::uint32_t>(purpose);
    key.bytes_ = keyed_hash(bytes_, std::as_bytes(std::span(&number, 1)));
    return key;
}

SecureStream::SecureStream(const StreamKey& key, std::uint64_t step, std::uint32_t tensor)
{
    start_sodium();
    std::memcpy(key_.data(), key.bytes().data(), key_.size());
    std::memcpy(nonce_.data(), &step, sizeof step);
    std::memcpy(nonce_.data() + sizeof step, &tensor, sizeof tensor);
}

SecureStream::~SecureStream()
{
    sodium_memzero(key_.data(), key_.size());
    sodium_memzero(buffer_.data(), buffer_.size());
}

void SecureStream::refill()
{
    constexpr std::uint32_t kBlocks = 1024 / 64;
    VELAMEN_ASSERT(block_ <= std::numeric_limits<std::uint32_t>::max() - kBlocks);
    buffer_.fill(0);
    crypto_stream_chacha20_ietf_xor_ic(buffer_.data(), buffer_.data(), buffer_.size(),
                                       nonce_.data(), block_, key_.data());
    block_ += kBlocks;
    used_ = 0;
}

std::uint64_t SecureStream::next_u64()
{
    if (used_ + 8 > buffer_.size()) refill();
    std::uint64_t word = 0;
    std::memcpy(&word, buffer_.data() + used_, 8);
    used_ += 8;
    return word;
}

double SecureStream::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

std::uint64_t SecureStream::below(std::uint64_t bound)
{
    VELAMEN_ASSERT(bound > 0);
    const std::uint64_t limit = std::numeric_limits<std::uint64_t>::max()
        - std::numeric_limits<std::uint64_t>::max() % bound;
    std::uint64_t word = next_u64();
    while (word >= limit)
        word = next_u64();
    return word % bound;
}

double SecureStream::normal()
{
    if (has_spare_) {
        has_spare_ = false;
        return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform())); // 1 - u lies in (0, 1]
    const double angle = 2.0 * std::numbers::pi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
}

void SecureStream::normals(std::span<float> out)
{
    for (float& value : out)
        value = static_cast<float>(normal());
}

std::string random_id(std::size_t bytes)
{
    start_sodium();
    std::vector<std::uint8_t> buffer(bytes);
    randombytes_buf(buffer.data(), buffer.size());
    return to_hex(buffer);
}

std::uint64_t random_seed()
{
    start_sodium();
    std::uint64_t seed = 0;
    randombytes_buf(&seed, sizeof seed);
    return seed & ((std::uint64_t{1} << 53) - 1); // exact in JSON numbers
}

} // namespace velamen::core
