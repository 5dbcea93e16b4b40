// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen_cli/bench_dp_step.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "app/velamen_cli/bench_models.h"
#include "app/velamen_cli/bench_parts.h"
#include "engine/data/poisson.h"
#include "engine/dpsgd/clipper.h"
#include "engine/dpsgd/optimiser.h"
#include "engine/nn/unet/config.h"
#include "engine/nn/unet/model.h"
#include "engine/privacy/ledger.h"
#include "engine/train/peak_memory.h"

namespace velamen::app {

namespace {

constexpr int kRepeats = 5;

double peak_bytes() { return train::peak_gibibytes() * train::kBytesPerGibibyte; }

template <class Job>
double peak_of(const Job& job)
{
    train::restart_peak();
    job();
    return peak_bytes();
}

class Bench {
public:
    Bench(const BenchModel& setting, bool is_bfloat16)
        : unet_(setting.unet.plan()), batch_(setting.batch),
          trained_(select(unet_, setting.tokens)), tape_(trained_),
          clipper_(trained_, privacy::ClippingNorm::literal(0.01),
                   *privacy::ExpectedBatch::create(static_cast<double>(setting.batch)))
    {
        if (is_bfloat16) unet_->use_bfloat16();
        const std::int64_t size = setting.unet.sample_size;
        x_ = torch::randn({batch_, setting.unet.in_channels, size, size});
        target_ = torch::randn_like(x_);
        times_ = torch::rand({batch_}) * 1000.0;
        context_ = torch::randn({batch_, setting.tokens, setting.unet.cross_attention_dim});
    }

    const dpsgd::TrainedTensors& trained() const { return trained_; }

    void non_private_step()
    {
        for (const auto& entry : trained_)
            entry.tensor.mutable_grad().reset();
        at::mse_loss(unet_(x_, times_, context_), target_).backward();
    }

    dpsgd::ClippedSum private_step()
    {
        unet_->set_tap(&tape_);
        for (const auto& entry : trained_)
            entry.tensor.mutable_grad().reset();
        const at::Tensor losses = dpsgd::unit_losses(
            (unet_(x_, times_, context_) - target_).square().flatten(1).mean(1), 1);
        losses.sum().backward();
        const auto added = clipper_.add(tape_, {.units = batch_}, losses);
        unet_->set_tap(nullptr);
        TORCH_CHECK(added, "clipping failed");
        const auto key = core::StreamKey::reproducible(1);
        core::SecureStream stream(key, 0, 0);
        auto draw = data::PoissonSampler(batch_, privacy::SamplingRate::literal(1.0)).draw(stream);
        auto sum = clipper_.finish(std::move(draw));
        TORCH_CHECK(sum, "the step was not whole");
        return std::move(*sum);
    }

private:
    /// The attention blocks; what one context token leaves without gradient is left out.
    static dpsgd::TrainedTensors select(nn::UNet& unet, std::int64_t tokens)
    {
        dpsgd::TrainedTensors out;
        for (auto& item : unet->named_parameters()) {
            const std::string& name = item.key();
            const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
            const bool is_dead =
                tokens == 1 && (has("attn2.to_q") || has("attn2.to_k") || has("norm2"));
            const bool is_trained = has("attentions") && !(is_dead && has("transformer_blocks"));
            item.value().set_requires_grad(is_trained);
            if (is_trained) out.push_back({name, item.value()});
        }
        return out;
    }

    nn::UNet unet_;
    std::int64_t batch_;
    dpsgd::TrainedTensors trained_;
    dpsgd::GradTape tape_;
    dpsgd::Clipper clipper_;
    at::Tensor x_, target_, times_, context_;
};

io::Json entry(double seconds, double bytes)
{
    io::Json out = io::Json::object();
    out["seconds"] = seconds;
    out["peak_bytes"] = bytes;
    return out;
}

Result<io::Json> optimiser_entry(Bench& bench, dpsgd::ClippedSum first, int repeats)
{
    const TemporaryFolder folder;
    VELAMEN_ASSIGN(privacy::ReservedSteps steps, benchSteps(folder, 32));
    const auto key = core::StreamKey::fresh();
    dpsgd::Optimiser optimiser(bench.trained(), {.total_steps = 100});
    double best = std::numeric_limits<double>::infinity();
    std::vector<dpsgd::ClippedSum> sums;
    sums.push_back(std::move(first));
    train::restart_peak();
    for (int i = 0; i < repeats; ++i) {
        auto released = dpsgd::NoisyGradient::release(std::move(sums.back()), steps.take(), key);
        sums.pop_back();
        std::optional<Error> error;
        best = std::min(best, secondsOf([&] {
                            const auto report = optimiser.step(std::move(released));
                            if (!report) error = report.error();
                        }));
        if (error) return fail(*error);
        if (i + 1 < repeats) sums.push_back(bench.private_step());
    }
    return entry(best, peak_bytes());
}

} // namespace

Result<io::Json> benchDpStep(const std::string& config, std::int64_t batch,
                             const std::string& precision)
{
    auto setting = benchModel(config);
    if (!setting)
        return fail(ErrorCode::InvalidArgument, "no benchmark configuration named " + config,
                    "choose mnist, cifar or sd256");
    if (batch > 0) setting->batch = batch;
    try {
        torch::manual_seed(1);
        const double start_bytes = peak_of([] {}); // what is there before the model is
        Bench bench(*setting, precision == "bf16");
        bench.non_private_step(); // both once without a clock: caches and allocator warm up
        bench.private_step();
        constexpr double kNever = std::numeric_limits<double>::infinity();
        double non_private = kNever, with_privacy = kNever;
        for (int i = 0; i < kRepeats; ++i) {
            non_private = std::min(non_private, secondsOf([&] { bench.non_private_step(); }));
            with_privacy = std::min(with_privacy, secondsOf([&] { bench.private_step(); }));
        }
        // Apart from the clock: memory that was given back has to be fetched again.
        const double non_private_peak = peak_of([&] { bench.non_private_step(); });
        const double with_privacy_peak = peak_of([&] { bench.private_step(); });
        io::Json out = io::Json::object();
        out["config"] = config;
        out["batch"] = setting->batch;
        out["precision"] = precision;
        out["start_bytes"] = start_bytes;
        out["non_private"] = entry(non_private, non_private_peak);
        out["private"] = entry(with_privacy, with_privacy_peak);
        VELAMEN_ASSIGN(out["optimiser"], optimiser_entry(bench, bench.private_step(), kRepeats));
        out["ratio"] = with_privacy / non_private;
        return out;
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "no memory for this benchmark",
                    "choose a smaller --batch");
    } catch (const std::exception& error) {
        return fail(ErrorCode::Internal, std::string("the benchmark failed: ") + error.what());
    }
}

} // namespace velamen::app
