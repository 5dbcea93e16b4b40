// SPDX-License-Identifier: GPL-3.0-or-later
//
// Noise -> guided denoising -> decoding, a batch at a time.

#include "engine/generate/render.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <new>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "engine/diffusion/sampler.h"
#include "engine/generate/noise.h"
#include "engine/nn/autoencoder/slices.h"
#include "engine/nn/conditioner/conditioner.h"
#include "engine/nn/layers/packed.h"
#include "engine/nn/unet/model.h"

namespace velamen::generate {

namespace {

// oneDNN takes other kernels for a few images than for many, which round differently (1e-6); from
// 16 on an image came out bit-equal whatever else was in the batch. Small batches are filled up to
// it where that is cheap.
constexpr std::size_t kFill = 16;
constexpr std::int64_t kCheapLatent = 1024; ///< elements of one latent

/// One batch: the class and the seed of each image.
struct Batch {
    std::vector<int> classes;
    std::vector<std::uint64_t> seeds;
};

/// ids: [N]  ->  [N, L, D], or twice as many with those of no condition behind; undefined without a
/// context.
at::Tensor contexts(const Models& models, const at::Tensor& ids, bool is_guided)
{
    const std::int64_t n = ids.size(0);
    if (models.prompts != nullptr) {
        const at::Tensor wanted = models.prompts->wanted.index_select(0, ids);
        if (!is_guided) return wanted;
        return at::cat({wanted, models.prompts->negative.expand({n, -1, -1})});
    }
    if (!is_guided) return models.conditioner.forward(ids);
    return models.conditioner.forward(
        at::cat({ids, at::full({n}, models.conditioner.null_class(), at::kLong)}));
}

Result<at::Tensor> denoise(const Models& models, const GenerationRequest& request,
                           const Batch& batch, std::stop_token stop,
                           const std::function<void(const diffusion::SamplerStep&)>& watch)
{
    const std::int64_t channels = models.scale.channels(), side = models.scale.side();
    const auto n = static_cast<std::int64_t>(batch.classes.size());
    at::Tensor ids = at::empty({n}, at::kLong);
    std::ranges::copy(batch.classes, ids.data_ptr<std::int64_t>());
    // Without a context both answers would be the same.
    const bool is_guided = request.guidance != 0.0 && models.conditioner.tokens() > 0;
    const at::Tensor context = contexts(models, ids, is_guided); // [N or 2 N, L, D]

    const diffusion::Denoiser denoiser = [&](const at::Tensor& x, const at::Tensor& t) {
        if (!is_guided) return models.unet.forward(x, t, context);
        const auto halves = models.unet.forward(at::cat({x, x}), t, context).chunk(2);
        const at::Tensor guided = halves[0] + request.guidance * (halves[0] - halves[1]);
        return request.guidance_rescale > 0.0
            ? rescaled(halves[0], guided, request.guidance_rescale)
            : guided;
    };
    const auto step_noise = [&](int step) {
        return noise(batch.seeds, 1 + static_cast<std::uint64_t>(step), channels, side);
    };
    VELAMEN_ASSIGN(const at::Tensor z,
                   diffusion::sample(
                       models.schedule,
                       {.kind = request.sampler, .steps = request.steps, .eta = request.eta},
                       denoiser, noise(batch.seeds, 0, channels, side), step_noise, stop, watch));
    return nn::decode_all(models.autoencoder, models.scale.to_autoencoder(z));
}

/// Between two drafts: short for the eye, and so long that looking takes at most a twentieth of the
/// time.
class Pause {
public:
    template <class Look>
    void look_if_over(Look look)
    {
        const auto begin = Clock::now();
        if (begin < next_) return;
        look();
        const auto end = Clock::now();
        next_ = end + std::max<Clock::duration>(std::chrono::milliseconds(200), 19 * (end - begin));
    }

private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point next_ = Clock::time_point::min();
};

/// The first `count` of x: [N, C, H, W]
std::vector<image::Image> to_images(const at::Tensor& x, std::size_t count)
{
    std::vector<image::Image> images;
    for (std::size_t i = 0; i < count; ++i)
        images.push_back(to_image(x[static_cast<std::int64_t>(i)]));
    return images;
}

} // namespace

Result<> check(const GenerationRequest& request, std::int64_t classes)
{
    const auto invalid = [](const std::string& message, const std::string& hint) {
        return fail(ErrorCode::InvalidArgument, message, hint);
    };
    for (const int index : request.classes) {
        if (index < 0 || index >= classes)
            return invalid(request.prompts.empty() ? "there is no class " + std::to_string(index)
                                   + " in this checkpoint"
                                                   : "there is no prompt " + std::to_string(index),
                           "they are 0 to " + std::to_string(classes - 1));
    }
    if (!request.seeds.empty() && request.seeds.size() != request.classes.size())
        return invalid("there are " + std::to_string(request.seeds.size()) + " seeds for "
                           + std::to_string(request.classes.size()) + " images",
                       "give one seed an image, or none");
    if (request.steps < 1 || request.steps > 1000)
        return invalid("the number of sampling steps is outside 1 to 1000", "20 is usual");
    if (!std::isfinite(request.guidance) || request.guidance < 0.0 || request.guidance > 20.0)
        return invalid("the guidance is outside 0 to 20", "0.3 is usual, 0 turns it off");
    if (!(request.guidance_rescale >= 0.0 && request.guidance_rescale <= 1.0))
        return invalid("the guidance rescale is outside 0 to 1", "0 turns it off, 0.7 is usual");
    if (!(request.eta >= 0.0 && request.eta <= 1.0))
        return invalid("eta is outside 0 to 1", "0 is usual");
    if (request.batch < 1 || request.batch > 4096)
        return invalid("the batch is outside 1 to 4096", "250 is usual");
    return {};
}

at::Tensor noise(std::span<const std::uint64_t> seeds, std::uint64_t stream, std::int64_t channels,
                 std::int64_t side)
{
    const auto each = static_cast<std::size_t>(channels * side * side);
    at::Tensor out =
        at::empty({static_cast<std::int64_t>(seeds.size()), channels, side, side}, at::kFloat);
    float* data = out.data_ptr<float>();
    for (std::size_t i = 0; i < seeds.size(); ++i)
        CounterNoise(seeds[i], stream).normals({data + i * each, each});
    return out;
}

image::Image to_image(const at::Tensor& x)
{
    const at::Tensor bytes = at::round((x.to(at::kFloat) / 2 + 0.5).clamp(0.0, 1.0) * 255.0)
                                 .permute({1, 2, 0})
                                 .to(at::kByte)
                                 .contiguous(); // [H, W, C]
    image::Image image{.width = static_cast<int>(bytes.size(1)),
                       .height = static_cast<int>(bytes.size(0)),
                       .channels = static_cast<int>(bytes.size(2)),
                       .pixels = {}};
    const std::uint8_t* data = bytes.data_ptr<std::uint8_t>();
    image.pixels.assign(data, data + bytes.numel());
    return image;
}

Result<> render(const Models& models, const GenerationRequest& request, std::stop_token stop,
                const ImageReceiver& receive, const GenerationProgress& progress,
                const DraftReceiver& draft) noexcept
try {
    const auto prompts = static_cast<std::int64_t>(request.prompts.size());
    VELAMEN_TRY(check(request, prompts > 0 ? prompts : models.conditioner.null_class()));
    const c10::InferenceMode guard;
    const nn::PackedWeights packed(models.unet);
    const bool is_cheap =
        models.scale.channels() * models.scale.side() * models.scale.side() <= kCheapLatent;
    const std::size_t total = request.classes.size();
    Pause pause;
    for (std::size_t begin = 0; begin < total; begin += static_cast<std::size_t>(request.batch)) {
        const std::size_t count = std::min(total - begin, static_cast<std::size_t>(request.batch));
        Batch batch;
        for (std::size_t i = begin; i < begin + count; ++i) {
            batch.classes.push_back(request.classes[i]);
            batch.seeds.push_back(request.seeds.empty() ? request.seed + i : request.seeds[i]);
        }
        while (is_cheap && batch.classes.size() % kFill != 0) {
            batch.classes.push_back(batch.classes.back());
            batch.seeds.push_back(batch.seeds.back());
        }

        const auto watch = [&](const diffusion::SamplerStep& step) {
            if (progress)
                progress(static_cast<double>(begin)
                             + static_cast<double>(count) * step.done / std::max(step.total, 1),
                         static_cast<double>(total));
            if (draft && models.drafts != nullptr && step.done < step.total)
                pause.look_if_over([&] {
                    draft({static_cast<std::int64_t>(begin),
                           to_images(models.drafts->decode(step.denoised()), count)});
                });
        };
        VELAMEN_ASSIGN(const at::Tensor images, denoise(models, request, batch, stop, watch));
        if (!at::isfinite(images).all().item<bool>())
            return fail(ErrorCode::Corrupt,
                        "the checkpoint made values that are not numbers instead of an image",
                        "use another checkpoint, or less guidance");
        for (std::size_t i = 0; i < count; ++i) {
            if (receive)
                receive({.index = static_cast<std::int64_t>(begin + i),
                         .class_index = batch.classes[i],
                         .seed = batch.seeds[i],
                         .image = to_image(images[static_cast<std::int64_t>(i)])});
        }
    }
    return {};
} catch (const std::bad_alloc&) {
    return fail(ErrorCode::OutOfMemory, "there is not enough memory to generate this batch",
                "choose a smaller batch");
} catch (const c10::Error& error) {
    return fail(ErrorCode::Internal,
                std::string("generating failed: ") + error.what_without_backtrace());
} catch (const std::exception& error) {
    return fail(ErrorCode::Internal, std::string("generating failed: ") + error.what());
}

} // namespace velamen::generate
