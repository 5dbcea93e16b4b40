// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/optimiser.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <exception>
#include <limits>
#include <new>
#include <numbers>
#include <unordered_map>
#include <utility>

#include <ATen/ATen.h>

#include "engine/core/assert.h"
#include "engine/dpsgd/kernel_calls.h"

namespace velamen::dpsgd {

namespace {

/// The smallest float that is not below `stddev`: rounding never takes noise away.
float at_least(double stddev)
{
    auto rounded = static_cast<float>(stddev);
    if (static_cast<double>(rounded) < stddev)
        rounded = std::nextafter(rounded, std::numeric_limits<float>::infinity());
    VELAMEN_ASSERT(rounded > 0.0F && std::isfinite(rounded)); // 0 would mean: no noise
    return rounded;
}

/// Leaves no copy of the key behind.
struct WipedStreamId : kernels::NoiseStreamId {
    explicit WipedStreamId(const kernels::NoiseStreamId& id) : kernels::NoiseStreamId(id) {}
    WipedStreamId(const WipedStreamId&) = delete;
    WipedStreamId& operator=(const WipedStreamId&) = delete;
    ~WipedStreamId()
    {
        for (volatile std::uint8_t& byte : key)
            byte = 0;
    }
};

Result<> check(const PublicGradient& gradient, const TrainedTensors& trained)
{
    bool fits = gradient.gradients.size() == trained.size();
    for (std::size_t i = 0; fits && i < trained.size(); ++i)
        fits = !gradient.gradients[i].defined()
            || gradient.gradients[i].sizes() == trained[i].tensor.sizes();
    if (!fits)
        return fail(ErrorCode::InvalidArgument,
                    "the public gradient is not that of the trained tensors",
                    "form it over the tensors of this run");
    if (!std::isfinite(gradient.weight))
        return fail(ErrorCode::InvalidArgument, "the weight of the public gradient is not finite",
                    "choose a number, for example 1");
    return {};
}

} // namespace

double learning_rate_at(const OptimiserOptions& options, std::int64_t step) noexcept
{
    const auto k = static_cast<double>(step);
    const double warm = options.warmup_steps > 0
        ? std::min(1.0, (k + 1.0) / static_cast<double>(options.warmup_steps))
        : 1.0;
    const double done =
        std::min(1.0, k / static_cast<double>(std::max<std::int64_t>(1, options.total_steps)));
    const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    return options.learning_rate * warm
        * (options.final_fraction + (1.0 - options.final_fraction) * cosine);
}

double average_decay_at(const OptimiserOptions& options, std::int64_t step) noexcept
{
    const auto k = static_cast<double>(step);
    return std::min(options.ema_decay, (1.0 + k) / (10.0 + k));
}

Optimiser::Optimiser(TrainedTensors trained, const OptimiserOptions& options)
    : trained_(std::move(trained)), options_(options)
{
    for (const auto& [name, tensor, scale, block] : trained_) {
        Entry entry;
        entry.weight = tensor.detach(); // shares memory with the model
        if (tensor.scalar_type() != at::kFloat || !tensor.is_contiguous())
            entry.weight = tensor.detach().to(at::kFloat).contiguous().clone();
        entry.first_moment = at::zeros_like(entry.weight);
        if (options_.rule != OptimiserRule::Sgd) entry.second_moment = at::zeros_like(entry.weight);
        entry.average = entry.weight.clone();
        entries_.push_back(std::move(entry));
    }
}

kernels::UpdateStep Optimiser::update_step(const NoisyGradient& gradient) const
{
    const auto count = static_cast<double>(steps_done_ + 1);
    kernels::UpdateStep step{.learning_rate = learning_rate_at(options_, steps_done_),
                             .weight_decay = options_.weight_decay,
                             .average_decay = average_decay_at(options_, steps_done_)};
    if (options_.rule == OptimiserRule::Sgd) {
        step.rule = kernels::UpdateRule::Momentum;
        step.beta1 = options_.momentum;
        return step;
    }
    step.beta1 = options_.beta1;
    step.beta2 = options_.beta2;
    step.epsilon = options_.epsilon;
    step.bias_correction1 = 1.0 - std::pow(options_.beta1, count);
    step.bias_correction2 = 1.0 - std::pow(options_.beta2, count);
    if (options_.rule == OptimiserRule::AdamBiasCorrected) {
        const double stddev = gradient.stddev_ / gradient.batch_;
        step.noise_variance = stddev * stddev;
        step.variance_floor = options_.variance_floor * step.noise_variance;
    }
    return step;
}

Result<StepReport> Optimiser::step(NoisyGradient&& gradient, const PublicGradient* public_part)
{
    const NoisyGradient used(std::move(gradient));
    VELAMEN_ASSERT(used.sums_.size() == entries_.size());
    if (public_part != nullptr) VELAMEN_TRY(check(*public_part, trained_));
    const kernels::UpdateStep step = update_step(used);
    StepReport report{.step = steps_done_ + 1, .learning_rate = step.learning_rate};
    double squared_norm = 0.0;
    double elements = 0.0;
    try {
        const at::NoGradGuard no_grad;
        std::deque<WipedStreamId> ids;
        std::vector<at::Tensor> kept; // what jobs point into and nobody else holds
        std::vector<kernels::PrivateUpdate> jobs;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            const Entry& entry = entries_[i];
            kernels::PrivateUpdate job{
                .id = &ids.emplace_back(used.stream(static_cast<std::uint32_t>(i))),
                .noise_stddev = used.key_ ? at_least(used.stddev_) : 0.0F,
                .inverse_batch = static_cast<float>(1.0 / used.batch_),
                .step = step,
                .sum = floats_of(used.sums_[i]),
                .weight = floats_of(entry.weight),
                .first_moment = floats_of(entry.first_moment),
                .second_moment = floats_of(entry.second_moment),
                .average = floats_of(entry.average)};
            job.step.learning_rate *= trained_[i].learning_rate_scale;
            if (public_part != nullptr && public_part->gradients[i].defined()) {
                kept.push_back(public_part->gradients[i].detach().to(entry.weight.options()));
                kept.back() = kept.back().contiguous();
                job.public_gradient = floats_of(kept.back());
                job.public_weight = static_cast<float>(public_part->weight);
            }
            jobs.push_back(job);
            elements += static_cast<double>(entry.weight.numel());
        }
        if (!jobs.empty())
            for (const UpdateOutcome& outcome :
                 private_updates(std::move(jobs), entries_[0].weight.device())) {
                squared_norm += outcome.squared_norm;
                report.moved.push_back(outcome.moved > 0);
            }
        for (std::size_t i = 0; i < entries_.size(); ++i)
            if (trained_[i].tensor.data_ptr() != entries_[i].weight.data_ptr())
                trained_[i].tensor.detach().copy_(entries_[i].weight);
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "no memory for the weight update");
    } catch (const std::exception& error) { // public values only from here on
        return fail(ErrorCode::Internal, std::string("the weight update failed: ") + error.what());
    }
    report.noised_gradient_norm = std::sqrt(squared_norm);
    report.expected_noise_norm = used.stddev_ * std::sqrt(elements) / used.batch_;
    ++steps_done_;
    return report;
}

