// SPDX-License-Identifier: GPL-3.0-or-later
//
// Tensors in from one file, through one component, out to another file.

#include "engine/checkpoint/forward.h"

#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/weights.h"
#include "engine/tensor/convert.h"

namespace velamen::checkpoint {

namespace {

using Outputs = std::vector<std::pair<std::string, at::Tensor>>;

Result<at::Tensor> input(const io::SafetensorsFile& file, const char* name, std::int64_t dimensions)
{
    const io::TensorView* view = file.find(name);
    if (view == nullptr)
        return fail(ErrorCode::NotFound, std::string("the inputs have no tensor '") + name + "'");
    if (dimensions >= 0 && static_cast<std::int64_t>(view->shape.size()) != dimensions)
        return fail(ErrorCode::InvalidArgument,
                    std::string("the input '") + name + "' needs " + std::to_string(dimensions)
                        + " dimensions");
    return tensor::to_tensor(view->dtype, view->shape, view->bytes);
}

Result<at::Tensor> image_like(const io::SafetensorsFile& file, const char* name,
                              std::int64_t channels)
{
    VELAMEN_ASSIGN(const at::Tensor raw, input(file, name, 4));
    if (raw.size(1) != channels)
        return fail(ErrorCode::InvalidArgument,
                    std::string("the input '") + name + "' needs " + std::to_string(channels)
                        + " channels");
    return raw.to(at::kFloat);
}

/// One value for all samples, or one per sample.
Result<at::Tensor> per_sample(const at::Tensor& raw, const char* name, std::int64_t count)
{
    const at::Tensor flat = raw.reshape({-1});
    if (flat.size(0) != 1 && flat.size(0) != count)
        return fail(ErrorCode::InvalidArgument,
                    std::string("the input '") + name + "' needs one value, or one per sample");
    return flat.expand({count});
}

Result<at::Tensor> context(const std::filesystem::path& folder, const io::SafetensorsFile& file,
                           std::int64_t count, std::int64_t width)
{
    if (file.find("encoder_hidden_states") != nullptr) {
        VELAMEN_ASSIGN(const at::Tensor raw, input(file, "encoder_hidden_states", 3));
        if (raw.size(0) != count || raw.size(1) < 1 || raw.size(2) != width)
            return fail(ErrorCode::InvalidArgument,
                        "the input 'encoder_hidden_states' needs the shape ["
                            + std::to_string(count) + ", tokens, " + std::to_string(width) + "]");
        return raw.to(at::kFloat);
    }
    VELAMEN_ASSIGN(const at::Tensor raw, input(file, "class_labels", -1));
    VELAMEN_ASSIGN(const at::Tensor labels, per_sample(raw.to(at::kLong), "class_labels", count));
    VELAMEN_ASSIGN(const io::SafetensorsFile weights, open_weights(folder, kClassEmbedder));
    VELAMEN_ASSIGN(nn::ClassEmbedder classes, load_class_embedder(folder, weights));
    if (classes->dim() != width)
        return fail(ErrorCode::Corrupt, "the UNet and the class table have different widths");
    if (labels.min().item<std::int64_t>() < 0
        || labels.max().item<std::int64_t>() >= classes->rows())
        return fail(ErrorCode::InvalidArgument,
                    "class_labels must be between 0 and " + std::to_string(classes->rows() - 1));
    return classes(labels);
}

Result<Outputs> run_unet(const std::filesystem::path& folder, const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(const io::SafetensorsFile weights, open_weights(folder, kUNet));
    VELAMEN_ASSIGN(nn::UNet2DCondition unet, load_unet(folder, weights));
    VELAMEN_ASSIGN(const at::Tensor sample, image_like(file, "sample", unet->config().in_channels));
    if (sample.size(0) < 1) return fail(ErrorCode::InvalidArgument, "the input 'sample' is empty");
    VELAMEN_ASSIGN(const at::Tensor raw, input(file, "timestep", -1));
    VELAMEN_ASSIGN(const at::Tensor time,
                   per_sample(raw.to(at::kFloat), "timestep", sample.size(0)));
    VELAMEN_ASSIGN(const at::Tensor tokens,
                   context(folder, file, sample.size(0), unet->config().cross_attention_dim));
    return Outputs{{"sample", unet(sample, time, tokens)}};
}

Result<nn::AutoencoderKL> open_autoencoder(const std::filesystem::path& folder)
{
    VELAMEN_ASSIGN(const io::SafetensorsFile weights, open_weights(folder, kAutoencoder));
    return load_autoencoder(folder, weights);
}

Result<Outputs> run_encoder(const std::filesystem::path& folder, const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(nn::AutoencoderKL vae, open_autoencoder(folder));
    VELAMEN_ASSIGN(const at::Tensor sample, image_like(file, "sample", vae->config().in_channels));
    const nn::Posterior posterior = vae->encode(sample);
    return Outputs{{"mean", posterior.mean}, {"logvar", posterior.logvar}};
}

Result<Outputs> run_decoder(const std::filesystem::path& folder, const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(nn::AutoencoderKL vae, open_autoencoder(folder));
    VELAMEN_ASSIGN(const at::Tensor latents,
                   image_like(file, "latents", vae->config().latent_channels));
    return Outputs{{"sample", vae->decode(latents)}};
}

Result<Outputs> run(const std::filesystem::path& folder, const std::string& component,
                    const io::SafetensorsFile& file)
{
    if (component == "unet") return run_unet(folder, file);
    if (component == "vae_encoder") return run_encoder(folder, file);
    if (component == "vae_decoder") return run_decoder(folder, file);
    return fail(ErrorCode::InvalidArgument, "there is no component '" + component + "'",
                "choose unet, vae_encoder or vae_decoder");
}

} // namespace

Result<> forward_component(const std::filesystem::path& folder, const std::string& component,
                           const std::filesystem::path& inputs,
                           const std::filesystem::path& outputs)
{
    return guarded("running " + component, [&]() -> Result<> {
        const at::NoGradGuard no_grad;
        VELAMEN_ASSIGN(const io::SafetensorsFile file, io::SafetensorsFile::open(inputs));
        VELAMEN_ASSIGN(Outputs results, run(folder, component, file));
        std::vector<io::TensorView> views;
        for (auto& [name, value] : results) {
            value = value.to(at::kFloat).contiguous();
            views.push_back({.name = name,
                             .dtype = DType::F32,
                             .shape = tensor::shape_of(value),
                             .bytes = tensor::bytes_of(value)});
        }
        return io::write_safetensors(outputs, views);
    });
}

} // namespace velamen::checkpoint
