// SPDX-License-Identifier: GPL-3.0-or-later
//
// The warm start of a private run, before its first step: the class table begins at rows that noisy
// votes choose, and the model learns from draws of the classes' noisy means and covariance. Each is
// released once, at the price of one ledger line; what is done with it is public then: no clipping,
// no noise.

#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "engine/core/random.h"
#include "engine/privacy/class_moments.h"
#include "engine/train/observer.h"
#include "engine/train/plan.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/private_model.h"
#include "engine/train/private/run_folder.h"

namespace velamen::train {

/// What a warm start works with; borrowed for the call.
struct WarmStartWork {
    RunFolder& folder;
    const Dataset& dataset;
    PrivateModel& model;
    checkpoint::Checkpoint& preview; ///< begins at the same class rows
    const core::StreamKey& noise;
    const std::stop_token& stop;
    /// Whether the run has paid for a release of this purpose.
    std::function<bool(const std::string& purpose)> is_charged;
    /// The right to a release, once its line is on the disk.
    std::function<Result<privacy::SpentRelease>(const privacy::NoisyRelease&)> charge;
    Counter counter;
    std::function<void(std::string note)> note;
    TrainingObserver& observer;
};

/// Releases what the plan asks for and the run has not released yet, and begins with it. Every
/// release is in warm_start.json before it is used; a resumed run takes it from there. Only a crash
/// in the moment between a charge and that file loses what was paid: it is not released again.
/// Cancelled when stopped. One thread.
Result<> warm_start(const WarmStartWork& work);

/// The exact sum over the private units; their latents are clipped to the square root of their
/// number of elements, rounded up, which standardised latents are about as long as. Private.
/// InvalidArgument: latents of more than 512 elements.
Result<privacy::ClassMomentSum> class_moment_sum(const Dataset& dataset, const TrainingPlan& plan);

/// Trains the selected tensors on draws from the moments, late noise levels only, where a Gaussian
/// says enough. Cancelled when stopped. One thread.
Result<> learn_class_moments(PrivateModel& model, const privacy::ClassMoments& moments,
                             const TrainingPlan& plan, const std::stop_token& stop,
                             const Counter& counter);

} // namespace velamen::train
