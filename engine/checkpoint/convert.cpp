// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/checkpoint/convert.h"

#include <algorithm>
#include <deque>

#include <ATen/ATen.h>

#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/misfits.h"
#include "engine/checkpoint/opened.h"
#include "engine/checkpoint/rewrite.h"
#include "engine/checkpoint/single_file.h"
#include "engine/checkpoint/weights.h"
#include "engine/diffusion/schedule.h"
#include "engine/io/safetensors.h"
#include "engine/keymap/single_file.h"
#include "engine/tensor/convert.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

namespace {

/// A tensor of one of several components, counted through all of them.
struct Source {
    const Component* component;
    const StoredTensor* tensor;
};

/// The bytes of a tensor that is made of rows of `sources`.
std::vector<std::byte> gathered(const keymap::Mapped& mapped, const std::vector<Source>& sources)
{
    std::vector<std::byte> out, buffer;
    for (const keymap::Piece& piece : mapped.pieces) {
        const auto& [component, tensor] = sources[piece.source];
        const auto part = rows_of(component->tensors.bytes(*tensor, buffer), tensor->shape,
                                  piece.first, piece.rows);
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

/// The noise schedule, fp32 [T], as CompVis's files hold it.
Result<at::Tensor> betas_of(const Opened& opened)
{
    VELAMEN_ASSIGN(const auto schedule, diffusion::Schedule::from_json(opened.scheduler));
    const diffusion::ScheduleOptions& o = schedule.options();
    if (o.beta_schedule != diffusion::BetaSchedule::ScaledLinear || o.rescale_betas_zero_snr)
        return fail(ErrorCode::Unsupported,
                    "the noise schedule of this checkpoint is not scaled-linear, the only one that "
                    "readers of single files expect",
                    "keep it as a folder");
    return scaled_linear(o.beta_start, o.beta_end, o.num_train_timesteps).to(at::kFloat);
}

/// The number that CompVis multiplies latents with; undefined where the config has it. Unsupported
/// when latents are scaled by more than one number.
Result<at::Tensor> scale_factor_of(const Card& card)
{
    if (card.latent_std.empty()) return at::Tensor();
    const bool is_one_number =
        std::ranges::all_of(card.latent_mean, [](double mean) { return mean == 0.0; })
        && std::ranges::all_of(card.latent_std,
                               [&](double std) { return std == card.latent_std.front(); });
    if (!is_one_number)
        return fail(ErrorCode::Unsupported,
                    "this checkpoint scales each latent by numbers of its own, for which single "
                    "files have no place",
                    "keep it as a folder");
    return at::scalar_tensor(1.0 / card.latent_std.front(), at::kFloat);
}

Result<> write_single_file(const ConvertRequest& request, const Opened& opened,
                           const std::stop_token& stop)
{
    std::vector<keymap::StoredComponent> components;
    std::vector<Source> sources;
    for (const Role role : kRoles) {
        const auto& component = opened.of(role);
        if (!component) continue;
        keymap::StoredComponent one{component->config, {}};
        for (const StoredTensor& tensor : component->tensors.all()) {
            one.tensors.push_back({tensor.name, tensor.dtype, tensor.shape});
            sources.push_back({&*component, &tensor});
        }
        components.push_back(std::move(one));
    }
    VELAMEN_ASSIGN(const auto mapped, keymap::to_compvis(components));
    std::deque<std::vector<std::byte>> buffers;
    std::vector<at::Tensor> kept;
    std::vector<io::TensorView> views;
    for (const keymap::Mapped& one : mapped) {
        VELAMEN_TRY(unless_stopped(stop));
        std::span<const std::byte> bytes = buffers.emplace_back(gathered(one, sources));
        const DType dtype = request.dtype.value_or(one.dtype);
        if (dtype != one.dtype) {
            VELAMEN_ASSIGN(
                at::Tensor stored,
                converted(one.name, tensor::borrowed(one.dtype, one.shape, bytes), dtype));
            bytes = tensor::bytes_of(stored);
            kept.push_back(std::move(stored));
            buffers.pop_back();
        }
        views.push_back({one.name, dtype, one.shape, bytes});
    }
    VELAMEN_ASSIGN(at::Tensor betas, betas_of(opened));
    VELAMEN_ASSIGN(at::Tensor scale, scale_factor_of(opened.card));
    for (auto& [name, value] : {std::pair("betas", betas), std::pair("scale_factor", scale)})
        if (value.defined()) {
            views.push_back({name, DType::F32, tensor::shape_of(value), tensor::bytes_of(value)});
            kept.push_back(value);
        }
    return io::write_safetensors(request.to, views, {{"format", "pt"}},
                                 [&](const io::TensorView&) { return unless_stopped(stop); });
}

Result<> write_folder(const ConvertRequest& request, const Opened& opened,
                      const std::stop_token& stop)
{
    std::error_code ignored;
    if (fs::equivalent(request.from, request.to, ignored))
        return fail(ErrorCode::Refused, "a checkpoint cannot be converted into its own place",
                    "choose another folder");
    return replace_folder(request.to, [&](const fs::path& aside) -> Result<> {
        std::vector<Rewrite> rewrites;
        for (const Role role : kRoles) {
            const auto& component = opened.of(role);
            const bool is_from_elsewhere =
                role == Role::Autoencoder && !request.options.autoencoder.empty();
            if (component && (request.dtype || is_from_elsewhere))
                rewrites.push_back(
                    {.component = *component, .dtype = request.dtype, .config = component->config});
        }
        VELAMEN_TRY(write_again(aside, opened, rewrites, opened.card, stop));
        return unless_stopped(stop); // the last moment at which nothing has happened
    });
}

} // namespace

Result<std::vector<std::string>> convert(const ConvertRequest& request, const std::stop_token& stop)
{
    return guarded(
        "converting " + request.from.string(), [&]() -> Result<std::vector<std::string>> {
            VELAMEN_ASSIGN(const Opened opened, open_usable(request.from, request.options));
            for (const Role role : kRoles)
                if (const auto& component = opened.of(role)) {
                    VELAMEN_ASSIGN(const auto module, make_module(*component, role));
                    VELAMEN_TRY(check_names(*module, component->tensors, component->name));
                }
            VELAMEN_TRY(request.to.extension() == ".safetensors"
                            ? write_single_file(request, opened, stop)
                            : write_folder(request, opened, stop));
            return opened.notes;
        });
}

} // namespace velamen::checkpoint
