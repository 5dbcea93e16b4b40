// SPDX-License-Identifier: GPL-3.0-or-later
//
// Loading and saving a checkpoint as a whole.

#include "engine/checkpoint/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/card.h"
#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/misfits.h"
#include "engine/checkpoint/opened.h"
#include "engine/checkpoint/prompts.h"
#include "engine/checkpoint/rewrite.h"
#include "engine/checkpoint/tensors.h"
#include "engine/checkpoint/weights.h"
#include "engine/diffusion/schedule.h"
#include "engine/nn/conditioner/any_config.h"
#include "engine/nn/conditioner/no_conditioner.h"
#include "engine/nn/conditioner/text_conditioner.h"
#include "engine/nn/layers/changes.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

struct Checkpoint::State {
    fs::path folder;
    OpenOptions options;
    Card card;
    Opened source; // stays open: saving copies frozen tensors from here
    nn::UNet unet{nullptr};
    std::shared_ptr<nn::Autoencoder> autoencoder;
    std::shared_ptr<nn::Conditioner> conditioner;
    std::optional<PromptTokenizer> tokenizer;
    diffusion::Schedule schedule;
    std::vector<std::string> public_classes;
    at::Tensor public_table; // [rows, D], as loaded; the null row is the last
    bool has_new_classes = false;
    std::map<Role, std::int64_t> changes; ///< of what can be set aside, as loaded
    std::set<Role> aside;

    /// Null when the conditioner is something else.
    nn::ClassEmbedderImpl* table() const
    {
        return dynamic_cast<nn::ClassEmbedderImpl*>(conditioner.get());
    }
    nn::TextConditioner* text() const
    {
        return dynamic_cast<nn::TextConditioner*>(conditioner.get());
    }
    /// Reads all weights.
    Result<> check() const
    {
        VELAMEN_TRY(check_values(*unet, source.unet->name));
        VELAMEN_TRY(check_values(*autoencoder, source.autoencoder->name));
        const torch::nn::Module* const rest = conditioner_weights();
        return rest == nullptr ? Result<>() : check_values(*rest, source.conditioner->name);
    }
    /// The module that can be set aside; null without one.
    torch::nn::Module* encoder(Role role) const
    {
        if (role == Role::Autoencoder) return autoencoder.get();
        nn::TextConditioner* const sentences = role == Role::Conditioner ? text() : nullptr;
        return sentences == nullptr ? nullptr : &sentences->encoder();
    }
    /// The module whose parameters are the conditioner's; null without one.
    torch::nn::Module* conditioner_weights() const
    {
        if (nn::TextConditioner* sentences = text()) return &sentences->encoder();
        return table();
    }
};

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::~Checkpoint() = default;

nn::UNetImpl& Checkpoint::unet() { return *state_->unet; }

nn::Autoencoder& Checkpoint::autoencoder() { return *state_->autoencoder; }

nn::Conditioner& Checkpoint::conditioner() { return *state_->conditioner; }

bool Checkpoint::has_class_table() const { return state_->table() != nullptr; }

bool Checkpoint::is_text_conditional() const { return state_->text() != nullptr; }

Result<> Checkpoint::set_image_size(std::int64_t pixels)
{
    const std::int64_t factor = state_->autoencoder->sizes().factor;
    if (pixels < factor || pixels % factor != 0)
        return fail(
            ErrorCode::InvalidArgument,
            "an image size of " + std::to_string(pixels)
                + " is no multiple of the autoencoder's factor of " + std::to_string(factor),
            "the nearest is "
                + std::to_string(std::max(factor, (pixels + factor / 2) / factor * factor)));
    const auto count = static_cast<std::int64_t>(state_->card.latent_mean.size());
    if (count > state_->autoencoder->sizes().latent_channels && pixels != image_size())
        return fail(ErrorCode::Refused,
                    "this checkpoint's latents are scaled element by element: it makes images of "
                        + std::to_string(image_size()) + " pixels only",
                    "choose that size");
    state_->card.image_size = pixels;
    return {};
}

Result<> Checkpoint::set_caption(const std::string& caption)
{
    VELAMEN_TRY(caption_of(caption, ""));
    state_->card.caption = caption;
    return {};
}

std::int64_t Checkpoint::latent_size() const
{
    const nn::AutoencoderSizes sizes = state_->autoencoder->sizes();
    if (state_->card.image_size > 0) return state_->card.image_size / sizes.factor;
    const std::int64_t stated = state_->unet->plan().sample_size;
    return stated > 0 ? stated : sizes.sample_size / sizes.factor;
}

std::int64_t Checkpoint::image_size() const
{
    return latent_size() * state_->autoencoder->sizes().factor;
}

