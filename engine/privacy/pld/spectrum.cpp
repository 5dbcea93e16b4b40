// SPDX-License-Identifier: GPL-3.0-or-later
//
// The coarser grid needs no transform of its own. Its pmf is y_m = x_2m + a x_(2m-1) + b x_(2m+1)
// (coarsen() in pmf.cpp), a filter and every second cell of it: the mean of the filtered
// spectrum at w and at w + pi.

#include "engine/privacy/pld/spectrum.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>

#include "engine/privacy/pld/fft.h"

namespace velamen::privacy {
namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kMostKept = 32; // spectra of one pmf

using Complex = std::complex<double>;

/// Calls use(k, weights) on blocks of the pmf, with e^(theta (k + j - centre)) for j < kBlock.
template <class Use>
void for_each_block(std::size_t size, double theta, std::int64_t centre, const Use& use)
{
    std::array<double, kBlock> powers{}, weights{};
    for (std::size_t j = 0; j < kBlock; ++j)
        powers[j] = std::exp(theta * static_cast<double>(j));
    for (std::size_t k = 0; k < size; k += kBlock) {
        const double first =
            std::exp(theta * static_cast<double>(static_cast<std::int64_t>(k) - centre));
        for (std::size_t j = 0; j < kBlock; ++j)
            weights[j] = first * powers[j];
        use(k, weights);
    }
}

double log_sum(const LossPmf& pmf, double theta, std::int64_t centre)
{
    double total = 0.0;
    for_each_block(pmf.mass.size(), theta, centre, [&](std::size_t k, const auto& weights) {
        const std::size_t count = std::min(kBlock, pmf.mass.size() - k);
        std::array<double, 4> sums{};
        for (std::size_t j = 0; j + 4 <= count; j += 4)
            for (std::size_t i = 0; i < 4; ++i)
                sums[i] += pmf.mass[k + j + i] * weights[j + i];
        for (std::size_t j = count - count % 4; j < count; ++j)
            sums[0] += pmf.mass[k + j] * weights[j];
        total += (sums[0] + sums[1]) + (sums[2] + sums[3]);
    });
    return std::log(total);
}

/// log |z| and its angle, of z relative to a positive number. A zero becomes a number far below any
/// round-off, so that its logarithm is finite.
void append(Spectrum::Frequencies& to, Complex z, double log_unit)
{
    to.log_size.push_back(0.5 * std::log(std::max(std::norm(z), 1e-300)) - log_unit);
    to.angle.push_back(std::arg(z));
}

/// coarse(j) of the spectrum of a whole circle, and its value at j = 0 as coarse_log_mass.
void add_coarse(std::span<const Complex> phi, double theta, double step, bool is_centre_odd,
                Spectrum& spectrum)
{
    const std::size_t last = phi.size() - 1;
    const double before = std::exp(theta) / (1.0 + std::exp(-step));
    const double after = std::exp(-theta) / (1.0 + std::exp(step));
    const Complex turn =
        std::polar(1.0, -std::numbers::pi / static_cast<double>(last)); // e^(-i w_1)
    Complex w = 1.0;
    double log_unit = 0.0;
    for (std::size_t j = 0; j < spectrum.size(); ++j) {
        if (j % kBlock == 0)
            w = std::polar(1.0,
                           -std::numbers::pi * static_cast<double>(j) / static_cast<double>(last));
        const Complex filter = before * w + after * std::conj(w);
        const Complex image = std::conj(phi[last - j]) * (1.0 - filter);
        const Complex y = 0.5 * (phi[j] * (1.0 + filter) + (is_centre_odd ? -image : image));
        if (j == 0) {
            log_unit = std::log(y.real());
            spectrum.coarse_log_mass += log_unit;
        }
        append(spectrum.coarse, y, log_unit);
        w *= turn;
    }
}

} // namespace

std::size_t most_frequencies(std::int64_t length)
{
    return static_cast<std::size_t>(std::min<std::int64_t>(length / 8, std::int64_t{1} << 15));
}

