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

/// 256 secret bits. Wiped on destruction and when moved from; cannot be copied or printed.
///
/// A key and its streams belong to the process that made them. Using them in a forked child, or
/// after they were moved from, ends the program with an internal error: a child that went on would
/// repeat its parent's noise. The kernel reports the fork (a page that it wipes in the child, also
/// after a bare clone()); where it cannot, a pthread_atfork handler does.
///
/// A copied or restored virtual machine cannot be noticed here. Keys made after it differ, because
/// every key is read from the operating system at that moment and Linux reseeds itself when the
/// hypervisor announces the copy (vmgenid, Linux 5.18); without that they may be equal until the
/// kernel has reseeded by itself, which it does about once a minute. A key made *before* the copy
/// continues in both machines with equal noise: start a new attempt, which draws a new key.
class StreamKey {
public:
    /// From the operating system at the time of the call, never from a generator of the process.
    static StreamKey fresh();
    /// For tests only: voids every certificate of a run that uses it.
    static StreamKey reproducible(std::uint64_t seed);

    ~StreamKey();
    StreamKey(StreamKey&& other) noexcept;
    StreamKey& operator=(StreamKey&& other) noexcept;

    std::span<const std::uint8_t, 32> bytes() const noexcept;
    /// A key for one purpose, derived by keyed hashing.
    StreamKey derive(StreamPurpose purpose) const;

private:
    StreamKey();
    void forget() noexcept;

    std::array<std::uint8_t, 32> bytes_{};
    std::uint64_t process_; ///< mark of the process it belongs to; 0 once forgotten
};

/// A ChaCha20 (RFC 8439, 96-bit nonce) stream of words. Same key and nonce, same words: a nonce is
/// the pair (step, tensor), little-endian in this order, and must be used once per key. It ends
/// after 256 GB: a draw beyond that ends the program, the counter never wraps. Not thread-safe.
class SecureStream {
public:
    SecureStream(const StreamKey& key, std::uint64_t step, std::uint32_t tensor);
    ~SecureStream();
    SecureStream(SecureStream&& other) noexcept;
    SecureStream& operator=(SecureStream&& other) noexcept;

    std::uint64_t next_u64();
    /// Uniform in [0, 1), 53 bits.
    double uniform();
    /// Uniform in [0, bound), without modulo bias. bound > 0.
    std::uint64_t below(std::uint64_t bound);
    /// Standard normal, by normal_pair().
    double normal();
    void normals(std::span<float> out);

private:
    SecureStream& operator=(const SecureStream&) = default;
    void forget() noexcept;
    void require_own_process() const;
    void refill();

    std::array<std::uint8_t, 32> key_{};
    std::array<std::uint8_t, 12> nonce_{};
    std::uint32_t block_ = 0;
    std::array<std::uint8_t, 1024> buffer_{};
    std::size_t used_ = 1024;
    double spare_ = 0.0;
    bool has_spare_ = false;
    std::uint64_t process_ = 0; ///< mark of the process it belongs to; 0 once forgotten
};

/// Two standard normals from two uniform words, of each the upper 53 bits (Box and Muller 1958):
/// radius sqrt(-2 ln u) with u = 1 - floor(r / 2^11) 2^-53 in (0, 1], angle 2 pi floor(s / 2^11)
/// 2^-53. Always finite. The tail ends at sqrt(2 ln 2^53) = 8.5717; a true normal exceeds that with
/// probability 1.0e-17.
std::array<double, 2> normal_pair(std::uint64_t r, std::uint64_t s) noexcept;

/// Random lowercase hex from the operating system, for names of runs and ledgers.
std::string random_id(std::size_t bytes = 8);
/// A public random seed, for previews and samples.
std::uint64_t random_seed();

} // namespace velamen::core
