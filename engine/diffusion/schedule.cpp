// SPDX-License-Identifier: GPL-3.0-or-later
//
// Betas and their products in diffusers' order of operations (fp32).

#include "engine/diffusion/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include <ATen/ATen.h>

namespace velamen::diffusion {

namespace {

template <class E, std::size_t N>
using Names = std::array<std::pair<E, const char*>, N>;

constexpr Names<BetaSchedule, 3> kBetaNames{{{BetaSchedule::Linear, "linear"},
                                             {BetaSchedule::ScaledLinear, "scaled_linear"},
                                             {BetaSchedule::SquaredCosCapV2, "squaredcos_cap_v2"}}};
constexpr Names<PredictionType, 3> kPredictionNames{{{PredictionType::Epsilon, "epsilon"},
                                                     {PredictionType::VPrediction, "v_prediction"},
                                                     {PredictionType::Sample, "sample"}}};
constexpr Names<TimestepSpacing, 3> kSpacingNames{{{TimestepSpacing::Leading, "leading"},
                                                   {TimestepSpacing::Linspace, "linspace"},
                                                   {TimestepSpacing::Trailing, "trailing"}}};

template <class E, std::size_t N>
Result<E> read_name(const io::Json& json, const char* key, const Names<E, N>& names, E absent)
{
    if (json.find(key) == nullptr) return absent;
    VELAMEN_ASSIGN(const std::string text, json.text(key));
    std::string known;
    for (const auto& [value, name] : names) {
        if (text == name) return value;
        known += std::string(known.empty() ? "" : ", ") + name;
    }
    return fail(ErrorCode::Unsupported,
                std::string("the scheduler's ") + key + " '" + text + "' is not supported",
                "supported are " + known);
}

template <class E, std::size_t N>
const char* write_name(const Names<E, N>& names, E value)
{
    for (const auto& [known, name] : names)
        if (known == value) return name;
    return "";
}

at::Tensor make_betas(const ScheduleOptions& o)
{
    const auto fp32 = at::TensorOptions().dtype(at::kFloat);
    const std::int64_t steps = o.num_train_timesteps;
    if (o.beta_schedule == BetaSchedule::Linear)
        return at::linspace(o.beta_start, o.beta_end, steps, fp32);
    if (o.beta_schedule == BetaSchedule::ScaledLinear)
        return at::linspace(std::sqrt(o.beta_start), std::sqrt(o.beta_end), steps, fp32).square();
    // Nichol and Dhariwal 2021, equation 17, with betas capped at 0.999.
    const auto alpha_bar = [](double t) {
        const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2.0);
        return c * c;
    };
    at::Tensor betas = at::empty({steps}, fp32);
    float* out = betas.mutable_data_ptr<float>();
    const double n = static_cast<double>(steps);
    for (std::int64_t i = 0; i < steps; ++i) {
        const double t = static_cast<double>(i);
        out[i] =
            static_cast<float>(std::min(1.0 - alpha_bar((t + 1.0) / n) / alpha_bar(t / n), 0.999));
    }
    return betas;
}

/// In diffusers' order of operations.
at::Tensor with_zero_terminal_snr(const at::Tensor& betas)
{
    at::Tensor root = at::cumprod(1.0 - betas, 0).sqrt();
    const at::Tensor first = root[0].clone(), last = root[-1].clone();
    root = (root - last) * (first / (first - last));
    const at::Tensor product = root.square();
    const at::Tensor ratios = product.slice(0, 1) / product.slice(0, 0, -1);
    return 1.0 - at::cat({product.slice(0, 0, 1), ratios});
}

} // namespace

Schedule::Schedule(const ScheduleOptions& options, at::Tensor alphas_cumprod)
    : options_(options), alphas_cumprod_(std::move(alphas_cumprod))
{
    const float* data = alphas_cumprod_.const_data_ptr<float>();
    values_.assign(data, data + alphas_cumprod_.numel());
}

