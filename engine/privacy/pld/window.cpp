// SPDX-License-Identifier: GPL-3.0-or-later
//
// Composition by powers of whole spectra.

#include "engine/privacy/pld/window.h"

#include <array>
#include <complex>

#include "engine/privacy/pld/fft.h"

namespace velamen::privacy {
namespace {

/// z^steps by squaring, on blocks so that the compiler can use vectors.
void multiply_power(std::span<const std::complex<double>> base, double scale, std::int64_t steps,
                    std::span<std::complex<double>> product, bool is_first)
{
    constexpr std::size_t kBlock = 32;
    std::array<double, kBlock> zr, zi, pr, pi;
    for (std::size_t k0 = 0; k0 < base.size(); k0 += kBlock) {
        const std::size_t n = std::min(kBlock, base.size() - k0);
        double largest = 0.0;
        for (std::size_t k = 0; k < n; ++k) {
            zr[k] = base[k0 + k].real() * scale;
            zi[k] = base[k0 + k].imag() * scale;
            largest = std::max(largest, zr[k] * zr[k] + zi[k] * zi[k]);
            pr[k] = 1.0;
            pi[k] = 0.0;
        }
        if (0.5 * static_cast<double>(steps) * std::log(largest) < -60.0) { // < 1e-26
            std::fill_n(product.begin() + static_cast<std::ptrdiff_t>(k0), n, 0.0);
            continue;
        }
        for (auto bits = static_cast<std::uint64_t>(steps);;) {
            if ((bits & 1U) != 0)
                for (std::size_t k = 0; k < kBlock; ++k) {
                    const double r = pr[k] * zr[k] - pi[k] * zi[k];
                    pi[k] = pr[k] * zi[k] + pi[k] * zr[k];
                    pr[k] = r;
                }
            bits >>= 1U;
            if (bits == 0) break;
            for (std::size_t k = 0; k < kBlock; ++k) {
                const double r = (zr[k] - zi[k]) * (zr[k] + zi[k]);
                zi[k] = 2.0 * zr[k] * zi[k];
                zr[k] = r;
            }
        }
        for (std::size_t k = 0; k < n; ++k) {
            const std::complex<double> power(pr[k], pi[k]);
            product[k0 + k] = is_first ? power : product[k0 + k] * power;
        }
    }
}

} // namespace

Window::Window(std::span<const Part> parts, const Frame& frame)
    : frame_(frame), values_(static_cast<std::size_t>(frame.cells))
{
    const std::int64_t length = fast_length(frame.cells);
    RealFft fft(length);
    std::vector<std::complex<double>> product(static_cast<std::size_t>(length / 2 + 1));
    for (std::size_t i = 0; i < parts.size(); ++i) {
        LossSpectra& spectra = *parts[i].spectra;
        wrap_tilted(spectra.pmf(), frame.theta, spectra.tilted(frame.tilt), fft.signal());
        fft.forward();
        const auto spectrum = fft.spectrum();
        multiply_power(spectrum, 1.0 / spectrum[0].real(), parts[i].steps, product, i == 0);
    }
    std::copy(product.begin(), product.end(), fft.spectrum().begin());
    fft.inverse();
    const auto signal = fft.signal();
    std::int64_t at = (frame.lower % length + length) % length;
    for (auto& value : values_) {
        value = signal[static_cast<std::size_t>(at)] / static_cast<double>(length);
        if (++at == length) at = 0;
    }
}

} // namespace velamen::privacy