NamedTensors Optimiser::averaged() const
{
    NamedTensors out;
    for (std::size_t i = 0; i < entries_.size(); ++i)
        out.emplace_back(trained_[i].name, entries_[i].average);
    return out;
}

NamedTensors Optimiser::export_state() const
{
    NamedTensors out;
    out.emplace_back("step", at::full({1}, steps_done_, at::kLong));
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const std::string& name = trained_[i].name;
        const bool has_second = entries_[i].second_moment.defined();
        out.emplace_back((has_second ? "exp_avg." : "momentum.") + name, entries_[i].first_moment);
        if (has_second) out.emplace_back("exp_avg_sq." + name, entries_[i].second_moment);
        out.emplace_back("ema." + name, entries_[i].average);
        out.emplace_back("master." + name, entries_[i].weight);
    }
    return out;
}

Result<> Optimiser::import_state(const NamedTensors& state)
{
    std::unordered_map<std::string, at::Tensor> given(state.begin(), state.end());
    const NamedTensors wanted = export_state();
    for (const auto& [name, tensor] : wanted) {
        const auto found = given.find(name);
        if (found == given.end() || !found->second.defined()
            || found->second.sizes() != tensor.sizes())
            return fail(ErrorCode::Corrupt, "the saved optimiser state lacks " + name,
                        "resume from another saved state of the same run");
    }
    try {
        const at::NoGradGuard no_grad;
        for (const auto& [name, tensor] : wanted)
            tensor.copy_(given.at(name));
        for (std::size_t i = 0; i < entries_.size(); ++i)
            if (trained_[i].tensor.data_ptr() != entries_[i].weight.data_ptr())
                trained_[i].tensor.detach().copy_(entries_[i].weight);
        steps_done_ = given.at("step").item<std::int64_t>();
    } catch (const std::exception& error) {
        return fail(ErrorCode::Internal,
                    std::string("the optimiser state could not be restored: ") + error.what());
    }
    return {};
}

} // namespace velamen::dpsgd
