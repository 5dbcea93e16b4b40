// SPDX-License-Identifier: GPL-3.0-or-later
//
// Loading and saving a checkpoint as a whole.

#include "engine/checkpoint/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/card.h"
#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/tensors.h"
#include "engine/checkpoint/weights.h"
#include "engine/core/file.h"
#include "engine/diffusion/schedule.h"
#include "engine/tensor/convert.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

struct Checkpoint::State {
    fs::path folder;
    Card card;
    io::SafetensorsFile unet_file; // stay open: saving copies frozen tensors from here
    io::SafetensorsFile class_file;
    nn::UNet2DCondition unet;
    nn::AutoencoderKL vae;
    nn::ClassEmbedder classes;
    diffusion::Schedule schedule;
    std::vector<std::string> public_classes;
    at::Tensor public_table; // [rows, D], as loaded; the null row is the last
    bool has_new_classes = false;
};

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::~Checkpoint() = default;

nn::UNet2DConditionImpl& Checkpoint::unet() { return *state_->unet; }

nn::AutoencoderKLImpl& Checkpoint::autoencoder() { return *state_->vae; }

nn::ClassEmbedderImpl& Checkpoint::class_embedder() { return *state_->classes; }

const diffusion::Schedule& Checkpoint::schedule() const { return state_->schedule; }

const Card& Checkpoint::card() const { return state_->card; }

const fs::path& Checkpoint::folder() const { return state_->folder; }

const std::vector<std::string>& Checkpoint::public_classes() const
{
    return state_->public_classes;
}

std::vector<std::pair<std::string, at::Tensor>> named_tensors(Checkpoint& checkpoint)
{
    std::vector<std::pair<std::string, at::Tensor>> out;
    for (const auto& item : checkpoint.unet().named_parameters())
        out.emplace_back(std::string(kUNetPrefix) + item.key(), item.value());
    for (const auto& item : checkpoint.class_embedder().named_parameters())
        out.emplace_back(std::string(kEmbedderPrefix) + item.key(), item.value());
    return out;
}

namespace {

/// Without statistics of its own, a checkpoint scales latents as diffusers does.
void complete_latent_scale(Card& card, const nn::AutoencoderKLConfig& vae)
{
    if (!card.latent_mean.empty() || !(vae.scaling_factor > 0.0)) return;
    const auto channels = static_cast<std::size_t>(vae.latent_channels);
    card.latent_mean.assign(channels, 0.0);
    card.latent_std.assign(channels, 1.0 / vae.scaling_factor);
}

} // namespace

Result<std::unique_ptr<Checkpoint>> Checkpoint::load(const fs::path& folder)
{
    return guarded("loading " + folder.string(), [&]() -> Result<std::unique_ptr<Checkpoint>> {
        std::error_code ignored;
        if (!fs::is_directory(folder, ignored))
            return fail(ErrorCode::NotFound, "there is no checkpoint folder " + folder.string());
        VELAMEN_ASSIGN(const io::Json card_json, read_json(folder / kCardFile));
        VELAMEN_ASSIGN(Card card, card_from_json(card_json));
        VELAMEN_ASSIGN(const io::Json schedule_json, read_json(folder / kScheduleFile));
        VELAMEN_ASSIGN(diffusion::Schedule schedule, diffusion::Schedule::from_json(schedule_json));
        VELAMEN_ASSIGN(io::SafetensorsFile unet_file, open_weights(folder, kUNet));
        VELAMEN_ASSIGN(io::SafetensorsFile vae_file, open_weights(folder, kAutoencoder));
        VELAMEN_ASSIGN(io::SafetensorsFile class_file, open_weights(folder, kClassEmbedder));
        VELAMEN_ASSIGN(nn::UNet2DCondition unet, load_unet(folder, unet_file));
        VELAMEN_ASSIGN(nn::AutoencoderKL vae, load_autoencoder(folder, vae_file));
        VELAMEN_ASSIGN(nn::ClassEmbedder classes, load_class_embedder(folder, class_file));

        const auto& config = unet->config();
        if (config.in_channels != vae->config().latent_channels)
            return fail(ErrorCode::Corrupt,
                        "the UNet and the autoencoder of " + folder.string()
                            + " have different numbers of latent channels");
        if (config.cross_attention_dim != classes->dim())
            return fail(ErrorCode::Corrupt,
                        "the UNet and the class table of " + folder.string()
                            + " have different widths");
        const auto problems =
            card_problems(card, classes->rows(), config.in_channels, config.sample_size);
        if (!problems.empty()) return fail(ErrorCode::Corrupt, problems.front());
        complete_latent_scale(card, vae->config());
        const at::Tensor table = classes->parameters().front().detach().clone();
        const std::vector<std::string> names = card.classes;
        return std::unique_ptr<Checkpoint>(
            new Checkpoint(std::make_unique<State>(State{.folder = folder,
                                                         .card = std::move(card),
                                                         .unet_file = std::move(unet_file),
                                                         .class_file = std::move(class_file),
                                                         .unet = std::move(unet),
                                                         .vae = std::move(vae),
                                                         .classes = std::move(classes),
                                                         .schedule = std::move(schedule),
                                                         .public_classes = names,
                                                         .public_table = table})));
    });
}

