// SPDX-License-Identifier: GPL-3.0-or-later
//
// The warm start of a private run: the classes' noisy means and covariance are released once, at
// the price of one ledger line, and the model learns from draws of those Gaussians before its first
// private step. What it learns from is public then: no clipping, no noise.

#pragma once

#include <functional>
#include <stop_token>

#include "engine/core/random.h"
#include "engine/privacy/class_moments.h"
#include "engine/train/plan.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/private_model.h"

namespace velamen::train {

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