void Checkpoint::set_aside(Role role)
{
    torch::nn::Module* const module = state_->encoder(role);
    if (module == nullptr || nn::changes_of(*module) != state_->changes.at(role)) return;
    const auto parameters = module->parameters();
    if (std::ranges::any_of(parameters, [](const at::Tensor& p) { return p.requires_grad(); }))
        return;
    for (at::Tensor parameter : parameters)
        parameter.set_data(at::empty({0}, parameter.options()));
    state_->aside.insert(role);
}

Result<> Checkpoint::bring_back(Role role)
{
    return guarded("loading " + state_->folder.string(), [&]() -> Result<> {
        if (!state_->aside.contains(role)) return {};
        const Component& component = *state_->source.of(role);
        VELAMEN_TRY(fill_again(*state_->encoder(role), component.tensors, component.name));
        state_->aside.erase(role);
        return {};
    });
}

const PromptTokenizer* Checkpoint::tokenizer() const
{
    return state_->tokenizer ? &*state_->tokenizer : nullptr;
}

const diffusion::Schedule& Checkpoint::schedule() const { return state_->schedule; }

const Card& Checkpoint::card() const { return state_->card; }

const fs::path& Checkpoint::folder() const { return state_->folder; }

const std::vector<std::string>& Checkpoint::public_classes() const
{
    return state_->public_classes;
}

std::string Checkpoint::conditioner_name() const
{
    const auto& conditioner = state_->source.conditioner;
    return conditioner ? conditioner->name : std::string();
}

Result<std::shared_ptr<nn::AutoencoderTinyImpl>> Checkpoint::load_tiny_autoencoder() const
{
    return guarded(
        "loading the tiny autoencoder", [&]() -> Result<std::shared_ptr<nn::AutoencoderTinyImpl>> {
            std::error_code ignored;
            if (!fs::is_directory(state_->folder / kTinyFolder, ignored)) return nullptr;
            VELAMEN_ASSIGN(const Component component, open_tiny_autoencoder(state_->folder));
            VELAMEN_ASSIGN(const nn::AutoencoderTiny tiny,
                           checkpoint::load_tiny_autoencoder(component));
            const nn::AutoencoderTinyConfig& config = tiny->config();
            const nn::AutoencoderSizes sizes = state_->autoencoder->sizes();
            if (config.latent_channels != sizes.latent_channels
                || config.out_channels != sizes.image_channels
                || std::int64_t{1} << (config.num_decoder_blocks.size() - 1) != sizes.factor)
                return fail(ErrorCode::Corrupt,
                            std::string(kTinyFolder) + " makes other images than the autoencoder",
                            "put the one for these latents there, or take it away");
            return tiny.ptr();
        });
}

std::vector<std::pair<std::string, at::Tensor>> named_tensors(Checkpoint& checkpoint)
{
    std::vector<std::pair<std::string, at::Tensor>> out;
    for (const auto& item : checkpoint.unet().named_parameters())
        out.emplace_back(std::string(kUNetPrefix) + item.key(), item.value());
    constexpr std::string_view kOuter = "encoder."; // where a text conditioner holds its encoder
    for (const auto& item : checkpoint.conditioner().named_parameters()) {
        std::string_view key = item.key();
        if (checkpoint.is_text_conditional()) key.remove_prefix(kOuter.size());
        out.emplace_back(checkpoint.conditioner_name() + "/" + std::string(key), item.value());
    }
    return out;
}

