// SPDX-License-Identifier: GPL-3.0-or-later
//
// Composition by powers of spectra. The distributions are tilted first, p(l) e^(lambda l) /
// M(lambda), with the lambda that puts the tilted mean of the sum near the asked epsilon: there the
// transform's round-off is relative to what is asked for and not to the bulk, and only a window of
// a few tilted standard deviations is needed (Chernoff bounds on the tilted sum give it). Tilting
// is undone exactly. What leaves the window above counts as infinite loss; what leaves it below
// wraps to the top. After many steps only a few low frequencies are left, and the answer is a short
// sum over them; else the whole window is transformed back.

#include "engine/privacy/pld/compose.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "engine/privacy/pld/fft.h"
#include "engine/privacy/pld/frame.h"
#include "engine/privacy/pld/tail.h"
#include "engine/privacy/pld/window.h"

namespace velamen::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The terms with a place for what is computed of them.
class Parts {
public:
    explicit Parts(std::span<const Term> terms)
    {
        for (const auto& term : terms)
            parts_.push_back(
                {term.kept != nullptr ? term.kept : &own_.emplace_back(*term.pmf), term.steps});
    }
    operator std::span<const Part>() const { return parts_; }

private:
    std::deque<LossSpectra> own_;
    std::vector<Part> parts_;
};

double log_finite(std::span<const Term> terms)
{
    double log = 0.0;
    for (const auto& term : terms)
        log += static_cast<double>(term.steps) * std::log1p(-term.pmf->infinite);
    return log;
}

/// K of the sum and its derivative, from above.
Cumulant cumulant_of(std::span<const Part> parts, int tilt)
{
    Cumulant sum;
    for (const auto& part : parts) {
        const Cumulant one = part.spectra->cumulant(tilt);
        sum.value += static_cast<double>(part.steps) * one.value;
        sum.slope += static_cast<double>(part.steps) * one.slope;
    }
    return sum;
}