Result<> Checkpoint::set_classes(const std::vector<std::string>& classes, std::uint64_t seed)
{
    if (classes.empty() || classes.size() >= (1u << 20))
        return fail(ErrorCode::InvalidArgument, "a class table needs at least one class");
    if (std::set<std::string>(classes.begin(), classes.end()).size() != classes.size())
        return fail(ErrorCode::InvalidArgument, "two classes have the same name",
                    "give every class its own name");
    return guarded("making the class table", [&]() -> Result<> {
        const at::NoGradGuard no_grad;
        const at::Tensor old = state_->public_table;
        const std::int64_t rows = static_cast<std::int64_t>(classes.size()) + 1;
        const std::int64_t dim = old.size(1);
        const at::Tensor known = old.narrow(0, 0, old.size(0) - 1);
        // A tenth of the public spread: enough to tell classes apart, too little to favour one.
        const at::Tensor spread = known.size(0) > 1 ? known.std(0) : known.abs().mean(0);
        auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
        nn::ClassEmbedder fresh(rows, dim);
        at::Tensor table = fresh->parameters().front();
        table.set_requires_grad(false);
        table.narrow(0, 0, rows - 1)
            .copy_(known.mean(0) + at::randn({rows - 1, dim}, generator) * spread * 0.1);
        table.narrow(0, rows - 1, 1).copy_(old.narrow(0, old.size(0) - 1, 1));
        fresh->eval();
        state_->classes = std::move(fresh);
        state_->card.classes = classes;
        state_->has_new_classes = true;
        return {};
    });
}

Result<> Checkpoint::mix_class_rows(std::span<const double> weights)
{
    const std::int64_t rows = state_->classes->null_class();
    const std::int64_t known = state_->public_table.size(0) - 1;
    if (!state_->has_new_classes || weights.size() != static_cast<std::size_t>(rows * known))
        return fail(ErrorCode::InvalidArgument,
                    std::to_string(weights.size()) + " weights do not fit a class table of "
                        + std::to_string(rows) + " rows and " + std::to_string(known)
                        + " public ones");
    if (!std::ranges::all_of(weights, [](double w) { return w >= 0.0 && std::isfinite(w); }))
        return fail(ErrorCode::InvalidArgument,
                    "a weight of a public class is not a number from 0");
    return guarded("making the class table", [&]() -> Result<> {
        const at::NoGradGuard no_grad;
        at::Tensor table = state_->classes->parameters().front();
        for (std::int64_t row = 0; row < rows; ++row) {
            const auto part = weights.subspan(static_cast<std::size_t>(row * known),
                                              static_cast<std::size_t>(known));
            const at::Tensor shares = at::tensor(at::ArrayRef<double>(part.data(), part.size()));
            const double total = shares.sum().item<double>();
            if (!(total > 0.0)) continue;
            const at::Tensor mean = shares.unsqueeze(0).matmul(
                state_->public_table.narrow(0, 0, known).to(at::kDouble)); // [1, D]
            table.narrow(0, row, 1).copy_(mean / total);
        }
        return {};
    });
}