namespace {

/// Without statistics of its own, a checkpoint scales latents as diffusers does.
void complete_latent_scale(Card& card, const nn::AutoencoderSizes& sizes)
{
    if (!card.latent_mean.empty() || !(sizes.scaling_factor > 0.0)) return;
    const auto channels = static_cast<std::size_t>(sizes.latent_channels);
    card.latent_mean.assign(channels, 0.0);
    card.latent_std.assign(channels, 1.0 / sizes.scaling_factor);
}

/// The captions of the classes and the empty prompt as tokens.
Result<at::Tensor> prompts_of(const Card& card, const std::vector<std::string>& classes,
                              const PromptTokenizer& tokenizer, const nn::TextEncoder& encoder)
{
    std::vector<std::string> prompts;
    for (const std::string& name : classes) {
        VELAMEN_ASSIGN(std::string prompt,
                       caption_of(card.caption.empty() ? kDefaultCaption : card.caption, name));
        prompts.push_back(std::move(prompt));
    }
    prompts.emplace_back();
    return tokenizer.ids(prompts, encoder.max_tokens());
}

Result<std::shared_ptr<nn::Conditioner>> load_conditioner(const Opened& opened,
                                                          std::optional<PromptTokenizer>& tokenizer,
                                                          const Wanted& wanted)
{
    using Out = std::shared_ptr<nn::Conditioner>;
    if (!opened.conditioner)
        return Out(std::make_shared<nn::NoConditioner>(
            static_cast<std::int64_t>(std::max<std::size_t>(opened.card.classes.size(), 1)) + 1));
    const Component& component = *opened.conditioner;
    VELAMEN_ASSIGN(const auto config,
                   nn::ConditionerConfig::from_json(component.kind, component.config));
    if (!config.is_text()) {
        VELAMEN_ASSIGN(const nn::ClassEmbedder table, load_class_embedder(component));
        return Out(table.ptr());
    }
    VELAMEN_ASSIGN(PromptTokenizer words,
                   PromptTokenizer::open(opened.tokenizer, config.is_bert()));
    VELAMEN_ASSIGN(auto encoder, load_text_encoder(component, wanted));
    VELAMEN_ASSIGN(const at::Tensor prompts,
                   prompts_of(opened.card, opened.card.classes, words, *encoder));
    tokenizer = std::move(words);
    return Out(std::make_shared<nn::TextConditioner>(std::move(encoder), prompts));
}

} // namespace

Result<std::unique_ptr<Checkpoint::State>>
Checkpoint::load_wanted(const fs::path& folder, const OpenOptions& options, const Wanted& wanted)
{
    VELAMEN_ASSIGN(Opened opened, open_usable(folder, options));
    VELAMEN_ASSIGN(diffusion::Schedule schedule, diffusion::Schedule::from_json(opened.scheduler));
    std::optional<PromptTokenizer> tokenizer;
    VELAMEN_ASSIGN(nn::UNet unet, load_unet(*opened.unet, wanted));
    VELAMEN_ASSIGN(auto autoencoder, load_autoencoder(*opened.autoencoder, wanted));
    VELAMEN_ASSIGN(auto conditioner, load_conditioner(opened, tokenizer, wanted));
    complete_latent_scale(opened.card, autoencoder->sizes());
    const std::vector<std::string> names = opened.card.classes;
    auto state = std::make_unique<State>(State{.folder = folder,
                                               .options = options,
                                               .card = opened.card,
                                               .source = std::move(opened),
                                               .unet = std::move(unet),
                                               .autoencoder = std::move(autoencoder),
                                               .conditioner = std::move(conditioner),
                                               .tokenizer = std::move(tokenizer),
                                               .schedule = std::move(schedule),
                                               .public_classes = names,
                                               .public_table = {}});
    for (const Role role : kRoles)
        if (const auto* module = state->encoder(role))
            state->changes[role] = nn::changes_of(*module);
    if (const auto* table = state->table())
        state->public_table = table->parameters().front().detach().clone();
    return state;
}

Result<std::unique_ptr<Checkpoint>> Checkpoint::load(const fs::path& folder,
                                                     const OpenOptions& options)
{
    return guarded("loading " + folder.string(), [&]() -> Result<std::unique_ptr<Checkpoint>> {
        VELAMEN_ASSIGN(auto state, load_wanted(folder, options, {}));
        VELAMEN_TRY(state->check());
        return std::unique_ptr<Checkpoint>(new Checkpoint(std::move(state)));
    });
}

Result<std::unique_ptr<Checkpoint>> Checkpoint::load_second(const std::vector<std::string>& changed)
{
    const fs::path& folder = state_->folder;
    return guarded("loading " + folder.string(), [&]() -> Result<std::unique_ptr<Checkpoint>> {
        const std::set<std::string> own(changed.begin(), changed.end());
        const bool has_own_conditioner = std::ranges::any_of(own, [&](const std::string& name) {
            return name.starts_with(conditioner_name() + "/");
        });
        VELAMEN_ASSIGN(
            auto state, load_wanted(folder, state_->options, [&](const std::string& name) {
                return own.contains(name)
                    || (has_own_conditioner && name.starts_with(conditioner_name() + "/"));
            }));
        const auto shared = state_->unet->named_parameters();
        for (auto& item : state->unet->named_parameters())
            if (!own.contains(std::string(kUNetPrefix) + item.key()))
                item.value().set_data(shared[item.key()].detach());
        std::unique_ptr<Checkpoint> second(new Checkpoint(std::move(state)));
        second->set_aside(Role::Autoencoder);
        if (!has_own_conditioner) second->set_aside(Role::Conditioner);
        return second;
    });
}

