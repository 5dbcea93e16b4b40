// SPDX-License-Identifier: GPL-3.0-or-later
//
// Composition by powers of spectra. The distributions are tilted first, p(l) e^(lambda l) /
// M(lambda), with the lambda that puts the tilted mean of the sum near the asked epsilon: there the
// transform's round-off is relative to what is asked for and not to the bulk, and only a window of
// a few tilted standard deviations is needed (Chernoff bounds on the tilted sum give it). Tilting
// is undone exactly. What leaves the window above counts as infinite loss; what leaves it below
// wraps to the top.

#include "engine/privacy/pld_compose.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <limits>

#include "engine/core/assert.h"
#include "engine/privacy/fft.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Log of the probability left outside of the window on each side: of the tilted sum, which is small
// against what is asked for; of the plain sum, which has to be small against any delta.
constexpr double kLogTiltedTail = -25.0; // 1.4e-11
constexpr double kLogPlainTail = -32.3;  // 1e-14
constexpr double kMaxExponent = 600.0;   // e^600 and sums of such are doubles

/// Cumulants of one tilted step, in cells relative to `centre`.
struct Moments {
    double log_mass; // log sum p e^(theta (k - centre))
    double mean;
    double variance;
};

Moments moments_of(const LossPmf& pmf, double theta, std::int64_t centre)
{
    constexpr std::size_t kBlock = 64; // the running product is renewed before its error grows
    const double ratio = std::exp(theta);
    double total = 0.0, first = 0.0, second = 0.0;
    for (std::size_t k0 = 0; k0 < pmf.mass.size(); k0 += kBlock) {
        const std::size_t end = std::min(k0 + kBlock, pmf.mass.size());
        const double offset = static_cast<double>(static_cast<std::int64_t>(k0) - centre);
        double weight = std::exp(theta * offset), s0 = 0.0, s1 = 0.0, s2 = 0.0, j = 0.0;
        for (std::size_t k = k0; k < end; ++k, j += 1.0, weight *= ratio) {
            const double p = pmf.mass[k] * weight;
            s0 += p;
            s1 += j * p;
            s2 += j * j * p;
        }
        total += s0;
        first += s1 + offset * s0;
        second += s2 + offset * (2.0 * s1 + offset * s0);
    }
    const double mean = first / total;
    return {std::log(total), mean, std::max(0.0, second / total - mean * mean)};
}

