// SPDX-License-Identifier: GPL-3.0-or-later
//
// A look at a checkpoint without loading it: headers, configs and the card.

#include <algorithm>
#include <map>
#include <set>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/card.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/complaint.h"
#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/selection.h"
#include "engine/diffusion/schedule.h"
#include "engine/nn/autoencoder/config.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/unet/config.h"
#include "engine/nn/unet/shapes.h"

namespace velamen::checkpoint {

namespace {

/// Configs as far as they could be read.
struct Configs {
    nn::UNet2DConditionConfig unet;
    nn::AutoencoderKLConfig vae;
    nn::ClassEmbedderConfig classes;
};

template <class Config>
bool read_part_config(const std::filesystem::path& folder, const Part& part, Config& out,
                      std::vector<std::string>& problems)
{
    const auto json = read_config(folder, part);
    if (!json) {
        problems.push_back(json.error().message);
        return false;
    }
    auto config = Config::from_json(*json);
    if (!config) {
        problems.push_back(config.error().message);
        return false;
    }
    out = std::move(*config);
    return true;
}

/// What the config says the UNet's file has to hold, against its header.
void check_shapes(const nn::UNet2DConditionConfig& config,
                  const std::vector<nn::NamedShape>& shapes, std::vector<std::string>& problems)
{
    std::map<std::string, Shape> stored;
    for (const auto& [name, shape] : shapes)
        if (name.starts_with(kUNetPrefix)) stored.emplace(name.substr(kUNetPrefix.size()), shape);
    std::vector<std::string> missing, misshapen, extra;
    for (const auto& [name, shape] : nn::parameter_shapes(config)) {
        const auto found = stored.find(name);
        if (found == stored.end())
            missing.push_back(name);
        else if (found->second != shape)
            misshapen.push_back(name + " " + to_text(found->second) + " instead of "
                                + to_text(shape));
        stored.erase(name);
    }
    for (const auto& [name, shape] : stored)
        extra.push_back(name);
    std::string text;
    add_complaint(text, missing, "missing");
    add_complaint(text, extra, "unexpected");
    add_complaint(text, misshapen, "misshapen");
    if (!text.empty()) problems.push_back("the tensors of the UNet do not fit its config: " + text);
}

void check_configs(const std::filesystem::path& folder, const std::vector<nn::NamedShape>& shapes,
                   Inspection& out)
{
    Configs c;
    bool is_complete = read_part_config(folder, kUNet, c.unet, out.problems);
    if (is_complete) check_shapes(c.unet, shapes, out.problems);
    is_complete = read_part_config(folder, kAutoencoder, c.vae, out.problems) && is_complete;
    is_complete = read_part_config(folder, kClassEmbedder, c.classes, out.problems) && is_complete;
    const auto schedule = read_json(folder / kScheduleFile);
    if (!schedule)
        out.problems.push_back(schedule.error().message);
    else if (const auto parsed = diffusion::Schedule::from_json(*schedule); !parsed)
        out.problems.push_back(parsed.error().message);
    if (!is_complete) return;
    if (c.unet.in_channels != c.vae.latent_channels)
        out.problems.push_back("the UNet takes " + std::to_string(c.unet.in_channels)
                               + " channels, but the autoencoder's latents have "
                               + std::to_string(c.vae.latent_channels));
    if (c.unet.cross_attention_dim != c.classes.dim)
        out.problems.push_back(
            "the UNet's context has " + std::to_string(c.unet.cross_attention_dim)
            + " channels, but the class table has " + std::to_string(c.classes.dim));
    for (std::string& problem :
         card_problems(out.card, c.classes.rows, c.vae.latent_channels, c.unet.sample_size))
        out.problems.push_back(std::move(problem));
}

void add_component(const Part& part, const io::SafetensorsFile& file, Inspection& out)
{
    ComponentInfo info{.name = part.name, .kind = part.kind};
    std::set<std::string> dtypes;
    for (const io::TensorView& tensor : file.tensors()) {
        ++info.tensors;
        info.parameters += nn::element_count(tensor.shape);
        info.bytes += static_cast<std::int64_t>(tensor.bytes.size());
        dtypes.emplace(velamen::name_of(tensor.dtype));
    }
    for (const std::string& dtype : dtypes)
        info.dtype += (info.dtype.empty() ? "" : "+") + dtype;
    out.components.push_back(std::move(info));
}

struct Wanted {
    std::string selection;
    bool skip_dead = true;
    bool train_conditioner = true;
};

void add_shapes(const Part& part, const io::SafetensorsFile& file,
                std::vector<nn::NamedShape>& shapes)
{
    for (const io::TensorView& tensor : file.tensors())
        shapes.push_back({std::string(part.name) + "/" + tensor.name, tensor.shape});
}

/// shapes: of UNet and conditioner.
Result<SelectionCounts> counts_of(const std::vector<nn::NamedShape>& shapes, const Wanted& wanted)
{
    VELAMEN_ASSIGN(
        const auto all,
        trained_shapes(shapes, wanted.selection, /*skip_dead=*/false, wanted.train_conditioner));
    SelectionCounts out;
    for (const nn::NamedShape& one : shapes)
        out.total_parameters += nn::element_count(one.shape);
    for (const nn::NamedShape& one : all) {
        const bool is_dead = is_dead_under_one_token(one.name);
        const std::int64_t size = nn::element_count(one.shape);
        if (is_dead) out.dead_parameters += size;
        if (is_dead && wanted.skip_dead) continue;
        out.trained_parameters += size;
        ++out.trained_tensors;
    }
    return out;
}

/// All blocks, and which of them hold a tensor that training changes.
Result<> add_blocks(const std::vector<nn::NamedShape>& shapes, const Wanted& wanted,
                    Inspection& out)
{
    std::vector<std::string> names;
    for (const nn::NamedShape& one : shapes)
        names.push_back(one.name);
    VELAMEN_ASSIGN(
        const std::vector<std::string> selected,
        select_tensors(names, wanted.selection, wanted.skip_dead, wanted.train_conditioner));
    const std::set<std::string> changed(selected.begin(), selected.end());
    std::map<std::array<std::int64_t, 5>, SelectedBlock> blocks;
    for (const auto& [name, shape] : shapes) {
        const BlockName where = block_of(name);
        SelectedBlock& block = blocks[where.order];
        block.name = where.name;
        ++block.tensors;
        block.parameters += nn::element_count(shape);
        block.is_trained = block.is_trained || changed.contains(name);
    }
    for (auto& [order, block] : blocks)
        out.blocks.push_back(std::move(block));
    return {};
}

Result<Inspection> inspect_folder(const std::filesystem::path& folder, const Wanted& wanted)
{
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored))
        return fail(ErrorCode::NotFound, "there is no checkpoint folder " + folder.string());
    Inspection out;
    out.family = "class-conditional latent diffusion (UNet2DConditionModel)";
    if (!std::filesystem::exists(folder / kIndexFile, ignored))
        out.problems.push_back("there is no model_index.json");
    if (const auto card = read_json(folder / kCardFile); !card)
        out.problems.push_back(card.error().message);
    else if (auto parsed = card_from_json(*card); !parsed)
        out.problems.push_back(parsed.error().message);
    else
        out.card = std::move(*parsed);