namespace {

/// Rows near the mean of the public ones: [classes + 1, D], the null row last.
at::Tensor fresh_table(const at::Tensor& old, std::int64_t classes, std::uint64_t seed)
{
    const at::Tensor known = old.narrow(0, 0, old.size(0) - 1);
    // A tenth of the public spread: enough to tell classes apart, too little to favour one.
    const at::Tensor spread = known.size(0) > 1 ? known.std(0) : known.abs().mean(0);
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    const at::Tensor rows =
        known.mean(0) + at::randn({classes, old.size(1)}, generator) * spread * 0.1;
    return at::cat({rows, old.narrow(0, old.size(0) - 1, 1)});
}

} // namespace

Result<> Checkpoint::set_classes(const std::vector<std::string>& classes, std::uint64_t seed)
{
    if (classes.empty() || classes.size() >= (1u << 20))
        return fail(ErrorCode::InvalidArgument, "a checkpoint needs at least one class");
    if (std::set<std::string>(classes.begin(), classes.end()).size() != classes.size())
        return fail(ErrorCode::InvalidArgument, "two classes have the same name",
                    "give every class its own name");
    return guarded("making the classes", [&]() -> Result<> {
        const at::NoGradGuard no_grad;
        const auto count = static_cast<std::int64_t>(classes.size());
        if (state_->table() != nullptr) {
            const at::Tensor table = fresh_table(state_->public_table, count, seed);
            nn::ClassEmbedder fresh(table.size(0), table.size(1));
            fresh->parameters().front().set_requires_grad(false).copy_(table);
            fresh->eval();
            state_->conditioner = fresh.ptr();
        } else if (nn::TextConditioner* text = state_->text()) {
            VELAMEN_ASSIGN(const at::Tensor prompts,
                           prompts_of(state_->card, classes, *state_->tokenizer, text->encoder()));
            text->set_prompts(prompts);
        } else {
            if (count > 1)
                return fail(ErrorCode::Refused,
                            "an unconditional checkpoint cannot tell " + std::to_string(count)
                                + " classes apart",
                            "give all images one class, or choose a checkpoint that is conditional "
                            "on classes or text");
            state_->conditioner = std::make_shared<nn::NoConditioner>(2);
        }
        state_->card.classes = classes;
        state_->has_new_classes = true;
        return {};
    });
}

Result<> Checkpoint::mix_class_rows(std::span<const double> weights)
{
    if (state_->table() == nullptr)
        return fail(ErrorCode::InvalidArgument, "this checkpoint has no class table to mix rows of",
                    "begin without votes");
    const std::int64_t rows = state_->conditioner->null_class();
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
        at::Tensor table = state_->table()->parameters().front();
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

Result<> Checkpoint::save_tuned(const fs::path& out, const std::vector<std::string>& trained,
                                const Card& card) const
{
    return guarded("saving " + out.string(), [&]() -> Result<> {
        std::error_code ignored;
        if (fs::equivalent(out, state_->folder, ignored))
            return fail(ErrorCode::Refused, "a tuned checkpoint cannot replace its own base",
                        "choose another folder");
        const State& state = *state_;
        std::set<std::string> names(trained.begin(), trained.end());
        std::set<std::string> known;
        for (const auto& component : {state.source.unet, state.source.conditioner})
            if (component)
                for (const StoredTensor& one : component->tensors.all())
                    known.insert(component->name + "/" + one.name);
        for (const std::string& name : names)
            if (!known.contains(name))
                return fail(ErrorCode::InvalidArgument,
                            "the checkpoint has no tensor '" + name + "' to save");
        if (state.has_new_classes && state.table() != nullptr)
            names.insert("class_embedder/embedding.weight");

        Card tuned = card;
        tuned.classes = state.card.classes;
        tuned.caption = state.card.caption;
        tuned.image_size = state.card.image_size;
        tuned.trained_tensors = trained;
        if (tuned.base_sha256.empty()) {
            VELAMEN_ASSIGN(tuned.base_sha256, fingerprint(state.folder));
        }
        return replace_folder(out, [&](const fs::path& aside) -> Result<> {
            std::vector<Rewrite> rewrites;
            const auto add = [&](const Component& component, const torch::nn::Module& module) {
                Rewrite one{.component = component, .module = &module};
                for (const std::string& name : names)
                    if (name.starts_with(component.name + "/")) one.trained.insert(name);
                if (!one.trained.empty()) rewrites.push_back(std::move(one));
            };
            add(*state.source.unet, *state.unet);
            if (state.source.conditioner)
                add(*state.source.conditioner, *state.conditioner_weights());
            if (state.has_new_classes && state.table() != nullptr)
                rewrites.back().config = state.table()->to_json();
            return write_again(aside, state.source, rewrites, tuned);
        });
    });
}

} // namespace velamen::checkpoint
