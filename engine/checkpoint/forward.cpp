// SPDX-License-Identifier: GPL-3.0-or-later
//
// Tensors in from one file, through one component, out to another file.

#include "engine/checkpoint/forward.h"

#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/opened.h"
#include "engine/checkpoint/weights.h"
#include "engine/io/safetensors.h"
#include "engine/tensor/convert.h"

namespace velamen::checkpoint {

namespace {

/// Borrowed for the call.
struct Place {
    const std::filesystem::path& path;
    const OpenOptions& options;
};

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

Result<> check_range(const at::Tensor& ids, const char* name, std::int64_t rows)
{
    if (ids.min().item<std::int64_t>() >= 0 && ids.max().item<std::int64_t>() < rows) return {};
    return fail(ErrorCode::InvalidArgument,
                std::string("the input '") + name + "' must be between 0 and "
                    + std::to_string(rows - 1));
}

/// Undefined where the UNet takes none.
Result<at::Tensor> context(const Place& from, const io::SafetensorsFile& file, std::int64_t count,
                           std::int64_t width)
{
    if (width == 0) return at::Tensor();
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
    VELAMEN_ASSIGN(const Component table,
                   open_component(from.path, Role::Conditioner, from.options));
    VELAMEN_ASSIGN(nn::ClassEmbedder classes, load_class_embedder(table));
    if (classes->dim() != width)
        return fail(ErrorCode::Corrupt, "the UNet and the class table have different widths");
    VELAMEN_TRY(check_range(labels, "class_labels", classes->rows()));
    return classes(labels);
}

Result<Outputs> run_unet(const Place& from, const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(const Component component, open_component(from.path, Role::UNet, from.options));
    VELAMEN_ASSIGN(nn::UNet unet, load_unet(component));
    const nn::UNetPlan& plan = unet->plan();
    VELAMEN_ASSIGN(const at::Tensor sample, image_like(file, "sample", plan.in_channels));
    const std::int64_t count = sample.size(0);
    if (count < 1) return fail(ErrorCode::InvalidArgument, "the input 'sample' is empty");
    VELAMEN_ASSIGN(const at::Tensor raw, input(file, "timestep", -1));
    VELAMEN_ASSIGN(const at::Tensor time, per_sample(raw.to(at::kFloat), "timestep", count));
    VELAMEN_ASSIGN(const at::Tensor tokens, context(from, file, count, plan.context_channels));
    at::Tensor labels;
    if (plan.class_rows > 0) {
        VELAMEN_ASSIGN(const at::Tensor given, input(file, "class_labels", -1));
        VELAMEN_ASSIGN(labels, per_sample(given.to(at::kLong), "class_labels", count));
        VELAMEN_TRY(check_range(labels, "class_labels", plan.class_rows));
    }
    return Outputs{{"sample", unet(sample, time, tokens, labels)}};
}

Result<std::shared_ptr<nn::Autoencoder>> open_autoencoder(const Place& from)
{
    VELAMEN_ASSIGN(const Component component,
                   open_component(from.path, Role::Autoencoder, from.options));
    return load_autoencoder(component);
}

Result<Outputs> run_encoder(const Place& from, const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(const auto autoencoder, open_autoencoder(from));
    VELAMEN_ASSIGN(const at::Tensor sample,
                   image_like(file, "sample", autoencoder->sizes().image_channels));
    const nn::Posterior posterior = autoencoder->encode(sample);
    return Outputs{{"mean", posterior.mean}, {"logvar", posterior.logvar}};
}

Result<Outputs> run_decoder(const Place& from, const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(const auto autoencoder, open_autoencoder(from));
    VELAMEN_ASSIGN(const at::Tensor latents,
                   image_like(file, "latents", autoencoder->sizes().latent_channels));
    return Outputs{{"sample", autoencoder->decode(latents)}};
}

Result<Outputs> run_text_encoder(const Place& from, const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(const Component component,
                   open_component(from.path, Role::Conditioner, from.options));
    VELAMEN_ASSIGN(const auto encoder, load_text_encoder(component));
    VELAMEN_ASSIGN(const at::Tensor raw, input(file, "input_ids", 2));
    const at::Tensor ids = raw.to(at::kLong);
    if (ids.size(0) < 1 || ids.size(1) < 1 || ids.size(1) > encoder->max_tokens())
        return fail(ErrorCode::InvalidArgument,
                    "the input 'input_ids' needs the shape [prompts, 1 to "
                        + std::to_string(encoder->max_tokens()) + "]");
    VELAMEN_TRY(check_range(ids, "input_ids", encoder->vocabulary_size()));
    return Outputs{{"last_hidden_state", encoder->encode(ids)}};
}

Result<Outputs> run(const Place& from, const std::string& component,
                    const io::SafetensorsFile& file)
{
    if (component == "unet") return run_unet(from, file);
    if (component == "vae_encoder") return run_encoder(from, file);
    if (component == "vae_decoder") return run_decoder(from, file);
    if (component == "text_encoder") return run_text_encoder(from, file);
    return fail(ErrorCode::InvalidArgument, "there is no component '" + component + "'",
                "choose unet, vae_encoder, vae_decoder or text_encoder");
}

} // namespace

Result<> forward_component(const std::filesystem::path& folder, const std::string& component,
                           const std::filesystem::path& inputs,
                           const std::filesystem::path& outputs, const OpenOptions& options)
{
    return guarded("running " + component, [&]() -> Result<> {
        const at::NoGradGuard no_grad;
        VELAMEN_ASSIGN(const io::SafetensorsFile file, io::SafetensorsFile::open(inputs));
        VELAMEN_ASSIGN(Outputs results, run({folder, options}, component, file));
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