namespace {

/// The tensors of `file` with those in `trained` replaced from `module`, in the file's order.
Result<> write_tuned(const fs::path& path, const io::SafetensorsFile& file,
                     const torch::nn::Module& module, const std::string& part,
                     const std::set<std::string>& trained)
{
    const auto parameters = module.named_parameters();
    std::vector<at::Tensor> kept;
    std::vector<io::TensorView> views = file.tensors();
    for (io::TensorView& view : views) {
        if (!trained.contains(part + "/" + view.name)) continue;
        VELAMEN_ASSIGN(at::Tensor stored, converted(view.name, parameters[view.name], view.dtype));
        view.shape = tensor::shape_of(stored);
        view.bytes = tensor::bytes_of(stored);
        kept.push_back(std::move(stored));
    }
    VELAMEN_TRY(core::make_directory(path.parent_path()));
    return io::write_safetensors(path, views, file.metadata());
}

/// Everything of the base that is not in `written`, byte for byte; hidden entries are left out.
Result<> copy_rest(const fs::path& base, const fs::path& out, const std::set<fs::path>& written)
{
    std::error_code error;
    for (auto entry = fs::recursive_directory_iterator(base, error);
         !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        if (entry->path().filename().string().starts_with('.')) {
            entry.disable_recursion_pending();
            continue;
        }
        const fs::path relative = entry->path().lexically_relative(base);
        if (entry->is_regular_file() && !written.contains(relative))
            VELAMEN_TRY(copy_synced(entry->path(), out / relative));
    }
    if (error)
        return fail(ErrorCode::Unreadable, "cannot read " + base.string() + ": " + error.message());
    return {};
}

} // namespace

Result<> Checkpoint::save_tuned(const fs::path& out, const std::vector<std::string>& trained,
                                const Card& card) const
{
    return guarded("saving " + out.string(), [&]() -> Result<> {
        std::error_code ignored;
        if (fs::equivalent(out, state_->folder, ignored))
            return fail(ErrorCode::Refused, "a tuned checkpoint cannot replace its own base",
                        "choose another folder");
        std::set<std::string> names(trained.begin(), trained.end());
        for (const std::string& name : names)
            if (!(name.starts_with(kUNetPrefix)
                  && state_->unet_file.find(name.substr(kUNetPrefix.size())) != nullptr)
                && !(name.starts_with(kEmbedderPrefix)
                     && state_->class_file.find(name.substr(kEmbedderPrefix.size())) != nullptr))
                return fail(ErrorCode::InvalidArgument,
                            "the checkpoint has no tensor '" + name + "' to save");
        if (state_->has_new_classes) names.insert("class_embedder/embedding.weight");

        Card tuned = card;
        tuned.classes = state_->card.classes;
        tuned.trained_tensors = trained;
        if (tuned.base_sha256.empty()) {
            VELAMEN_ASSIGN(tuned.base_sha256, fingerprint(state_->folder));
        }
        return replace_folder(out, [&](const fs::path& aside) -> Result<> {
            const fs::path unet = fs::path(kUNet.name) / kUNet.weights;
            const fs::path classes = fs::path(kClassEmbedder.name) / kClassEmbedder.weights;
            const fs::path class_config = fs::path(kClassEmbedder.name) / "config.json";
            std::set<fs::path> written{unet, classes, kCardFile};
            VELAMEN_TRY(
                write_tuned(aside / unet, state_->unet_file, *state_->unet, kUNet.name, names));
            VELAMEN_TRY(write_tuned(aside / classes, state_->class_file, *state_->classes,
                                    kClassEmbedder.name, names));
            if (state_->has_new_classes) {
                VELAMEN_TRY(core::write_file(aside / class_config,
                                             state_->classes->to_json().dump(2) + "\n"));
                written.insert(class_config);
            }
            VELAMEN_TRY(core::write_file(aside / kCardFile, card_to_json(tuned).dump(2) + "\n"));
            return copy_rest(state_->folder, aside, written);
        });
    });
}

} // namespace velamen::checkpoint