/// The saddle point: the largest tilt at which lambda K'(lambda) - K(lambda) (for a delta: its
/// minimising Chernoff order) or K'(lambda) (for an epsilon) is below `target`.
int saddle_of(std::span<const Part> parts, double target, bool is_delta)
{
    double range = 0.0;
    for (const auto& part : parts) {
        const LossPmf& pmf = part.spectra->pmf();
        range = std::max(
            {range, part.spectra->reach(), static_cast<double>(pmf.mass.size()) * pmf.step});
    }
    int low = 0, high = tilt_below(kMaxExponent / range);
    while (low < high) {
        const int middle = low + (high - low + 1) / 2;
        const Cumulant at = cumulant_of(parts, middle);
        const double value = is_delta ? lambda_of(middle) * at.slope - at.value : at.slope;
        if (value < target)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/// Half of the saddle point loses a few of the sixteen digits there and needs far smaller windows,
/// since the tilted losses of rare draws have long tails.
int half_of(int tilt) { return std::max(0, tilt - kTiltsPerOctave); }

/// The same question to the short sums of a grid and of the grid coarsened.
struct Tails {
    TailSum fine, coarse;
};

/// Nothing where too many frequencies matter.
std::optional<Tails> tails_of(std::span<const Part> parts, const Frame& frame)
{
    const std::int64_t length = fast_length(frame.cells);
    std::vector<std::shared_ptr<const Spectrum>> spectra;
    std::size_t most = most_frequencies(length);
    for (const auto& part : parts) {
        spectra.push_back(part.spectra->spectrum(frame.tilt, length, part.steps));
        most = std::min(most, spectra.back()->size());
    }
    const auto log_rest = [&](std::size_t count) {
        double sum = 0.0;
        for (std::size_t i = 0; i < parts.size(); ++i)
            sum += static_cast<double>(parts[i].steps) * spectra[i]->log_rest[count];
        return sum;
    };
    if (most == 0 || log_rest(most) > kLogNegligible) return std::nullopt;
    std::size_t low = 0, high = most; // smallest number of frequencies
    while (low + 1 < high) {
        const std::size_t middle = low + (high - low) / 2;
        (log_rest(middle) <= kLogNegligible ? high : low) = middle;
    }
    const auto harmonics_of = [&](Spectrum::Frequencies Spectrum::*grid) {
        std::vector<Harmonic> harmonics(high, {0.0, 0.0, -kInfinity});
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const Spectrum::Frequencies& one = (*spectra[i]).*grid;
            const auto steps = static_cast<double>(parts[i].steps);
            for (std::size_t j = 0; j < high; ++j) {
                harmonics[j].log_size += steps * one.log_size[j];
                harmonics[j].angle += steps * one.angle[j];
                harmonics[j].log_divided = std::max(harmonics[j].log_divided, -one.log_size[j]);
            }
        }
        for (auto& harmonic : harmonics)
            harmonic.log_divided += harmonic.log_size;
        return harmonics;
    };
    // each harmonic's own turns are rounded as well
    const double relative_error = 3.0 * frame.noise;
    const Circle fine{.step = frame.step,
                      .theta = frame.theta,
                      .log_scale = frame.log_scale,
                      .origin = static_cast<double>(frame.base),
                      .top = frame.base + frame.upper,
                      .length = static_cast<double>(length)};
    Circle coarse{.step = 2.0 * fine.step,
                  .theta = 2.0 * fine.theta,
                  .log_scale = 0.0,
                  .origin = 0.5 * fine.origin,
                  .top = fine.top / 2 + 1,
                  .length = 0.5 * fine.length};
    for (std::size_t i = 0; i < parts.size(); ++i)
        coarse.log_scale += static_cast<double>(parts[i].steps) * spectra[i]->coarse_log_mass;
    return Tails{TailSum(fine, harmonics_of(&Spectrum::fine), relative_error, log_rest(high)),
                 TailSum(coarse, harmonics_of(&Spectrum::coarse), relative_error, log_rest(high))};
}

/// Asks the tilted sum, tilted by less where its window is too large (rare draws have long tails,
/// which a tilt can make the bulk) or does not serve, and the plain one last. `ask` has one
/// overload for Tails with their Frame and one for a Window.
template <class Ask>
Answer ask_sum(std::span<const Part> parts, int tilt, double scale, std::int64_t max_cells,
               const Ask& ask)
{
    Answer too_large;
    for (int octaves = 0; octaves <= 3; ++octaves, tilt = half_of(tilt)) {
        if (octaves == 3) tilt = 0;
        const Frame frame = frame_of(parts, tilt);
        if (frame.cells > max_cells) {
            const bool is_first = too_large.cells_needed == 0;
            too_large = {.value = kInfinity,
                         .cells_needed = is_first ? frame.cells
                                                  : std::min(too_large.cells_needed, frame.cells)};
        } else if (tilt == 0 || frame.above < 1e-6 * scale) {
            const auto tails = tilt > 0 ? tails_of(parts, frame) : std::nullopt;
            const std::optional<Answer> answer =
                tails ? ask(*tails, frame) : ask(Window(parts, frame));
            if (answer) return *answer;
        }
        if (tilt == 0) break;
    }
    if (too_large.cells_needed != 0) return too_large;
    return {.value = kInfinity};
}

struct AskEpsilon {
    double delta, least;
    double guess; ///< of the answer

    std::optional<Answer> operator()(const Tails& tails, const Frame& frame) const
    {
        const double allowed = delta * (1.0 - frame.rounding) - frame.infinite;
        if (!(allowed > 0.0)) return Answer{.value = kInfinity};
        const double bottom = frame.loss(frame.lower), from = std::max(least, bottom);
        const double epsilon = tails.fine.crossing(allowed, from, guess);
        if (bottom > least && epsilon <= bottom) return std::nullopt;
        Answer answer{.value = epsilon > from ? epsilon + 1e-14 * epsilon : epsilon};
        answer.coarse = std::max(answer.value, tails.coarse.crossing(allowed, from, epsilon));
        return answer;
    }

    std::optional<Answer> operator()(const Window& window) const
    {
        const Frame& frame = window.frame();
        const double allowed = delta * (1.0 - frame.rounding) - frame.infinite;
        if (!(allowed > 0.0)) return Answer{.value = kInfinity};
        // sum = mass above, excess = sum of p (1 - e^(loss_k - loss)): delta at loss_k, without
        // infinite
        const double decay = std::exp(-frame.step), gain = -std::expm1(-frame.step);
        double sum = 0.0, excess = 0.0;
        for (std::int64_t k = window.size() - 1;; --k) {
            // excess and sum belong to loss_(k+1)
            const double next = k >= 0 ? excess * decay + sum * gain : kInfinity;
            const double noise = window.noise(k);
            if (!(next + noise <= allowed)) {
                if (k < 0 && frame.tilt > 0 && window.loss(0) > least) return std::nullopt;
                if (k < 0 && !(sum > allowed)) return Answer{.value = least};
                const double room = std::max(0.0, allowed - noise - excess);
                const double below = -std::log1p(-room / (sum - excess));
                const double epsilon = window.loss(k + 1) - (std::isfinite(below) ? below : 0.0);
                return Answer{.value = std::max(least, epsilon + 1e-14 * std::abs(epsilon))};
            }
            if (window.loss(k) <= least) return Answer{.value = least};
            excess = next;
            sum += window.mass(k);
        }
    }
};

struct AskDelta {
    double epsilon;

    std::optional<Answer> operator()(const Tails& tails, const Frame& frame) const
    {
        if (frame.loss(frame.lower) > epsilon) return std::nullopt;
        const auto answer = [&](const TailSum& sum) {
            const auto [delta, error] = epsilon < frame.loss(frame.upper)
                ? sum.delta_at(epsilon)
                : TailSum::Value{0.0, 0.0};
            return std::min(1.0,
                            std::max(0.0, delta) * (1.0 + frame.rounding) + error + frame.infinite);
        };
        const double fine = answer(tails.fine);
        if (frame.above > 1e-6 * (fine - frame.infinite)) return std::nullopt;
        return Answer{.value = fine, .coarse = std::max(fine, answer(tails.coarse))};
    }

    std::optional<Answer> operator()(const Window& window) const
    {
        const Frame& frame = window.frame();
        if (frame.tilt > 0 && window.loss(0) > epsilon) return std::nullopt;
        double delta = 0.0;
        std::int64_t k = window.size() - 1;
        for (; k >= 0 && window.loss(k) > epsilon; --k)
            delta -= window.mass(k) * std::expm1(epsilon - window.loss(k));
        if (frame.tilt > 0 && frame.above > 1e-6 * delta) return std::nullopt;
        return Answer{.value = std::min(
                          1.0, delta * (1.0 + frame.rounding) + frame.infinite + window.noise(k))};
    }
};

/// Whether a Chernoff bound says that delta(epsilon) <= delta. (1 - e^-x)+ <= e^(lambda x)
/// lambda^lambda / (1 + lambda)^(1 + lambda) (Canonne, Kamath, Steinke, arXiv 2004.00010,
/// proposition 12); orders around `saddle` are tried.
bool is_far_below(std::span<const Part> parts, double infinite, double epsilon, double delta,
                  int saddle)
{
    double rounding = 1e-9; // as Frame::rounding, and that of the sum of cumulants
    for (const auto& part : parts)
        rounding += 3e-13 * static_cast<double>(part.steps);
    for (int tilt = saddle - 4; tilt <= saddle + 4; tilt += 2) {
        if (tilt < 1 || tilt > kMostTilt) continue;
        const double lambda = lambda_of(tilt);
        const double log_bound = cumulant_of(parts, tilt).value - lambda * epsilon
            - lambda * std::log1p(1.0 / lambda) - std::log1p(lambda);
        if (infinite + std::exp(log_bound) <= delta * (1.0 - rounding)) return true;
    }
    return false;
}

} // namespace

