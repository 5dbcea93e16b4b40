// SPDX-License-Identifier: GPL-3.0-or-later
//
// AdamW with an exponential average of the weights, for private runs: it takes a NoisyGradient and
// nothing else. Everything it knows and tells is computed from released values, so all of it may be
// shown and saved.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/dpsgd/private_step.h"
#include "engine/dpsgd/trained_tensor.h"

namespace velamen::dpsgd {

struct OptimiserOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.99;
    double epsilon = 1e-12;
    double weight_decay = 0.0;
    std::int64_t warmup_steps = 10;
    std::int64_t total_steps = 1;
    double final_fraction = 0.1; ///< cosine down to this share of the learning rate
    double ema_decay = 0.9;      ///< per step; early steps use min(decay, (1 + k) / (10 + k))
};

/// The schedule at step k = 0, 1, ...: linear warm-up times cosine.
double learning_rate_at(const OptimiserOptions& options, std::int64_t step) noexcept;
/// The average's decay at step k.
double average_decay_at(const OptimiserOptions& options, std::int64_t step) noexcept;

/// All public.
struct StepReport {
    std::int64_t step = 0; ///< 1-based
    double learning_rate = 0.0;
    double noised_gradient_norm = 0.0;
    double expected_noise_norm = 0.0; ///< sigma C sqrt(D) / B: what noise alone would give
    std::vector<bool> moved;          ///< per trained tensor: did any element change
};

/// One thread.
class Optimiser {
public:
    /// Starts the average at the present weights.
    Optimiser(TrainedTensors trained, const OptimiserOptions& options);

    /// Adds the noise, divides by the public batch, updates weights and average in one pass. The
    /// gradient is used up also when this fails (OutOfMemory, Internal).
    Result<StepReport> step(NoisyGradient&& gradient);

    std::int64_t steps_done() const noexcept { return steps_done_; }
    const OptimiserOptions& options() const noexcept { return options_; }
    /// Averaged weights under the names of the trained tensors, fp32. Live: copy before the next
    /// step.
    NamedTensors averaged() const;

    /// For resume: "step", and per tensor "exp_avg.NAME", "exp_avg_sq.NAME", "ema.NAME",
    /// "master.NAME" (fp32 weights). Live tensors.
    NamedTensors export_state() const;
    /// Also overwrites the weights. Corrupt, naming the tensor, when one is missing or has another
    /// shape; nothing is changed then.
    Result<> import_state(const NamedTensors& state);

private:
    struct Entry {
        at::Tensor weight; // fp32: the model's tensor itself, or its master copy
        at::Tensor first_moment;
        at::Tensor second_moment;
        at::Tensor average;
    };
    TrainedTensors trained_;
    OptimiserOptions options_;
    std::vector<Entry> entries_;
    std::int64_t steps_done_ = 0;
};

} // namespace velamen::dpsgd
