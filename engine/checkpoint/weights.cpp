// SPDX-License-Identifier: GPL-3.0-or-later
//
// Strict loading and plain writing of one component's weights.

#include "engine/checkpoint/weights.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "engine/checkpoint/complaint.h"
#include "engine/io/mapped_file.h"
#include "engine/io/safetensors.h"
#include "engine/nn/autoencoder/any_config.h"
#include "engine/nn/conditioner/any_config.h"
#include "engine/nn/layers/initial_values.h"
#include "engine/nn/unet/any_config.h"
#include "engine/nn/unet/shapes.h"
#include "engine/tensor/convert.h"

namespace velamen::checkpoint {

namespace {

bool is_finite(const at::Tensor& tensor)
{
    if (tensor.numel() == 0) return true;
    const auto [low, high] = at::aminmax(tensor);
    return std::isfinite(low.item<float>()) && std::isfinite(high.item<float>());
}

struct Complaints {
    std::vector<std::string> missing, extra, misshapen, foreign, broken;

    Result<> result(const std::string& component) const
    {
        std::string text;
        add_complaint(text, missing, "missing");
        add_complaint(text, extra, "unexpected");
        add_complaint(text, misshapen, "misshapen");
        add_complaint(text, foreign, "not floating point");
        add_complaint(text, broken, "with values that are not finite");
        if (text.empty()) return {};
        return fail(ErrorCode::Corrupt,
                    "the tensors of " + component + " do not fit its config: " + text,
                    "weights and config.json must come from the same model");
    }
};

/// Calls `take` with every parameter and the stored tensor that fits it by name, shape and kind.
template <class Take>
Complaints match(const torch::nn::Module& module, const StoredTensors& tensors, Take take)
{
    Complaints out;
    const auto parameters = module.named_parameters();
    for (const StoredTensor& stored : tensors.all())
        if (parameters.find(stored.name) == nullptr) out.extra.push_back(stored.name);
    for (const auto& item : parameters) {
        const StoredTensor* stored = tensors.find(item.key());
        if (stored == nullptr)
            out.missing.push_back(item.key());
        else if (item.value().sizes() != at::IntArrayRef(stored->shape))
            out.misshapen.push_back(item.key() + " " + to_text(stored->shape) + " instead of "
                                    + to_text(item.value().sizes().vec()));
        else if (!at::isFloatingType(tensor::scalar_type_of(stored->dtype)))
            out.foreign.push_back(item.key());
        else
            take(item.key(), item.value(), *stored, out);
    }
    return out;
}

/// The tensor where it lies, when it is fp32 and aligned: nothing is read, and nothing of the file
/// changes when it is written. Else undefined.
at::Tensor in_place(const StoredTensors& tensors, const StoredTensor& stored)
{
    if (stored.dtype != DType::F32) return {};
    const std::shared_ptr<std::byte> own = tensors.own(stored);
    if (!own || reinterpret_cast<std::uintptr_t>(own.get()) % alignof(float) != 0) return {};
    // A convolution lays its weights out anew and drops these.
    const std::size_t size =
        static_cast<std::size_t>(nn::element_count(stored.shape)) * sizeof(float);
    const auto drop = [own, size](void*) { io::forget_pages(own.get(), size); };
    return at::from_blob(own.get(), stored.shape, drop, at::kFloat);
}

Result<> finish(torch::nn::Module& module, const Component& component, const Wanted& wanted = {})
{
    VELAMEN_TRY(fill(module, component.tensors, component.name, wanted));
    module.eval();
    for (at::Tensor& parameter : module.parameters())
        parameter.set_requires_grad(false);
    return {};
}

} // namespace

Result<> fill(torch::nn::Module& module, const StoredTensors& tensors, const std::string& component,
              const Wanted& wanted)
{
    const at::NoGradGuard no_grad;
    std::vector<std::byte> buffer;
    const auto take = [&](const std::string& key, at::Tensor parameter, const StoredTensor& stored,
                          Complaints&) {
        if (wanted && !wanted(component + "/" + key)) return;
        if (const at::Tensor own = in_place(tensors, stored); own.defined()) {
            parameter.set_data(own);
            return;
        }
        const auto bytes = tensors.bytes(stored, buffer);
        parameter.set_data(tensor::borrowed(stored.dtype, stored.shape, bytes)
                               .to(at::kFloat, /*non_blocking=*/false, /*copy=*/true));
        tensors.file()->give_back(bytes); // or a large file would lie in memory beside its copy
    };
    return match(module, tensors, take).result(component);
}

Result<> fill_again(torch::nn::Module& module, const StoredTensors& tensors,
                    const std::string& component)
{
    for (const auto& item : module.named_parameters())
        if (const StoredTensor* stored = tensors.find(item.key())) {
            at::Tensor parameter = item.value();
            parameter.set_data(at::empty(stored->shape, parameter.options()));
        }
    return fill(module, tensors, component);
}

Result<> check_values(const torch::nn::Module& module, const std::string& component)
{
    const at::NoGradGuard no_grad;
    Complaints out;
    for (const auto& item : module.named_parameters())
        if (!is_finite(item.value())) out.broken.push_back(item.key());
    return out.result(component);
}

Result<> check_names(const torch::nn::Module& module, const StoredTensors& tensors,
                     const std::string& component)
{
    const auto nothing = [](const auto&...) {};
    return match(module, tensors, nothing).result(component);
}

Result<std::shared_ptr<torch::nn::Module>> make_module(const Component& component, Role role)
{
    const nn::WithoutInitialValues guard;
    if (role == Role::UNet) {
        VELAMEN_ASSIGN(const auto config, nn::UNetConfig::from_json(component.config));
        return nn::UNet(config.plan()).ptr();
    }
    if (role == Role::Autoencoder) {
        VELAMEN_ASSIGN(const auto config, nn::AutoencoderConfig::from_json(component.config));
        return config.make();
    }
    VELAMEN_ASSIGN(const auto config,
                   nn::ConditionerConfig::from_json(component.kind, component.config));
    if (config.is_text()) return config.make_encoder();
    return config.make_table();
}

Result<nn::UNet> load_unet(const Component& component, const Wanted& wanted)
{
    VELAMEN_ASSIGN(const auto module, make_module(component, Role::UNet));
    VELAMEN_TRY(finish(*module, component, wanted));
    return nn::UNet(std::dynamic_pointer_cast<nn::UNetImpl>(module));
}

Result<std::shared_ptr<nn::Autoencoder>> load_autoencoder(const Component& component,
                                                          const Wanted& wanted)
{
    VELAMEN_ASSIGN(const auto module, make_module(component, Role::Autoencoder));
    VELAMEN_TRY(finish(*module, component, wanted));
    return std::dynamic_pointer_cast<nn::Autoencoder>(module);
}

Result<nn::ClassEmbedder> load_class_embedder(const Component& component)
{
    VELAMEN_ASSIGN(const auto module, make_module(component, Role::Conditioner));
    auto table = std::dynamic_pointer_cast<nn::ClassEmbedderImpl>(module);
    if (!table)
        return fail(ErrorCode::Unsupported,
                    "the conditioner is a " + component.kind + ", not a class table",
                    "choose a class-conditional checkpoint");
    VELAMEN_TRY(finish(*table, component));
    return nn::ClassEmbedder(std::move(table));
}

Result<std::shared_ptr<nn::TextEncoder>> load_text_encoder(const Component& component,
                                                           const Wanted& wanted)
{
    VELAMEN_ASSIGN(const auto module, make_module(component, Role::Conditioner));
    auto encoder = std::dynamic_pointer_cast<nn::TextEncoder>(module);
    if (!encoder)
        return fail(ErrorCode::Unsupported,
                    "the conditioner is a " + component.kind + ", not a text encoder",
                    "choose a text-conditional checkpoint");
    VELAMEN_TRY(finish(*encoder, component, wanted));
    return encoder;
}

Result<nn::AutoencoderTiny> load_tiny_autoencoder(const Component& component)
{
    if (component.kind != "AutoencoderTiny")
        return fail(ErrorCode::Unsupported,
                    component.name + " is a " + component.kind + ", not an AutoencoderTiny",
                    "put a tiny autoencoder there, or take the folder away");
    VELAMEN_ASSIGN(const auto config, nn::AutoencoderTinyConfig::from_json(component.config));
    const nn::WithoutInitialValues guard;
    nn::AutoencoderTiny tiny(config);
    VELAMEN_TRY(finish(*tiny, component));
    VELAMEN_TRY(check_values(*tiny, component.name));
    return tiny;
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
