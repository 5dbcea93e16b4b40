// SPDX-License-Identifier: GPL-3.0-or-later
//
// delta(epsilon) of a composition as a short sum over the low frequencies of its tilted spectrum.
// Internal to engine/privacy.

#pragma once

#include <complex>
#include <cstdint>
#include <vector>

namespace velamen::privacy {

/// A tilted sum on a circle of cells. The mass of cell k (loss k step) is x_k e^(log_scale - theta
/// (k - origin)) with x the tilted one, whose angles are taken relative to `origin`.
struct Circle {
    double step, theta;
    double log_scale;
    double origin;    ///< in cells, perhaps between two
    std::int64_t top; ///< what lies above this cell is accounted for elsewhere
    double length;    ///< in cells
};

/// What the spectrum of the sum is at w_j = 2 pi j / length.
struct Harmonic {
    double log_size, angle;
    double log_divided; ///< log of its size with one factor (the smallest one) fewer
};

/// delta of a tilted sum, of losses that are not below the part of it on the circle.
class TailSum {
public:
    /// `relative_error`: of each factor of a harmonic, times their number. `log_rest`: log of the
    /// largest size among all higher harmonics, which are left out.
    TailSum(const Circle& circle, const std::vector<Harmonic>& harmonics, double relative_error,
            double log_rest);

    /// delta(loss) of the finite losses and a bound on its error.
    struct Value {
        double delta, error;
    };
    Value delta_at(double loss) const;

    /// The smallest loss from `least` on where delta and its error are at most `allowed`, to
    /// rounding. `guess` is near it.
    double crossing(double allowed, double least, double guess) const;

private:
    /// At loss_k; delta(loss_k + t) = delta - (e^t - 1) slope for 0 <= t <= step.
    struct AtCell {
        double delta, slope, error;
    };
    AtCell at(std::int64_t cell) const;

    using Complex = std::complex<double>;
    Circle circle_;
    std::vector<Complex> delta_, slope_;         ///< factors of e^(i w_j (k - origin))
    double beyond_ = 0.0, beyond_decayed_ = 0.0; ///< the same sums of everything above `top`
    double error_ = 0.0, beyond_error_ = 0.0;
};

} // namespace velamen::privacy