    std::vector<nn::NamedShape> shapes; // of UNet and conditioner
    for (const Part& part : kParts) {
        const auto file = open_weights(folder, part);
        if (!file) {
            // Without a UNet there is nothing to show.
            if (std::string_view(part.name) == kUNet.name) return fail(file.error());
            out.problems.push_back(file.error().message);
            continue;
        }
        if (std::string_view(part.name) == kUNet.name && file->find("conv_in.weight") == nullptr)
            return fail(ErrorCode::Corrupt,
                        "the weights in " + (folder / part.name).string()
                            + " are not a UNet's: there is no tensor conv_in.weight",
                        "put the unet folder of the checkpoint there");
        add_component(part, *file, out);
        if (std::string_view(part.name) != kAutoencoder.name) add_shapes(part, *file, shapes);
    }
    VELAMEN_ASSIGN(static_cast<SelectionCounts&>(out), counts_of(shapes, wanted));
    VELAMEN_TRY(add_blocks(shapes, wanted, out));
    check_configs(folder, shapes, out);
    if (auto hash = fingerprint(folder)) out.sha256 = std::move(*hash);
    return out;
}

} // namespace

Result<Inspection> inspect(const std::filesystem::path& folder, const std::string& selection,
                           bool skip_dead, bool train_conditioner)
{
    return guarded("inspecting " + folder.string(), [&] {
        return inspect_folder(folder, {selection, skip_dead, train_conditioner});
    });
}

Result<SelectionCounts> count_selection(const std::filesystem::path& folder,
                                        const std::string& selection, bool skip_dead,
                                        bool train_conditioner, std::int64_t classes)
{
    return guarded("counting in " + folder.string(), [&]() -> Result<SelectionCounts> {
        std::vector<nn::NamedShape> shapes;
        for (const Part& part : {kUNet, kClassEmbedder}) {
            VELAMEN_ASSIGN(const io::SafetensorsFile file, open_weights(folder, part));
            add_shapes(part, file, shapes);
        }
        if (classes > 0)
            for (nn::NamedShape& one : shapes)
                if (one.name.starts_with(kEmbedderPrefix)) {
                    if (one.shape.size() != 2)
                        return fail(ErrorCode::Corrupt,
                                    "the class table of the checkpoint is not one matrix",
                                    "use another copy of the checkpoint");
                    one.shape.front() = classes + 1;
                }
        return counts_of(shapes, {selection, skip_dead, train_conditioner});
    });
}

} // namespace velamen::checkpoint
