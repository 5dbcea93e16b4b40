// SPDX-License-Identifier: GPL-3.0-or-later
//
// The spectra of tilted steps. They are kept, since neither depends on how often the step is
// repeated. Nothing is composed here. Internal to engine/privacy.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "engine/privacy/pld/sketch.h"

namespace velamen::privacy {

/// Of x_k = p_k e^(lambda h (k - centre)).
struct Tilted {
    std::int64_t centre = 0; ///< the cell (multiple of the grid step) nearest to the tilted mean
    double log_mass = 0.0;   ///< log of the sum of x, exact but for rounding
};

/// Writes x_k / (their sum) to the cells (k - centre) modulo out.size().
void wrap_tilted(const LossPmf& pmf, double theta, const Tilted& tilted, std::span<double> out);

/// The lowest frequencies of x / (their sum) on a circle of cells: phi_j = sum of x_k e^(-i w_j (k
/// - centre)), w_j = 2 pi j / length, by its logarithm.
struct Spectrum {
    struct Frequencies {
        std::vector<double> log_size, angle;
    };
    Frequencies fine;
    Frequencies coarse;           ///< the same of coarsen(pmf), tilted alike, at the same w_j
    double coarse_log_mass = 0.0; ///< as Tilted::log_mass
    std::vector<double> log_rest; ///< log of the largest |phi_i| of all i >= j

    std::size_t size() const { return fine.angle.size(); }
};

/// No more frequencies than this are kept of a circle of `length` cells.
std::size_t most_frequencies(std::int64_t length);
/// Log of what |phi_j|^steps is negligible at.
inline constexpr double kLogNegligible = -41.5; // 1e-18

/// What is kept of one pmf. Thread-safe.
class LossSpectra {
public:
    /// Borrows the pmf, which has a finite loss.
    explicit LossSpectra(const LossPmf& pmf) : pmf_(pmf) {}

    const LossPmf& pmf() const { return pmf_; }
    /// An upper bound, see LossSketch.
    Cumulant cumulant(int tilt);
    double variance();
    double reach();
    Tilted tilted(int tilt);
    /// Every frequency that is not negligible after `steps` repetitions; most_frequencies() when
    /// there are more.
    std::shared_ptr<const Spectrum> spectrum(int tilt, std::int64_t length, std::int64_t steps);

private:
    using Place = std::pair<int, std::int64_t>; ///< tilt and length
    struct Kept {
        Place place;
        std::shared_ptr<const Spectrum> spectrum;
    };

    const LossSketch& sketch();
    Tilted tilted_locked(int tilt);

    const LossPmf& pmf_;
    std::mutex mutex_;
    std::optional<LossSketch> sketch_;
    std::map<int, Cumulant> cumulants_;
    std::map<int, Tilted> tilted_;
    std::vector<Kept> spectra_; ///< the last ones, newest at the end
};

} // namespace velamen::privacy
