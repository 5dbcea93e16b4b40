// SPDX-License-Identifier: GPL-3.0-or-later
//
// Update rules with an exponential average of the weights, for private runs: of the private data an
// optimiser takes a NoisyGradient and nothing else. Everything it knows and tells is computed from
// released and public values, so all of it may be shown and saved.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/dpsgd/private_step.h"
#include "engine/dpsgd/trained_tensor.h"
#include "kernels/api/private_update.h"

namespace velamen::dpsgd {

enum class OptimiserRule {
    AdamW, ///< Loshchilov and Hutter 2019, algorithm 2
    /// AdamW whose second moment loses the variance that the noise put there, (sigma C / B)^2
    /// (DP-AdamBC: Tang, Shpilevskiy, Lecuyer 2023, arXiv 2312.14334, algorithm 1).
    AdamBiasCorrected,
    Sgd, ///< with momentum
};

/// Weight decay is decoupled in every rule; warm-up and decay count optimiser steps.
struct OptimiserOptions {
    OptimiserRule rule = OptimiserRule::AdamW;
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.99;
    double epsilon = 1e-12;
    double momentum = 0.9; ///< of Sgd
    /// AdamBiasCorrected keeps at least this share of the noise's variance as second moment (the
    /// floor gamma' of the paper). 0.1 is the standard error of an estimate from noise alone at
    /// beta2 = 0.99.
    double variance_floor = 0.1;
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

/// A gradient from public data, mixed in after the noise: it costs no privacy and gets no noise.
struct PublicGradient {
    std::vector<at::Tensor> gradients; ///< mean gradient per trained tensor; undefined: none
    double weight = 1.0;
};

/// All public.
struct StepReport {
    std::int64_t step = 0; ///< 1-based
    double learning_rate = 0.0;
    double noised_gradient_norm = 0.0; ///< of the private part
    double expected_noise_norm = 0.0;  ///< sigma C sqrt(D) / B: what noise alone would give
    std::vector<bool> moved;           ///< per trained tensor: did any element change
};

/// One thread.
class Optimiser {
public:
    /// Starts the average at the present weights.
    Optimiser(TrainedTensors trained, const OptimiserOptions& options);

    /// One pass over memory: g = (sum + noise) / B + weight * public gradient, then the rule on
    /// weights and moments, then the average. The gradient is used up also when this fails
    /// (OutOfMemory, Internal; InvalidArgument when the public gradient is not finite in its weight
    /// or has other shapes than the trained tensors).
    Result<StepReport> step(NoisyGradient&& gradient, const PublicGradient* public_part = nullptr);

    std::int64_t steps_done() const noexcept { return steps_done_; }
    const OptimiserOptions& options() const noexcept { return options_; }
    /// Averaged weights under the names of the trained tensors, fp32. Live: copy before the next
    /// step.
    NamedTensors averaged() const;

    /// For resume: "step", and per tensor "exp_avg.NAME" and "exp_avg_sq.NAME" (Sgd:
    /// "momentum.NAME" alone), "ema.NAME", "master.NAME" (fp32 weights). Live tensors.
    NamedTensors export_state() const;
    /// Also overwrites the weights. Corrupt, naming the tensor, when one is missing or has another
    /// shape; nothing is changed then.
    Result<> import_state(const NamedTensors& state);

private:
    struct Entry {
        at::Tensor weight; // fp32: the model's tensor itself, or its master copy
        at::Tensor first_moment;
        at::Tensor second_moment; // undefined under Sgd
        at::Tensor average;
    };
    kernels::UpdateStep update_step(const NoisyGradient& gradient) const;
    TrainedTensors trained_;
    OptimiserOptions options_;
    std::vector<Entry> entries_;
    std::int64_t steps_done_ = 0;
};

} // namespace velamen::dpsgd