void wrap_tilted(const LossPmf& pmf, double theta, const Tilted& tilted, std::span<double> out)
{
    std::fill(out.begin(), out.end(), 0.0);
    const auto length = static_cast<std::int64_t>(out.size());
    const std::int64_t centre = tilted.centre - pmf.lowest;
    auto at = static_cast<std::size_t>((length - centre % length) % length); // of k = 0
    const double scale = std::exp(-tilted.log_mass);
    for_each_block(pmf.mass.size(), theta, centre, [&](std::size_t k, const auto& weights) {
        const std::size_t count = std::min(kBlock, pmf.mass.size() - k);
        for (std::size_t j = 0; j < count;) {
            const std::size_t end = std::min(count, j + (out.size() - at));
            for (; j < end; ++j, ++at)
                out[at] += pmf.mass[k + j] * (weights[j] * scale);
            if (at == out.size()) at = 0;
        }
    });
}

const LossSketch& LossSpectra::sketch()
{
    if (!sketch_) sketch_.emplace(pmf_);
    return *sketch_;
}

Cumulant LossSpectra::cumulant(int tilt)
{
    const std::lock_guard lock(mutex_);
    const auto found = cumulants_.find(tilt);
    if (found != cumulants_.end()) return found->second;
    return cumulants_[tilt] = sketch().at(lambda_of(tilt));
}

double LossSpectra::variance()
{
    const std::lock_guard lock(mutex_);
    return sketch().variance();
}

double LossSpectra::reach()
{
    const std::lock_guard lock(mutex_);
    return sketch().reach();
}

Tilted LossSpectra::tilted(int tilt)
{
    const std::lock_guard lock(mutex_);
    return tilted_locked(tilt);
}

Tilted LossSpectra::tilted_locked(int tilt)
{
    const auto found = tilted_.find(tilt);
    if (found != tilted_.end()) return found->second;
    const double lambda = lambda_of(tilt);
    const auto mean = std::llround(sketch().at(lambda).slope / pmf_.step);
    const auto highest = pmf_.lowest + static_cast<std::int64_t>(pmf_.mass.size()) - 1;
    Tilted tilted;
    tilted.centre = std::clamp<std::int64_t>(mean, pmf_.lowest, highest);
    tilted.log_mass = log_sum(pmf_, lambda * pmf_.step, tilted.centre - pmf_.lowest);
    return tilted_[tilt] = tilted;
}

std::shared_ptr<const Spectrum> LossSpectra::spectrum(int tilt, std::int64_t length,
                                                      std::int64_t steps)
{
    const std::lock_guard lock(mutex_);
    const std::size_t most = most_frequencies(length);
    const Place place{tilt, length};
    const auto kept = std::find_if(spectra_.begin(), spectra_.end(),
                                   [&](const Kept& one) { return one.place == place; });
    if (kept != spectra_.end()) {
        const Spectrum& found = *kept->spectrum;
        if (found.size() == most
            || static_cast<double>(steps) * found.log_rest.back() <= kLogNegligible) {
            std::rotate(kept, kept + 1, spectra_.end());
            return spectra_.back().spectrum;
        }
        spectra_.erase(kept);
    }

    const Tilted tilted = tilted_locked(tilt);
    const double theta = lambda_of(tilt) * pmf_.step;
    RealFft fft(length);
    wrap_tilted(pmf_, theta, tilted, fft.signal());
    fft.forward();
    const std::span<const Complex> phi = fft.spectrum();
    auto result = std::make_shared<Spectrum>();
    result->coarse_log_mass = tilted.log_mass;
    // a quarter of the steps has enough as well
    const double negligible = std::exp(8.0 * kLogNegligible / static_cast<double>(steps));
    std::size_t count = phi.size();
    double rest = 0.0; // largest |phi|^2 from `count` on
    for (; count > 1; --count) {
        const double next = std::max(rest, std::norm(phi[count - 1]));
        if (count <= most && next > negligible) break;
        rest = next;
    }
    const double log_unit = std::log(phi[0].real());
    result->log_rest.assign(count + 1, 0.5 * std::log(rest) - log_unit);
    for (std::size_t j = 0; j < count; ++j)
        append(result->fine, phi[j], log_unit);
    for (std::size_t j = count; j-- > 0;)
        result->log_rest[j] = std::max(result->log_rest[j + 1], result->fine.log_size[j]);
    add_coarse(phi, theta, pmf_.step, tilted.centre % 2 != 0, *result);
    if (spectra_.size() == kMostKept) spectra_.erase(spectra_.begin());
    spectra_.push_back({place, result});
    return result;
}

} // namespace velamen::privacy