Result<Schedule> Schedule::create(const ScheduleOptions& o)
{
    if (o.num_train_timesteps < 1 || o.num_train_timesteps > 1'000'000)
        return fail(ErrorCode::InvalidArgument,
                    "the schedule's num_train_timesteps must be between 1 and 1000000");
    if (!(o.beta_start > 0.0) || !(o.beta_start <= o.beta_end) || !(o.beta_end < 1.0))
        return fail(ErrorCode::InvalidArgument,
                    "the schedule's betas must rise from beta_start > 0 to beta_end < 1");
    if (o.steps_offset < 0 || o.steps_offset >= o.num_train_timesteps)
        return fail(ErrorCode::InvalidArgument, "the schedule's steps_offset is out of range");
    if (!(o.clip_sample_range > 0.0))
        return fail(ErrorCode::InvalidArgument,
                    "the schedule's clip_sample_range must be positive");
    try {
        const at::Tensor betas = make_betas(o);
        return Schedule(
            o,
            at::cumprod(1.0 - (o.rescale_betas_zero_snr ? with_zero_terminal_snr(betas) : betas), 0)
                .contiguous());
    } catch (const std::exception&) {
        return fail(ErrorCode::OutOfMemory, "there is no memory for the noise schedule");
    }
}

float Schedule::noise_ratio(float t) const
{
    const auto ratio = [this](std::int64_t step) {
        const float own = alpha_cumprod(step), a = own > 0.0F ? own : 0x1p-24F;
        return std::sqrt((1.0F - a) / a);
    };
    const auto below = static_cast<std::int64_t>(t);
    const double low = ratio(below), part = static_cast<double>(t) - static_cast<double>(below);
    return static_cast<float>(part == 0.0 ? low : (ratio(below + 1) - low) * part + low);
}

Result<Schedule> Schedule::from_json(const io::Json& json)
{
    if (const io::Json* value = json.find("thresholding");
        value != nullptr && *value == io::Json(true))
        return fail(ErrorCode::Unsupported, "the scheduler's thresholding is not supported");
    if (const io::Json* betas = json.find("trained_betas"); betas != nullptr && !betas->is_null())
        return fail(ErrorCode::Unsupported, "the scheduler's trained_betas are not supported");
    ScheduleOptions o;
    VELAMEN_ASSIGN(o.num_train_timesteps,
                   json.integer_or("num_train_timesteps", o.num_train_timesteps));
    VELAMEN_ASSIGN(o.beta_start, json.number_or("beta_start", o.beta_start));
    VELAMEN_ASSIGN(o.beta_end, json.number_or("beta_end", o.beta_end));
    VELAMEN_ASSIGN(o.beta_schedule, read_name(json, "beta_schedule", kBetaNames, o.beta_schedule));
    VELAMEN_ASSIGN(o.prediction_type,
                   read_name(json, "prediction_type", kPredictionNames, o.prediction_type));
    // What a class of diffusers does where the file says nothing.
    VELAMEN_ASSIGN(const std::string name, json.text_or("_class_name", "DDIMScheduler"));
    const bool clips = name == "DDIMScheduler" || name == "DDPMScheduler";
    if (name.starts_with("Euler") || name.starts_with("DPMSolver"))
        o.timestep_spacing = TimestepSpacing::Linspace;
    VELAMEN_ASSIGN(o.timestep_spacing,
                   read_name(json, "timestep_spacing", kSpacingNames, o.timestep_spacing));
    VELAMEN_ASSIGN(o.steps_offset, json.integer_or("steps_offset", o.steps_offset));
    VELAMEN_ASSIGN(o.set_alpha_to_one, json.flag_or("set_alpha_to_one", true));
    VELAMEN_ASSIGN(o.clip_sample, json.flag_or("clip_sample", clips));
    VELAMEN_ASSIGN(o.clip_sample_range, json.number_or("clip_sample_range", 1.0));
    VELAMEN_ASSIGN(o.rescale_betas_zero_snr, json.flag_or("rescale_betas_zero_snr", false));
    return create(o);
}

io::Json Schedule::to_json() const
{
    const ScheduleOptions& o = options_;
    io::Json out = io::Json::object();
    out["_class_name"] = "DDIMScheduler";
    out["beta_end"] = o.beta_end;
    out["beta_schedule"] = write_name(kBetaNames, o.beta_schedule);
    out["beta_start"] = o.beta_start;
    out["clip_sample"] = o.clip_sample;
    out["clip_sample_range"] = o.clip_sample_range;
    out["num_train_timesteps"] = o.num_train_timesteps;
    out["prediction_type"] = write_name(kPredictionNames, o.prediction_type);
    out["rescale_betas_zero_snr"] = o.rescale_betas_zero_snr;
    out["set_alpha_to_one"] = o.set_alpha_to_one;
    out["steps_offset"] = o.steps_offset;
    out["timestep_spacing"] = write_name(kSpacingNames, o.timestep_spacing);
    return out;
}

} // namespace velamen::diffusion