double log_mass_of(const LossPmf& pmf, double theta, std::int64_t centre)
{
    constexpr std::size_t kBlock = 64;
    const double r1 = std::exp(theta), r2 = r1 * r1, r4 = r2 * r2;
    double total = 0.0;
    for (std::size_t k0 = 0; k0 < pmf.mass.size(); k0 += kBlock) {
        const std::size_t end = std::min(k0 + kBlock, pmf.mass.size());
        double weight =
            std::exp(theta * static_cast<double>(static_cast<std::int64_t>(k0) - centre));
        std::size_t k = k0;
        std::array<double, 4> sums{};
        for (; k + 4 <= end; k += 4, weight *= r4) {
            sums[0] += pmf.mass[k] * weight;
            sums[1] += pmf.mass[k + 1] * (weight * r1);
            sums[2] += pmf.mass[k + 2] * (weight * r2);
            sums[3] += pmf.mass[k + 3] * (weight * (r1 * r2));
        }
        for (; k < end; ++k, weight *= r1)
            sums[0] += pmf.mass[k] * weight;
        total += (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
    return std::log(total);
}

/// One step's distribution on few cells: enough to choose a tilt, which need not be exact.
struct Sketch {
    std::vector<double> loss, log_mass;
    double steps;

    /// log M(lambda) and its derivative, per step.
    std::pair<double, double> cumulant(double lambda) const
    {
        double top = -kInfinity;
        for (std::size_t k = 0; k < loss.size(); ++k)
            top = std::max(top, log_mass[k] + lambda * loss[k]);
        double total = 0.0, first = 0.0;
        for (std::size_t k = 0; k < loss.size(); ++k) {
            const double p = std::exp(log_mass[k] + lambda * loss[k] - top);
            total += p;
            first += p * loss[k];
        }
        return {top + std::log(total), first / total};
    }
};

Sketch sketch_of(const Term& term)
{
    constexpr std::size_t kCells = 1500;
    LossPmf small;
    const LossPmf* pmf = term.pmf;
    while (pmf->mass.size() > kCells && pmf->step < 16.0) {
        small = coarsen(*pmf);
        pmf = &small;
    }
    Sketch sketch{.steps = static_cast<double>(term.steps)};
    for (std::size_t k = 0; k < pmf->mass.size(); ++k) {
        if (!(pmf->mass[k] > 0.0)) continue;
        sketch.loss.push_back(static_cast<double>(pmf->lowest + static_cast<std::int64_t>(k))
                              * pmf->step);
        sketch.log_mass.push_back(std::log(pmf->mass[k]));
    }
    return sketch;
}

/// Half of the tilt at which lambda K'(lambda) - K(lambda) (for a delta: its minimising Chernoff
/// order) or K'(lambda) (for an epsilon) reaches `target`; to about 1 %. The whole one is the
/// saddle point; half of it loses a few of the sixteen digits there and needs far smaller windows,
/// since the tilted losses of rare draws have long tails.
double find_tilt(std::span<const Term> terms, double target, bool is_delta)
{
    std::vector<Sketch> sketches;
    double range = 0.0;
    for (const auto& term : terms) {
        sketches.push_back(sketch_of(term));
        if (sketches.back().loss.empty()) return 0.0;
        range = std::max(range, static_cast<double>(term.pmf->mass.size()) * term.pmf->step);
    }
    const auto is_above = [&](double lambda) {
        double value = 0.0;
        for (const auto& sketch : sketches) {
            const auto [log_m, mean] = sketch.cumulant(lambda);
            value += sketch.steps * (is_delta ? lambda * mean - log_m : mean);
        }
        return value >= target;
    };
    double low = std::log(1e-12), high = std::log(kMaxExponent / range);
    if (!is_above(std::exp(high))) return 0.5 * std::exp(high);
    if (is_above(std::exp(low))) return 0.0;
    while (high - low > 0.01) {
        const double middle = 0.5 * (low + high);
        (is_above(std::exp(middle)) ? high : low) = middle;
    }
    return 0.5 * std::exp(low);
}

/// The tilted sum in its window.
class Window {
public:
    /// Nothing when the window has more than `max_cells`; cells() says how many it needs.
    Window(std::span<const Term> terms, double lambda, std::int64_t max_cells);

    bool is_valid() const noexcept { return !values_.empty(); }
    std::int64_t cells() const noexcept { return cells_; }
    /// Mass of infinite loss, what lies above the window included.
    double infinite() const noexcept { return infinite_; }
    /// What the window's top has let through alone.
    double above() const noexcept { return above_; }
    /// Relative bound on the error of all masses by rounding.
    double rounding() const noexcept { return rounding_; }
    std::int64_t size() const noexcept { return static_cast<std::int64_t>(values_.size()); }
    double loss(std::int64_t k) const { return static_cast<double>(lowest_ + k) * step_; }
    double mass(std::int64_t k) const
    {
        return std::max(0.0, values_[static_cast<std::size_t>(k)])
            * std::exp(log_scale_ - theta_ * static_cast<double>(first_ + k));
    }
    double step() const noexcept { return step_; }
    /// Bound on the error by rounding of any sum of masses from cell k up that is relative to the
    /// bulk of the tilted sum: what the transform spreads over all cells.
    double noise(std::int64_t k) const
    {
        return noise_ * std::exp(log_scale_ - theta_ * static_cast<double>(first_ + k));
    }

private:
    void transform(std::span<const Term> terms, std::span<const std::int64_t> centres,
                   std::span<const double> log_masses);

    double step_, theta_, log_scale_ = 0.0, infinite_ = 0.0, above_ = 0.0;
    double rounding_ = 0.0, noise_ = 0.0;
    std::int64_t lowest_ = 0, first_ = 0, cells_ = 0;
    std::vector<double> values_;
};

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

Window::Window(std::span<const Term> terms, double lambda, std::int64_t max_cells)
    : step_(terms.front().pmf->step), theta_(lambda * step_)
{
    std::vector<std::int64_t> centres;
    std::vector<double> log_masses;
    const double log_tail = theta_ > 0.0 ? kLogTiltedTail : kLogPlainTail;
    double variance = 0.0, lower = 0.0, upper = 0.0, total = 0.0, log_finite = 0.0;
    std::int64_t base = 0;
    for (const auto& term : terms) {
        const auto size = static_cast<std::int64_t>(term.pmf->mass.size());
        const auto steps = static_cast<double>(term.steps);
        // centred on the tilted mean: then weights around it are near one and phases are small
        auto moments = moments_of(*term.pmf, theta_, theta_ > 0.0 ? size - 1 : 0);
        const std::int64_t centre = std::clamp<std::int64_t>(
            std::llround(moments.mean) + (theta_ > 0.0 ? size - 1 : 0), 0, size - 1);
        moments = moments_of(*term.pmf, theta_, centre);
        centres.push_back(centre);
        log_masses.push_back(moments.log_mass);
        base += term.steps * (term.pmf->lowest + centre);
        variance += steps * moments.variance;
        lower -= steps * static_cast<double>(centre);
        upper += steps * static_cast<double>(size - 1 - centre);
        log_scale_ += steps * moments.log_mass;
        log_finite += steps * std::log1p(-term.pmf->infinite);
        total += steps;
    }
    // Chernoff: at most e^log_tail of the tilted sum lies beyond (K(theta + s) - K(theta) -
    // log_tail) / s, which falls and rises again as |s| grows
    const double order = std::sqrt(-2.0 * log_tail / std::max(variance, 1e-300));
    const auto bound_at = [&](double s) {
        double cumulant = -log_scale_;
        for (std::size_t i = 0; i < terms.size(); ++i) {
            const auto& pmf = *terms[i].pmf;
            const auto reach = static_cast<double>(
                s + theta_ > 0.0 ? static_cast<std::int64_t>(pmf.mass.size()) - centres[i]
                                 : centres[i]);
            if (!(std::abs(s + theta_) * reach < kMaxExponent)) return kInfinity;
            cumulant +=
                static_cast<double>(terms[i].steps) * log_mass_of(pmf, theta_ + s, centres[i]);
        }
        return (cumulant - log_tail) / std::abs(s);
    };
    // The order is that of a normal distribution; long tails need a far smaller one.
    const auto smallest_bound = [&](double sign) {
        const auto at = [&](double factor) {
            return bound_at(sign * std::min(factor * order, 50.0));
        };
        constexpr double kRatio = 1.4;
        double best = at(1.0), factor = 1.0;
        for (const double step : {kRatio, 1.0 / kRatio}) {
            const double before = best;
            for (int i = 0; i < 80; ++i) {
                const double next = at(factor *= step);
                if (!(next < best) && (std::isfinite(best) || step > 1.0)) break;
                best = std::min(best, next);
            }
            if (best < before) break; // it has one minimum
            factor = 1.0;
        }
        return best;
    };
    upper = std::min(upper, std::ceil(smallest_bound(1.0)));
    lower = std::max(lower, std::floor(-smallest_bound(-1.0)));
    upper = std::max(upper, lower);
    const double needed = upper - lower + 1.0;
    cells_ =
        needed < 1e15 ? static_cast<std::int64_t>(needed) : std::int64_t{1'000'000'000'000'000};
    if (cells_ > max_cells) return;
    first_ = static_cast<std::int64_t>(lower);
    lowest_ = base + first_;
    // spectra lose a few ulp per step, cells of the pmf are right to 1e-13
    rounding_ = 1e-12 + 3e-13 * total;
    noise_ = 1e-14 + 1e-15 * total;
    above_ = std::exp(std::min(0.0, log_tail + log_scale_ - theta_ * upper));
    infinite_ = std::min(1.0, (-std::expm1(log_finite)) * (1.0 + rounding_) + above_);
    values_.resize(static_cast<std::size_t>(cells_));
    transform(terms, centres, log_masses);
}

void Window::transform(std::span<const Term> terms, std::span<const std::int64_t> centres,
                       std::span<const double> log_masses)
{
    const std::int64_t length = fast_length(cells_);
    RealFft fft(length);
    std::vector<std::complex<double>> product(static_cast<std::size_t>(length / 2 + 1));
    for (std::size_t i = 0; i < terms.size(); ++i) {
        const auto signal = fft.signal();
        std::fill(signal.begin(), signal.end(), 0.0);
        const auto& mass = terms[i].pmf->mass;
        const double ratio = std::exp(theta_);
        std::int64_t at = (length - centres[i] % length) % length; // of k = 0, modulo the length
        double weight = 0.0;
        for (std::size_t k = 0; k < mass.size(); ++k) {
            weight = k % 64 == 0
                ? std::exp(theta_ * static_cast<double>(static_cast<std::int64_t>(k) - centres[i])
                           - log_masses[i])
                : weight * ratio;
            signal[static_cast<std::size_t>(at)] += mass[k] * weight;
            if (++at == length) at = 0;
        }
        fft.forward();
        const auto spectrum = fft.spectrum();
        multiply_power(spectrum, 1.0 / spectrum[0].real(), terms[i].steps, product, i == 0);
    }
    std::copy(product.begin(), product.end(), fft.spectrum().begin());
    fft.inverse();
    const auto signal = fft.signal();
    std::int64_t at = (first_ % length + length) % length;
    for (auto& value : values_) {
        value = signal[static_cast<std::size_t>(at)] / static_cast<double>(length);
        if (++at == length) at = 0;
    }
}

/// Runs `ask` on a window tilted by `lambda`, by less where that window is too large (rare draws
/// have long tails, which a tilt can make the bulk) or does not serve, and on the plain one last.
template <class Ask>
Answer ask_window(std::span<const Term> terms, double lambda, double scale, std::int64_t max_cells,
                  const Ask& ask)
{
    Answer too_large;
    for (const double part : {1.0, 0.5, 0.25, 0.0}) {
        const double tilt = part * lambda;
        const Window window(terms, tilt, max_cells);
        if (!window.is_valid()) {
            const bool is_first = too_large.cells_needed == 0;
            too_large = {.value = kInfinity,
                         .cells_needed = is_first
                             ? window.cells()
                             : std::min(too_large.cells_needed, window.cells())};
        } else if (tilt == 0.0 || window.above() < 1e-6 * scale) {
            if (const std::optional<double> value = ask(window, tilt == 0.0))
                return {.value = *value};
        }
        if (lambda == 0.0) break;
    }
    if (too_large.cells_needed != 0) return too_large;
    return {.value = kInfinity};
}

} // namespace

Answer composed_epsilon(std::span<const Term> terms, double delta, std::int64_t max_cells)
{
    double log_finite = 0.0;
    for (const auto& term : terms)
        log_finite += static_cast<double>(term.steps) * std::log1p(-term.pmf->infinite);
    if (!(-std::expm1(log_finite) < delta)) return {.value = kInfinity};

    const auto scan = [&](const Window& window, bool is_plain) -> std::optional<double> {
        const double allowed = delta * (1.0 - window.rounding()) - window.infinite();
        if (!(allowed > 0.0)) return kInfinity;
        // sum = mass above, excess = sum of p (1 - e^(loss_k - loss)): delta at loss_k, without
        // infinite
        const double decay = std::exp(-window.step()), gain = -std::expm1(-window.step());
        double sum = 0.0, excess = 0.0;
        for (std::int64_t k = window.size() - 1;; --k) {
            // excess and sum belong to loss_(k+1)
            const double next = k >= 0 ? excess * decay + sum * gain : kInfinity;
            const double noise = window.noise(k);
            if (!(next + noise <= allowed)) {
                if (k < 0 && !is_plain && window.loss(0) > 0.0) return std::nullopt;
                if (k < 0 && !(sum > allowed)) return 0.0;
                const double room = std::max(0.0, allowed - noise - excess);
                const double below = -std::log1p(-room / (sum - excess));
                const double epsilon = window.loss(k + 1) - (std::isfinite(below) ? below : 0.0);
                return std::max(0.0, epsilon + 1e-14 * std::abs(epsilon));
            }
            if (window.loss(k) <= 0.0) return 0.0;
            excess = next;
            sum += window.mass(k);
        }
    };
    return ask_window(terms, find_tilt(terms, -std::log(delta), true), delta, max_cells, scan);
}

Answer composed_delta(std::span<const Term> terms, double epsilon, std::int64_t max_cells)
{
    const auto sum_up = [&](const Window& window, bool is_plain) -> std::optional<double> {
        if (!is_plain && window.loss(0) > epsilon) return std::nullopt;
        double delta = 0.0;
        std::int64_t k = window.size() - 1;
        for (; k >= 0 && window.loss(k) > epsilon; --k)
            delta -= window.mass(k) * std::expm1(epsilon - window.loss(k));
        if (!is_plain && window.above() > 1e-6 * delta) return std::nullopt;
        return std::min(1.0,
                        delta * (1.0 + window.rounding()) + window.infinite() + window.noise(k));
    };
    return ask_window(terms, find_tilt(terms, epsilon, false), kInfinity, max_cells, sum_up);
}

Answer composed_power(std::span<const Term> terms, double false_positive_rate,
                      std::int64_t max_cells)
{
    const auto scan = [&](const Window& window, bool) -> std::optional<double> {
        double power = window.infinite(), rate = 0.0;
        for (std::int64_t k = window.size() - 1; k >= 0; --k) {
            const double p = window.mass(k), q = p * std::exp(-window.loss(k));
            if (rate + q > false_positive_rate) {
                power += p * (false_positive_rate - rate) / q;
                break;
            }
            power += p;
            rate += q;
        }
        return std::min(1.0, power * (1.0 + window.rounding()));
    };
    return ask_window(terms, 0.0, 1.0, max_cells, scan);
}

} // namespace velamen::privacy
