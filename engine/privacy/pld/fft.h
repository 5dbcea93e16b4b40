// SPDX-License-Identifier: GPL-3.0-or-later
//
// A real FFT of one length with its buffers. Internal to engine/privacy.

#pragma once

#include <complex>
#include <cstdint>
#include <memory>
#include <span>

namespace velamen::privacy {

/// The smallest 2^k, 3 2^k or 5 2^k >= n, k >= 1. So few, since what is computed for a length is
/// kept.
std::int64_t fast_length(std::int64_t n);

/// Buffers and plans of one length; one thread. Throws std::bad_alloc.
class RealFft {
public:
    explicit RealFft(std::int64_t length);
    ~RealFft();
    RealFft(const RealFft&) = delete;
    RealFft& operator=(const RealFft&) = delete;

    std::span<double> signal() noexcept;
    std::span<std::complex<double>> spectrum() noexcept; ///< length / 2 + 1
    void forward();                                      ///< signal -> spectrum; the signal is lost
    void inverse(); ///< spectrum -> signal, unnormalised; the spectrum is lost

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace velamen::privacy
