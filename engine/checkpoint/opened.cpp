// SPDX-License-Identifier: GPL-3.0-or-later
//
// Opening folders in diffusers' layout.

#include "engine/checkpoint/opened.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <utility>

#include "engine/checkpoint/card.h"
#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/single_file.h"
#include "engine/core/hash.h"
#include "engine/keymap/modern_name.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

const std::optional<Component>& Opened::of(Role role) const
{
    return role == Role::UNet ? unet : role == Role::Autoencoder ? autoencoder : conditioner;
}

namespace {

std::span<const char* const> folders_of(Role role)
{
    static constexpr std::array unet{"unet"};
    static constexpr std::array autoencoder{"vae", "vqvae"};
    static constexpr std::array conditioner{"class_embedder", "text_encoder", "bert"};
    if (role == Role::UNet) return unet;
    return role == Role::Autoencoder ? std::span<const char* const>(autoencoder) : conditioner;
}

std::string assumed_kind(const std::string& folder)
{
    static const std::map<std::string, std::string> kinds{{"unet", "UNet2DConditionModel"},
                                                          {"vae", "AutoencoderKL"},
                                                          {"vqvae", "VQModel"},
                                                          {kTinyFolder, "AutoencoderTiny"},
                                                          {"text_encoder", "CLIPTextModel"},
                                                          {"class_embedder", "ClassEmbedder"},
                                                          {"bert", "LDMBertModel"}};
    return kinds.at(folder);
}

Result<Component> open_in(const fs::path& folder, const std::string& name)
{
    auto config = read_json(folder / name / kConfigFile);
    if (!config && config.error().code == ErrorCode::NotFound)
        return fail(ErrorCode::NotFound,
                    "there is no " + name + "/config.json in " + folder.string(),
                    "choose a checkpoint folder with unet, vae, scheduler and a text_encoder or "
                    "class_embedder");
    if (!config) return fail(config.error());
    VELAMEN_ASSIGN(const fs::path path, find_weights(folder / name));
    VELAMEN_ASSIGN(auto file, io::TensorFile::open(path));
    std::string kind = class_of(*config);
    if (kind.empty()) kind = assumed_kind(name);
    const StoredTensors all(std::move(file));
    return Component{name, kind, std::move(*config),
                     StoredTensors(all.file(), in_our_names(kind, all.all()))};
}

/// The first of the rôle's folders that is there; null without any.
const char* folder_of(const fs::path& checkpoint, Role role)
{
    std::error_code ignored;
    for (const char* name : folders_of(role))
        if (fs::is_directory(checkpoint / name, ignored)) return name;
    return nullptr;
}

/// Without a folder the absence of the first is the error.
Result<Component> open_role(const fs::path& folder, Role role)
{
    const char* const name = folder_of(folder, role);
    if (name == nullptr && role == Role::Autoencoder)
        return fail(ErrorCode::Incomplete, "there is no autoencoder (vae) in " + folder.string(),
                    kTakeAutoencoder);
    return open_in(folder, name == nullptr ? folders_of(role).front() : name);
}

void read_card(const fs::path& folder, Opened& out)
{
    std::error_code ignored;
    if (!fs::exists(folder / kCardFile, ignored)) {
        out.card.name = folder.filename().string();
        return;
    }
    out.has_card = true;
    auto json = read_json(folder / kCardFile);
    auto card = json ? card_from_json(*json) : Result<Card>(fail(json.error()));
    if (card)
        out.card = std::move(*card);
    else
        out.problems.push_back(card.error());
}

void note_choice(const Component& component, Opened& out)
{
    const std::string name = component.tensors.file()->files().front().filename().string();
    if (name != weights_file_of(component.name))
        out.notes.push_back(component.name + " is read from " + name);
}

Result<Opened> open_folder(const fs::path& folder, const OpenOptions& options)
{
    std::error_code ignored;
    Opened out;
    out.path = folder;
    if (!fs::exists(folder / kIndexFile, ignored))
        out.problems.push_back({ErrorCode::NotFound,
                                "there is no model_index.json in " + folder.string(),
                                "choose the folder that holds it"});
    read_card(folder, out);
    VELAMEN_ASSIGN(out.unet, open_role(folder, Role::UNet)); // without one there is nothing to show
    note_choice(*out.unet, out);
    for (const Role role : {Role::Autoencoder, Role::Conditioner}) {
        auto& place = role == Role::Autoencoder ? out.autoencoder : out.conditioner;
        if (role == Role::Conditioner && is_unconditional(*out.unet)) continue;
        if (role == Role::Autoencoder && !options.autoencoder.empty()) continue; // from elsewhere
        auto component = open_role(folder, role);
        if (!component) {
            out.problems.push_back(component.error());
            continue;
        }
        place = std::move(*component);
        note_choice(*place, out);
    }
    if (auto scheduler = read_json(folder / kScheduleFile))
        out.scheduler = std::move(*scheduler);
    else
        out.problems.push_back(scheduler.error());
    if (fs::is_directory(folder / "tokenizer", ignored)) out.tokenizer = folder / "tokenizer";
    if (fs::is_directory(folder / kTinyFolder, ignored))
        out.notes.push_back(std::string(kTinyFolder) + " shows images while they are drawn");
    return out;
}

} // namespace

