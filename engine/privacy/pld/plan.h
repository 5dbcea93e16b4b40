// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a list of events amounts to before any grid is chosen: equal events together, all unsampled
// Gaussians as one, events that hardly protect as unsampled ones. Nothing is composed here.
// Internal to engine/privacy.

#pragma once

#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "engine/privacy/events.h"
#include "engine/privacy/pld/event.h"
#include "engine/privacy/pld/spectrum.h"

namespace velamen::privacy {

inline constexpr double kFirstStep = 1e-4; ///< of the grid of level 0; every level halves it
/// More steps than this are beyond the round-off of spectra.
inline constexpr double kMostSteps = 1e10;

/// The losses of an event on a grid, with what is kept of their spectra.
struct GridLoss {
    explicit GridLoss(LossPmfPair losses) : pair(std::move(losses)) {}

    LossPmfPair pair;
    LossSpectra remove{pair.remove}, add{pair.add};
};

/// Losses of one event by grid. Thread-safe.
class Grids {
public:
    explicit Grids(const LossEvent& event) : event_(event) {}

    std::shared_ptr<GridLoss> get(int level, double log_mass);
    double width(double log_mass) const;

private:
    LossEvent event_;
    std::mutex mutex_;
    std::map<std::pair<int, double>, std::shared_ptr<GridLoss>> kept_;
};

struct Source {
    std::shared_ptr<Grids> grids;
    std::int64_t steps;
};

struct Plan {
    std::vector<Source> sources; ///< none: everything is one Gaussian
    double gaussian_sigma = std::numeric_limits<double>::infinity(); ///< 0: nothing is protected
    double steps = 0.0;    ///< of all sources; those above kMostSteps are left out
    double log_same = 0.0; ///< log of a chance that the two outputs are the same, at most the truth

    bool is_gaussian() const { return sources.empty() && steps <= kMostSteps; }
    bool is_too_long() const { return steps > kMostSteps; }
    /// Probability cut from the losses of one step, small against delta over all of them.
    double log_mass() const { return steps <= 1e6 ? -50.0 : -95.0; }
};

/// The event of one step for the relation, or nothing where sampling is ignored: where there is
/// none, and where losses are so large that it is no protection, which only raises them.
std::unique_ptr<LossEvent> sampled_event(const SubsampledGaussian& event, Neighbours relation);
/// What a unit's change moves the sum by, in clipping norms.
constexpr double distance_of(Neighbours relation)
{
    return relation == Neighbours::ReplaceOne ? 2.0 : 1.0;
}

class PlanBuilder {
public:
    void add(const Segment& segment, Neighbours relation);
    void add(const CappedLoss& event, Steps steps);
    void add(const LaplaceLoss& event, Steps steps);
    void add(const GuaranteeLoss& event, Steps steps);
    Plan finish() const;

private:
    void add_sampled(const LossEvent& event, double steps);

    std::vector<std::pair<LossEvent, double>> sampled_;
    double pooled_ = 0.0; // squared mu of what enters as one Gaussian
    double all_ = 0.0;    // squared mu of all Gaussians without their sampling
    double steps_ = 0.0, log_same_ = 0.0;
    bool has_others_ = false, is_unprotected_ = false;
};

Plan make_plan(std::span<const Segment> segments, Neighbours relation);

} // namespace velamen::privacy
