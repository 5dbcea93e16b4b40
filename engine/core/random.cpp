// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/core/random.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <numbers>
#include <utility>
#include <vector>

#include <pthread.h>
#include <sys/mman.h>

#include <sodium.h>

#include "engine/core/assert.h"
#include "engine/core/hash.h"

namespace velamen::core {

namespace {

void start_sodium()
{
    VELAMEN_ASSERT(sodium_init() >= 0); // idempotent and thread-safe
}

using Mark = std::atomic<std::uint64_t>;

// Where the mark of this process lies: 0 at first and again in a child.
constinit Mark* mark_in_page = nullptr;

Mark& mark_place()
{
    static Mark& place = []() -> Mark& {
        void* page =
            mmap(nullptr, sizeof(Mark), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        VELAMEN_ASSERT(page != MAP_FAILED);
#ifdef MADV_WIPEONFORK
        // Refused by kernels before 4.14; the handler below is all that is left then.
        static_cast<void>(madvise(page, sizeof(Mark), MADV_WIPEONFORK));
#endif
        mark_in_page = new (page) Mark(0);
        VELAMEN_ASSERT(pthread_atfork(nullptr, nullptr, [] { mark_in_page->store(0); }) == 0);
        return *mark_in_page;
    }();
    return place;
}

// A random number that no other process has, drawn on first use.
std::uint64_t process_mark()
{
    Mark& place = mark_place();
    std::uint64_t mark = place.load(std::memory_order_relaxed);
    if (mark == 0) {
        std::uint64_t drawn = 0;
        randombytes_buf(&drawn, sizeof drawn);
        drawn |= 1;
        if (place.compare_exchange_strong(mark, drawn)) mark = drawn;
    }
    return mark;
}

} // namespace

StreamKey::StreamKey()
{
    start_sodium();
    process_ = process_mark();
}

StreamKey StreamKey::fresh()
{
    StreamKey key;
    // The other implementations of libsodium keep a generator, which a fork or a copied machine
    // would copy too.
    VELAMEN_ASSERT(std::strcmp(randombytes_implementation_name(), "sysrandom") == 0);
    randombytes_buf(key.bytes_.data(), key.bytes_.size());
    return key;
}

StreamKey StreamKey::reproducible(std::uint64_t seed)
{
    StreamKey key;
    const std::string text = "velamen reproducible test key " + std::to_string(seed);
    crypto_generichash(key.bytes_.data(), key.bytes_.size(),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr,
                       0);
    return key;
}

void StreamKey::forget() noexcept
{
    sodium_memzero(bytes_.data(), bytes_.size());
    process_ = 0;
}

StreamKey::~StreamKey() { forget(); }

StreamKey::StreamKey(StreamKey&& other) noexcept : bytes_(other.bytes_), process_(other.process_)
{
    other.forget();
}

StreamKey& StreamKey::operator=(StreamKey&& other) noexcept
{
    if (this != &other) {
        bytes_ = other.bytes_;
        process_ = other.process_;
        other.forget();
    }
    return *this;
}

std::span<const std::uint8_t, 32> StreamKey::bytes() const noexcept
{
    VELAMEN_ASSERT(process_ == process_mark());
    return bytes_;
}

StreamKey StreamKey::derive(StreamPurpose purpose) const
{
    StreamKey key;
    const auto number = static_cast<std::uint32_t>(purpose);
    Digest digest = keyed_hash(bytes(), std::as_bytes(std::span(&number, 1)));
    key.bytes_ = digest;
    sodium_memzero(digest.data(), digest.size());
    return key;
}

SecureStream::SecureStream(const StreamKey& key, std::uint64_t step, std::uint32_t tensor)
    : process_(process_mark())
{
    std::memcpy(key_.data(), key.bytes().data(), key_.size());
    std::memcpy(nonce_.data(), &step, sizeof step);
    std::memcpy(nonce_.data() + sizeof step, &tensor, sizeof tensor);
}

void SecureStream::forget() noexcept
{
    sodium_memzero(key_.data(), key_.size());
    sodium_memzero(buffer_.data(), buffer_.size());
    sodium_memzero(&spare_, sizeof spare_);
    process_ = 0;
}

SecureStream::~SecureStream() { forget(); }

SecureStream::SecureStream(SecureStream&& other) noexcept { *this = std::move(other); }

SecureStream& SecureStream::operator=(SecureStream&& other) noexcept
{
    if (this != &other) {
        *this = std::as_const(other);
        other.forget();
    }
    return *this;
}

void SecureStream::require_own_process() const { VELAMEN_ASSERT(process_ == process_mark()); }

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
    require_own_process();
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

std::array<double, 2> normal_pair(std::uint64_t r, std::uint64_t s) noexcept
{
    const double u = 1.0 - static_cast<double>(r >> 11) * 0x1p-53;
    const double angle = 2.0 * std::numbers::pi * (static_cast<double>(s >> 11) * 0x1p-53);
    const double radius = std::sqrt(-2.0 * std::log(u));
    return {radius * std::cos(angle), radius * std::sin(angle)};
}

double SecureStream::normal()
{
    require_own_process();
    if (has_spare_) {
        has_spare_ = false;
        return spare_;
    }
    const std::uint64_t r = next_u64();
    const auto [first, second] = normal_pair(r, next_u64());
    spare_ = second;
    has_spare_ = true;
    return first;
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
