// SPDX-License-Identifier: GPL-3.0-or-later
//
// A look at a checkpoint without loading it: headers, configs and the card.

#include <algorithm>
#include <map>
#include <set>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/misfits.h"
#include "engine/checkpoint/opened.h"
#include "engine/checkpoint/selection.h"
#include "engine/checkpoint/weights.h"
#include "engine/nn/unet/shapes.h"

namespace velamen::checkpoint {

namespace {

void add_component(const Component& component, Inspection& out)
{
    ComponentInfo info{.name = component.name, .kind = component.kind};
    std::set<std::string> dtypes;
    for (const StoredTensor& tensor : component.tensors.all()) {
        const std::int64_t count = nn::element_count(tensor.shape);
        ++info.tensors;
        info.parameters += count;
        info.bytes += count * static_cast<std::int64_t>(size_of(tensor.dtype));
        dtypes.emplace(velamen::name_of(tensor.dtype));
    }
    for (const std::string& dtype : dtypes)
        info.dtype += (info.dtype.empty() ? "" : "+") + dtype;
    out.components.push_back(std::move(info));
}

/// What the config says the file has to hold, against its header.
void check_component(const Component& component, Role role, Inspection& out)
{
    const auto module = make_module(component, role);
    if (!module) return; // misfits_of() has said it
    if (const auto fits = check_names(**module, component.tensors, component.name); !fits)
        out.problems.push_back(fits.error());
}

std::string family_of(const Opened& opened)
{
    const std::string what = !opened.conditioner
        ? (is_unconditional(*opened.unet) ? "unconditional" : "conditional")
        : opened.conditioner->kind == "ClassEmbedder" ? "class-conditional"
                                                      : "text-conditional";
    return what + " latent diffusion (" + opened.unet->kind + ")";
}

constexpr std::int64_t kQuickToHash = 256 << 20; ///< bytes

struct Wanted {
    std::string selection;
    bool skip_dead = true;
    bool train_conditioner = true;
};

void add_shapes(const Component& component, std::vector<nn::NamedShape>& shapes)
{
    for (const StoredTensor& tensor : component.tensors.all())
        shapes.push_back({component.name + "/" + tensor.name, tensor.shape});
}

/// shapes: of UNet and conditioner.
Result<SelectionCounts> counts_of(const std::vector<nn::NamedShape>& shapes, const Wanted& wanted)
{
    VELAMEN_ASSIGN(
        const auto all,
        trained_shapes(shapes, wanted.selection, /*skip_dead=*/false, wanted.train_conditioner));
    SelectionCounts out;
    std::vector<std::string> names;
    for (const nn::NamedShape& one : shapes) {
        names.push_back(one.name);
        out.total_parameters += nn::element_count(one.shape);
    }
    const bool has_table = has_one_token(names);
    for (const nn::NamedShape& one : all) {
        const bool is_dead = has_table && is_dead_under_one_token(one.name);
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

Result<Inspection> inspect_opened(const std::filesystem::path& path, const Wanted& wanted,
                                  const OpenOptions& options)
{
    VELAMEN_ASSIGN(Opened opened, open_checkpoint(path, options));
    if (opened.unet->tensors.find("conv_in.weight") == nullptr)
        return fail(ErrorCode::Corrupt,
                    "the weights in " + (path / opened.unet->name).string()
                        + " are not a UNet's: there is no tensor conv_in.weight",
                    "put the unet folder of the checkpoint there");
    Inspection out;
    out.family = family_of(opened);
    out.notes = opened.notes;
    out.problems = opened.problems;
    for (const Error& problem : misfits_of(opened))
        out.problems.push_back(problem);
    std::vector<nn::NamedShape> shapes; // of UNet and conditioner
    for (const Role role : kRoles) {
        const auto& component = opened.of(role);
        if (!component) continue;
        add_component(*component, out);
        check_component(*component, role, out);
        if (role != Role::Autoencoder) add_shapes(*component, shapes);
    }
    VELAMEN_ASSIGN(static_cast<SelectionCounts&>(out), counts_of(shapes, wanted));
    VELAMEN_TRY(add_blocks(shapes, wanted, out));
    out.card = std::move(opened.card);
    std::int64_t bytes = 0;
    for (const ComponentInfo& component : out.components)
        bytes += component.bytes;
    if (bytes > kQuickToHash) return out;
    if (auto hash = fingerprint(path)) out.sha256 = std::move(*hash);
    return out;
}

} // namespace

Result<Inspection> inspect(const std::filesystem::path& checkpoint, const std::string& selection,
                           bool skip_dead, bool train_conditioner, const OpenOptions& options)
{
    return guarded("inspecting " + checkpoint.string(), [&] {
        return inspect_opened(checkpoint, {selection, skip_dead, train_conditioner}, options);
    });
}

Result<SelectionCounts> count_selection(const std::filesystem::path& folder,
                                        const std::string& selection, bool skip_dead,
                                        bool train_conditioner, std::int64_t classes)
{
    return guarded("counting in " + folder.string(), [&]() -> Result<SelectionCounts> {
        VELAMEN_ASSIGN(const Opened opened, open_checkpoint(folder));
        std::vector<nn::NamedShape> shapes;
        add_shapes(*opened.unet, shapes);
        if (opened.conditioner)
            add_shapes(*opened.conditioner, shapes);
        else if (!is_unconditional(*opened.unet) && !opened.problems.empty())
            return fail(opened.problems.front());
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
