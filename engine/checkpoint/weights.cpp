// SPDX-License-Identifier: GPL-3.0-or-later
//
// Strict loading and plain writing of one part's weights.

#include "engine/checkpoint/weights.h"

#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "engine/checkpoint/complaint.h"
#include "engine/tensor/convert.h"

namespace velamen::checkpoint {

namespace {

bool is_finite(const at::Tensor& tensor)
{
    if (tensor.numel() == 0) return true;
    const auto [low, high] = at::aminmax(tensor);
    return std::isfinite(low.item<float>()) && std::isfinite(high.item<float>());
}

template <class Holder>
Result<Holder> finished(Holder module, const io::SafetensorsFile& file, const char* part)
{
    VELAMEN_TRY(fill(*module, file, part));
    module->eval();
    for (at::Tensor& parameter : module->parameters())
        parameter.set_requires_grad(false);
    return module;
}

} // namespace

Result<> fill(torch::nn::Module& module, const io::SafetensorsFile& file, const std::string& part)
{
    const at::NoGradGuard no_grad;
    std::vector<std::string> missing, extra, misshapen, foreign, broken;
    const auto parameters = module.named_parameters();
    for (const io::TensorView& stored : file.tensors())
        if (parameters.find(stored.name) == nullptr) extra.push_back(stored.name);
    for (const auto& item : parameters) {
        const io::TensorView* stored = file.find(item.key());
        if (stored == nullptr) {
            missing.push_back(item.key());
            continue;
        }
        at::Tensor parameter = item.value();
        if (parameter.sizes() != at::IntArrayRef(stored->shape)) {
            misshapen.push_back(item.key() + " " + to_text(stored->shape) + " instead of "
                                + to_text(parameter.sizes().vec()));
            continue;
        }
        if (!at::isFloatingType(tensor::scalar_type_of(stored->dtype))) {
            foreign.push_back(item.key());
            continue;
        }
        parameter.copy_(tensor::to_tensor(stored->dtype, stored->shape, stored->bytes));
        if (!is_finite(parameter)) broken.push_back(item.key());
    }
    std::string text;
    add_complaint(text, missing, "missing");
    add_complaint(text, extra, "unexpected");
    add_complaint(text, misshapen, "misshapen");
    add_complaint(text, foreign, "not floating point");
    add_complaint(text, broken, "with values that are not finite");
    if (!text.empty())
        return fail(ErrorCode::Corrupt,
                    "the tensors of " + part + " do not fit its config: " + text,
                    "weights and config.json must come from the same model");
    return {};
}

Result<nn::UNet2DCondition> load_unet(const std::filesystem::path& folder,
                                      const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(const io::Json json, read_config(folder, kUNet));
    VELAMEN_ASSIGN(const auto config, nn::UNet2DConditionConfig::from_json(json));
    return finished(nn::UNet2DCondition(config), file, kUNet.name);
}

Result<nn::AutoencoderKL> load_autoencoder(const std::filesystem::path& folder,
                                           const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(const io::Json json, read_config(folder, kAutoencoder));
    VELAMEN_ASSIGN(const auto config, nn::AutoencoderKLConfig::from_json(json));
    return finished(nn::AutoencoderKL(config), file, kAutoencoder.name);
}

Result<nn::ClassEmbedder> load_class_embedder(const std::filesystem::path& folder,
                                              const io::SafetensorsFile& file)
{
    VELAMEN_ASSIGN(const io::Json json, read_config(folder, kClassEmbedder));
    VELAMEN_ASSIGN(const auto config, nn::ClassEmbedderConfig::from_json(json));
    return finished(nn::ClassEmbedder(config.rows, config.dim), file, kClassEmbedder.name);
}

Result<at::Tensor> converted(const std::string& name, const at::Tensor& tensor, DType dtype)
{
    const at::NoGradGuard no_grad;
    const at::Tensor out = tensor.detach().cpu().to(tensor::scalar_type_of(dtype)).contiguous();
    if (!is_finite(out))
        return fail(ErrorCode::Unsupported,
                    "the tensor " + name + " has values that do not fit "
                        + std::string(velamen::name_of(dtype)),
                    "store the checkpoint as F32, or train with a lower learning rate");
    return out;
}

Result<> write_weights(const std::filesystem::path& path, const torch::nn::Module& module,
                       DType dtype)
{
    std::vector<at::Tensor> kept;
    std::vector<io::TensorView> views;
    for (const auto& item : module.named_parameters()) {
        VELAMEN_ASSIGN(at::Tensor stored, converted(item.key(), item.value(), dtype));
        views.push_back({.name = item.key(),
                         .dtype = dtype,
                         .shape = tensor::shape_of(stored),
                         .bytes = tensor::bytes_of(stored)});
        kept.push_back(std::move(stored));
    }
    return io::write_safetensors(path, views, {{"format", "pt"}});
}

} // namespace velamen::checkpoint
