// SPDX-License-Identifier: GPL-3.0-or-later
//
// Randomness that the guarantee rests on: ChaCha20 streams keyed by the operating system. Keys
// exist in memory only. Public randomness (initial weights, preview noise) does not belong here.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace velamen::core {

/// What a stream is used for: each purpose has its own key, so that no two can ever overlap.
enum class StreamPurpose : std::uint32_t { Sampling = 1, Noise = 2, Augmentation = 3 };

/// 256 secret bits. Wiped on destruction; cannot be copied or printed.
class StreamKey {
public:
    /// From the operating system. Differs in every process, also after fork().
    static StreamKey fresh();
    /// For tests only: voids every certificate of a run that uses it.
    static StreamKey reproducible(std::uint64_t seed);

    ~StreamKey();
    StreamKey(StreamKey&& other) noexcept;
    StreamKey& operator=(StreamKey&& other) noexcept;

    std::span<const std::uint8_t, 32> bytes() const noexcept { return bytes_; }
    /// A key for one purpose, derived by keyed hashing.
    StreamKey derive(StreamPurpose purpose) const;

private:
    StreamKey() = default;
    std::array<std::uint8_t, 32> bytes_{};
};

/// A ChaCha20 (IETF, 96-bit nonce) stream of words. Same key and nonce, same words: a nonce is the
/// pair (step, tensor) and must be used once per key. Not thread-safe.
class SecureStream {
public:
    SecureStream(const StreamKey& key, std::uint64_t step, std::uint32_t tensor);
    ~SecureStream();
    SecureStream(SecureStream&&) noexcept = default;
    SecureStream& operator=(SecureStream&&) noexcept = default;

    std::uint64_t next_u64();
    /// Uniform in [0, 1), 53 bits.
    double uniform();
    /// Uniform in [0, bound), without modulo bias. bound > 0.
    std::uint64_t below(std::uint64_t bound);
    /// Standard normal (Box-Muller in double).
    double normal();
    void normals(std::span<float> out);

private:
    void refill();
    std::array<std::uint8_t, 32> key_{};
    std::array<std::uint8_t, 12> nonce_{};
    std::uint32_t block_ = 0;
    std::array<std::uint8_t, 1024> buffer_{};
    std::size_t used_ = 1024;
    double spare_ = 0.0;
    bool has_spare_ = false;
};

/// Random lowercase hex from the operating system, for names of runs and ledgers.
std::string random_id(std::size_t bytes = 8);
/// A public random seed, for previews and samples.
std::uint64_t random_seed();

} // namespace velamen::core
