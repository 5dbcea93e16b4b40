// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen_cli/bench_forward.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "app/velamen_cli/bench_models.h"
#include "app/velamen_cli/bench_parts.h"
#include "engine/checkpoint/opened.h"
#include "engine/checkpoint/weights.h"
#include "engine/diffusion/sampler.h"
#include "engine/diffusion/schedule.h"
#include "engine/nn/layers/packed.h"
#include "engine/nn/unet/model.h"

namespace velamen::app {

namespace {

constexpr int kRepeats = 3;

io::Json answer(double seconds)
{
    io::Json json = io::Json::object();
    json["seconds"] = seconds;
    return json;
}

} // namespace

Result<io::Json> benchForward(const std::string& config, const std::string& precision)
{
    const bool isSampling = config == "cifar-ddim";
    const auto model = benchModel(isSampling ? "cifar" : config);
    if (!model)
        return velamen::fail(ErrorCode::InvalidArgument, "there is no configuration " + config);
    at::manual_seed(1);
    nn::UNet unet(model->unet.plan());
    unet->eval();
    for (at::Tensor& parameter : unet->parameters())
        parameter.set_requires_grad(false);
    if (precision == "bf16") unet->use_bfloat16();
    const c10::InferenceMode guard;
    const std::int64_t n = isSampling ? 8 : model->batch;
    const std::int64_t side = model->unet.sample_size;
    const at::Tensor x = at::randn({n, model->unet.in_channels, side, side});
    const at::Tensor context = at::randn({n, model->tokens, model->unet.cross_attention_dim});
    const at::Tensor time = at::full({n}, 500.0);
    VELAMEN_ASSIGN(const auto schedule, diffusion::Schedule::create({.clip_sample = false}));
    Result<> failed;
    const auto work = [&] {
        if (!isSampling) {
            unet(x, time, context);
            return;
        }
        const nn::PackedWeights packed(*unet); // as where images are drawn; counted
        const auto drawn = diffusion::sample(
            schedule, {.steps = 20},
            [&](const at::Tensor& z, const at::Tensor& t) { return unet(z, t, context); }, x, {},
            {}, {});
        if (!drawn) failed = velamen::fail(drawn.error());
    };
    work();
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kRepeats; ++i)
        least = std::min(least, secondsOf(work));
    VELAMEN_TRY(std::move(failed));
    return answer(least);
}

Result<io::Json> benchOpen(const std::filesystem::path& checkpoint, bool touch)
{
    Result<> failed;
    const double seconds = secondsOf([&] {
        const auto component = checkpoint::open_component(checkpoint, checkpoint::Role::UNet);
        if (!component) {
            failed = velamen::fail(component.error());
            return;
        }
        const auto unet = checkpoint::load_unet(*component);
        if (!unet) {
            failed = velamen::fail(unet.error());
            return;
        }
        if (!touch) return;
        double sum = 0.0; // of one value a page, so that all of it is there
        for (const at::Tensor& parameter : (*unet)->parameters()) {
            const float* values = parameter.const_data_ptr<float>();
            for (std::int64_t i = 0; i < parameter.numel(); i += 1024)
                sum += static_cast<double>(values[i]);
        }
        if (std::isnan(sum))
            failed = velamen::fail(ErrorCode::Corrupt, "the UNet holds values that are not finite");
    });
    VELAMEN_TRY(std::move(failed));
    return answer(seconds);
}

} // namespace velamen::app
