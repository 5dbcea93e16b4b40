// SPDX-License-Identifier: GPL-3.0-or-later
//
// The noise schedule of a checkpoint, as in diffusers' scheduler_config.json. Numbers only: how
// they are used is in target.h (training) and sampler.h (sampling).

#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::diffusion {

enum class BetaSchedule { Linear, ScaledLinear, SquaredCosCapV2 };
enum class PredictionType { Epsilon, VPrediction, Sample };
enum class TimestepSpacing { Leading, Linspace, Trailing };

struct ScheduleOptions {
    std::int64_t num_train_timesteps = 1000;
    double beta_start = 0.0001;
    double beta_end = 0.02;
    BetaSchedule beta_schedule = BetaSchedule::Linear;
    PredictionType prediction_type = PredictionType::Epsilon;
    TimestepSpacing timestep_spacing = TimestepSpacing::Leading;
    std::int64_t steps_offset = 0;
    bool set_alpha_to_one = true;
    bool clip_sample = false; ///< absent in a DDIM's or DDPM's file means true
    double clip_sample_range = 1.0;
    /// The last step of training sees noise alone: Lin et al. 2023 (arXiv 2305.08891), algorithm 1.
    bool rescale_betas_zero_snr = false;
};

/// Immutable.
class Schedule {
public:
    static Result<Schedule> create(const ScheduleOptions& options);
    static Result<Schedule> from_json(const io::Json& json);
    /// As a DDIMScheduler.
    io::Json to_json() const;

    const ScheduleOptions& options() const noexcept { return options_; }
    std::int64_t num_train_timesteps() const noexcept { return options_.num_train_timesteps; }
    /// fp32 [T] on the CPU, computed in the order in which diffusers does.
    const at::Tensor& alphas_cumprod() const noexcept { return alphas_cumprod_; }
    float alpha_cumprod(std::int64_t t) const { return values_[static_cast<std::size_t>(t)]; }
    /// sqrt((1 - a) / a), linear between the steps of training; where a is 0 it is taken as 2^-24.
    float noise_ratio(float t) const;

private:
    Schedule(const ScheduleOptions& options, at::Tensor alphas_cumprod);
    ScheduleOptions options_;
    at::Tensor alphas_cumprod_;
    std::vector<float> values_;
};

} // namespace velamen::diffusion