std::vector<StoredTensor> in_our_names(const std::string& kind, std::vector<StoredTensor> tensors)
{
    const auto is_left_out = [&](const std::string& name) {
        if (kind == "LDMBertModel") return name.starts_with("to_logits.");
        return kind.starts_with("CLIPText")
            && (name.ends_with("position_ids") || name == "text_projection.weight");
    };
    std::erase_if(tensors, [&](const StoredTensor& one) { return is_left_out(one.name); });
    constexpr std::string_view kOuter = "text_model.";
    if (kind.starts_with("CLIPText"))
        for (StoredTensor& one : tensors)
            if (one.name.starts_with(kOuter)) one.name.erase(0, kOuter.size());
    for (StoredTensor& one : tensors)
        one.name = keymap::modern_name(one.name);
    return tensors;
}

std::string class_of(const io::Json& config)
{
    if (const auto name = config.text("_class_name")) return *name;
    if (const auto names = config.texts("architectures"); names && names->size() == 1)
        return names->front();
    return {};
}

io::Json index_entry(const std::string& component, const std::string& kind)
{
    const bool is_own = component == "class_embedder" || kind.starts_with("Latent");
    const char* const library = component == "text_encoder" ? "transformers"
        : is_own                                            ? "velamen"
                                                            : "diffusers";
    return io::Json::Array{library, kind};
}

bool is_unconditional(const Component& unet)
{
    return unet.kind == "UNet2DModel" || unet.kind == "LatentUNet2D";
}

Result<Opened> open_checkpoint(const fs::path& path, const OpenOptions& options)
{
    std::error_code ignored;
    if (!fs::exists(path, ignored))
        return fail(ErrorCode::NotFound, "there is no checkpoint folder or file " + path.string());
    VELAMEN_ASSIGN(Opened out,
                   fs::is_directory(path, ignored) ? open_folder(path, options)
                                                   : open_single_file(path, options));
    if (options.autoencoder.empty()) return out;
    VELAMEN_ASSIGN(out.autoencoder, open_component(options.autoencoder, Role::Autoencoder));
    out.notes.push_back("the autoencoder is that of " + options.autoencoder.filename().string());
    return out;
}

Result<Component> open_component(const fs::path& path, Role role, const OpenOptions& options)
{
    std::error_code ignored;
    if (!fs::exists(path, ignored))
        return fail(ErrorCode::NotFound, "there is no checkpoint folder or file " + path.string());
    if (fs::is_directory(path, ignored)) return open_role(path, role);
    return open_part_of_file(path, role, options);
}

Result<Component> open_tiny_autoencoder(const fs::path& folder)
{
    return open_in(folder, kTinyFolder);
}

Result<std::string> fingerprint(const fs::path& checkpoint)
{
    std::error_code ignored;
    if (!fs::is_directory(checkpoint, ignored)) return core::sha256_file(checkpoint);
    core::Sha256 all;
    for (const Role role : kRoles) {
        const char* const name = folder_of(checkpoint, role);
        if (name == nullptr) continue;
        VELAMEN_ASSIGN(const fs::path weights, find_weights(checkpoint / name));
        VELAMEN_ASSIGN(const auto file, io::TensorFile::open(weights));
        std::string sums;
        for (const fs::path& part : file->files()) {
            VELAMEN_ASSIGN(const std::string sum, core::sha256_file(part));
            sums += sum + " ";
        }
        VELAMEN_ASSIGN(const std::string config,
                       core::sha256_file(checkpoint / name / kConfigFile));
        all.update(std::string(name) + " " + sums + config + "\n");
    }
    return core::to_hex(all.finish());
}

} // namespace velamen::checkpoint
