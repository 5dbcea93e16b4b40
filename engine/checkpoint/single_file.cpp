// SPDX-License-Identifier: GPL-3.0-or-later
//
// Opening single files of CompVis's naming.

#include "engine/checkpoint/single_file.h"

#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "engine/keymap/single_file.h"
#include "engine/tensor/convert.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

namespace {

/// fp64, flat.
at::Tensor values_of(const io::TensorFile& file, std::size_t index)
{
    std::vector<std::byte> buffer;
    const auto& [name, dtype, shape] = file.tensors()[index];
    return tensor::to_tensor(dtype, shape, file.bytes(index, buffer)).to(at::kDouble).flatten();
}

Result<keymap::SingleFileOptions> told(const OpenOptions& options, const io::TensorFile& file)
{
    keymap::SingleFileOptions out{.heads = options.heads,
                                  .head_channels = options.head_channels,
                                  .text_heads = options.text_heads};
    out.ema = options.ema == OpenOptions::Ema::Require ? keymap::EmaChoice::Require
        : options.ema == OpenOptions::Ema::Ignore      ? keymap::EmaChoice::Ignore
                                                       : keymap::EmaChoice::Prefer;
    if (options.prediction == "eps") out.prediction = keymap::Prediction::Epsilon;
    if (options.prediction == "v") out.prediction = keymap::Prediction::VPrediction;
    if (options.prediction == "sample") out.prediction = keymap::Prediction::Sample;
    if (const auto step = file.numbers().find("global_step"); step != file.numbers().end())
        out.global_step = step->second;
    if (options.betas.size() == 2) {
        out.betas = keymap::Betas{options.betas[0], options.betas[1]};
    } else if (const std::size_t at = file.find("betas"); at < file.tensors().size()) {
        const at::Tensor betas = values_of(file, at);
        if (betas.numel() < 2) return out;
        out.betas = keymap::Betas{betas[0].item<double>(), betas[-1].item<double>()};
        const at::Tensor expected = scaled_linear(out.betas->start, out.betas->end, betas.numel());
        if (!at::allclose(betas, expected, 1e-4, 1e-8))
            return fail(ErrorCode::Unsupported,
                        "the noise schedule in the file (betas) is not scaled-linear, the only one "
                        "that is known of single files",
                        "convert it to a diffusers folder with the program that made it");
    }
    return out;
}

Component to_component(const keymap::Component& mapped,
                       const std::shared_ptr<const io::TensorFile>& file)
{
    const std::string kind = class_of(mapped.config);
    return {mapped.name, kind, mapped.config,
            StoredTensors(file, in_our_names(kind, mapped.tensors)), /*owns_file=*/false};
}

Role role_of(const keymap::Component& mapped)
{
    if (mapped.name == "unet") return Role::UNet;
    return mapped.name == "vae" || mapped.name == "vqvae" ? Role::Autoencoder : Role::Conditioner;
}

} // namespace

at::Tensor scaled_linear(double first, double last, std::int64_t steps)
{
    return at::linspace(std::sqrt(first), std::sqrt(last), steps, at::kDouble).square();
}

Result<Opened> open_single_file(const fs::path& path, const OpenOptions& options)
{
    VELAMEN_ASSIGN(const auto file, io::TensorFile::open(path));
    VELAMEN_ASSIGN(const auto known, told(options, *file));
    VELAMEN_ASSIGN(keymap::SingleFile single, keymap::from_compvis(file->tensors(), known));
    Opened out;
    out.path = path;
    out.card.name = path.stem().string();
    out.notes = single.notes;
    for (const keymap::Component& one : single.components) {
        const Role role = role_of(one);
        auto& at = role == Role::UNet   ? out.unet
            : role == Role::Autoencoder ? out.autoencoder
                                        : out.conditioner;
        at = to_component(one, file);
    }
    if (!out.unet)
        return fail(ErrorCode::Unsupported,
                    path.filename().string() + " holds no UNet: it is not a checkpoint by itself",
                    "give the checkpoint that it belongs to");
    out.scheduler = std::move(single.scheduler);
    if (!out.autoencoder && options.autoencoder.empty())
        out.problems.push_back({ErrorCode::Incomplete,
                                "there is no autoencoder in " + path.filename().string()
                                    + " (no first_stage_model.* tensors: a pruned file)",
                                kTakeAutoencoder});
    if (!out.conditioner && !is_unconditional(*out.unet))
        out.problems.push_back({ErrorCode::NotFound,
                                "there is no text encoder or class table in "
                                    + path.filename().string() + " (no cond_stage_model.* tensors)",
                                "use a file that has all its parts"});
    if (single.scale_factor) {
        const double scale = values_of(*file, *single.scale_factor)[0].item<double>();
        const std::int64_t channels = out.unet->config.integer_or("in_channels", 4).value_or(4);
        if (!(std::isfinite(scale) && scale > 0.0))
            return fail(ErrorCode::Corrupt,
                        path.filename().string() + ": scale_factor is not a positive number",
                        "use another copy of the file");
        out.card.latent_mean.assign(static_cast<std::size_t>(channels), 0.0);
        out.card.latent_std.assign(static_cast<std::size_t>(channels), 1.0 / scale);
    }
    return out;
}

Result<Component> open_part_of_file(const fs::path& path, Role role, const OpenOptions& options)
{
    VELAMEN_ASSIGN(const auto file, io::TensorFile::open(path));
    VELAMEN_ASSIGN(const auto known, told(options, *file));
    VELAMEN_ASSIGN(const keymap::SingleFile single, keymap::from_compvis(file->tensors(), known));
    for (const keymap::Component& one : single.components)
        if (role_of(one) == role) return to_component(one, file);
    const char* const what = role == Role::UNet ? "UNet"
        : role == Role::Autoencoder             ? "autoencoder"
                                                : "text encoder or class table";
    return fail(ErrorCode::NotFound,
                "there is no " + std::string(what) + " in " + path.filename().string(),
                "give a file or folder that has one");
}

} // namespace velamen::checkpoint