Answer composed_epsilon(std::span<const Term> terms, double delta, std::int64_t max_cells,
                        double least)
{
    const double infinite = -std::expm1(log_finite(terms));
    if (!(infinite < delta)) return {.value = kInfinity};
    if (least == kInfinity) return {.value = kInfinity, .coarse = kInfinity};
    const Parts parts(terms);
    const int saddle = saddle_of(parts, -std::log(delta), true);
    if (least > 0.0 && is_far_below(parts, infinite, least, delta, saddle))
        return {.value = least, .coarse = least};
    const AskEpsilon ask{delta, least, cumulant_of(parts, saddle).slope};
    return ask_sum(parts, half_of(saddle), delta, max_cells, ask);
}

Answer composed_delta(std::span<const Term> terms, double epsilon, std::int64_t max_cells)
{
    if (log_finite(terms) == -kInfinity) return {.value = 1.0};
    const Parts parts(terms);
    const int saddle = saddle_of(parts, epsilon, false);
    return ask_sum(parts, half_of(saddle), kInfinity, max_cells, AskDelta{epsilon});
}

Answer composed_power(std::span<const Term> terms, double false_positive_rate,
                      std::int64_t max_cells)
{
    if (log_finite(terms) == -kInfinity) return {.value = 1.0};
    const Parts parts(terms);
    const Frame frame = frame_of(parts, 0);
    if (frame.cells > max_cells) return {.value = kInfinity, .cells_needed = frame.cells};
    const Window window(parts, frame);
    double power = frame.infinite, rate = 0.0;
    for (std::int64_t k = window.size() - 1; k >= 0; --k) {
        const double p = window.mass(k), q = p * std::exp(-window.loss(k));
        if (rate + q > false_positive_rate) {
            power += p * (false_positive_rate - rate) / q;
            break;
        }
        power += p;
        rate += q;
    }
    return {.value = std::min(1.0, power * (1.0 + frame.rounding))};
}

} // namespace velamen::privacy
