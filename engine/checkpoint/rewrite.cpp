// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/checkpoint/rewrite.h"

#include <algorithm>
#include <deque>
#include <map>

#include <ATen/ATen.h>
#include <torch/nn/module.h>

#include "engine/checkpoint/card.h"
#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/prompts.h"
#include "engine/checkpoint/weights.h"
#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "engine/tensor/convert.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

namespace {

/// The views of a new file, and what they borrow.
class NewFile {
public:
    explicit NewFile(const Rewrite& rewrite) : rewrite_(rewrite)
    {
        if (rewrite.module != nullptr) parameters_ = rewrite.module->named_parameters();
    }

    /// One of the component's tensors, called `name` in the file.
    Result<> add(const std::string& name, const StoredTensor& one)
    {
        const Component& component = rewrite_.component;
        const bool is_trained = rewrite_.trained.contains(component.name + "/" + one.name);
        const DType dtype = rewrite_.dtype.value_or(one.dtype);
        if (!is_trained && dtype == one.dtype) {
            views_.push_back(
                {name, dtype, one.shape, component.tensors.bytes(one, buffers_.emplace_back())});
            return {};
        }
        std::vector<std::byte> buffer;
        const at::Tensor value = is_trained
            ? parameters_[one.name]
            : tensor::borrowed(one.dtype, one.shape, component.tensors.bytes(one, buffer));
        VELAMEN_ASSIGN(at::Tensor stored, converted(one.name, value, dtype));
        views_.push_back({name, dtype, tensor::shape_of(stored), tensor::bytes_of(stored)});
        kept_.push_back(std::move(stored));
        return {};
    }

    /// What the component's file holds beside it.
    void add_other(std::size_t index)
    {
        const auto& file = *rewrite_.component.tensors.file();
        const auto& [name, dtype, shape] = file.tensors()[index];
        views_.push_back({name, dtype, shape, file.bytes(index, buffers_.emplace_back())});
    }

    Result<> write(const fs::path& path, const std::stop_token& stop) const
    {
        VELAMEN_TRY(core::make_directory(path.parent_path()));
        // A large base is not all in memory while it is copied.
        const io::TensorFile& base = *rewrite_.component.tensors.file();
        return io::write_safetensors(path, views_, base.metadata(),
                                     [&](const io::TensorView& view) {
                                         base.give_back(view.bytes);
                                         return unless_stopped(stop);
                                     });
    }

private:
    const Rewrite& rewrite_;
    torch::OrderedDict<std::string, at::Tensor> parameters_;
    std::vector<io::TensorView> views_;
    std::deque<std::vector<std::byte>> buffers_; // a view's bytes may lie in one
    std::vector<at::Tensor> kept_;
};

/// A variant's name stays where the base has nothing but that variant.
fs::path file_of(const Rewrite& rewrite)
{
    const Component& component = rewrite.component;
    const fs::path name = component.tensors.file()->files().front().filename();
    const bool is_kept =
        component.owns_file && name.extension() == ".safetensors" && !rewrite.dtype;
    return fs::path(component.name) / (is_kept ? name.string() : weights_file_of(component.name));
}

Result<> write_component(const fs::path& aside, const Rewrite& rewrite, const std::stop_token& stop)
{
    const Component& component = rewrite.component;
    const StoredTensors& tensors = component.tensors;
    NewFile out(rewrite);
    if (!component.owns_file) {
        for (const StoredTensor& one : tensors.all())
            VELAMEN_TRY(out.add(one.name, one));
        return out.write(aside / file_of(rewrite), stop);
    }
    // In the file's order and under its names, also what no module has.
    std::map<std::size_t, const StoredTensor*> by_source;
    for (const StoredTensor& one : tensors.all())
        by_source.emplace(one.pieces.front().source, &one);
    const auto& stored = tensors.file()->tensors();
    for (std::size_t i = 0; i < stored.size(); ++i) {
        const auto found = by_source.find(i);
        if (found == by_source.end())
            out.add_other(i);
        else
            VELAMEN_TRY(out.add(stored[i].name, *found->second));
    }
    return out.write(aside / file_of(rewrite), stop);
}

/// Everything of the base that is not in `written`, byte for byte; hidden entries are left out.
/// `rewritten`: components of which no other variant of the weights is taken over.
Result<> copy_rest(const fs::path& base, const fs::path& out, const std::set<fs::path>& written,
                   const std::set<std::string>& rewritten, const std::stop_token& stop)
{
    std::error_code error;
    for (auto entry = fs::recursive_directory_iterator(base, error);
         !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        if (entry->path().filename().string().starts_with('.')) {
            entry.disable_recursion_pending();
            continue;
        }
        const fs::path relative = entry->path().lexically_relative(base);
        const bool is_stale =
            rewritten.contains(relative.parent_path().string()) && is_weights_file(relative);
        if (entry->is_regular_file() && !written.contains(relative) && !is_stale)
            VELAMEN_TRY(copy_synced(entry->path(), out / relative, stop));
    }
    if (error)
        return fail(ErrorCode::Unreadable, "cannot read " + base.string() + ": " + error.message());
    return {};
}

io::Json index_of(const Opened& opened)
{
    io::Json out = io::Json::object();
    const bool is_text = opened.conditioner && opened.conditioner->name == "text_encoder";
    out["_class_name"] = is_text ? "StableDiffusionPipeline" : "LatentDiffusion";
    for (const Role role : kRoles)
        if (const auto& component = opened.of(role))
            out[component->name] = index_entry(component->name, component->kind);
    out["scheduler"] = io::Json::Array{"diffusers", "DDIMScheduler"};
    if (opened.conditioner && opened.conditioner->name != "class_embedder")
        out["tokenizer"] =
            io::Json::Array{"transformers", is_text ? "CLIPTokenizer" : "BertTokenizer"};
    return out;
}

/// What a single file does not bring along.
Result<> write_frame(const fs::path& aside, const Opened& opened)
{
    VELAMEN_TRY(core::make_directory(aside / "scheduler"));
    VELAMEN_TRY(write_json(aside / kScheduleFile, opened.scheduler));
    VELAMEN_TRY(write_json(aside / kIndexFile, index_of(opened)));
    if (opened.conditioner && opened.conditioner->name != "class_embedder")
        return write_tokenizer(aside / "tokenizer", opened.conditioner->name == "bert");
    return {};
}

/// Adds an autoencoder that a folder has got from elsewhere to the folder's list of components.
/// Whether there was something to add.
Result<bool> complete_index(const fs::path& aside, const Opened& opened)
{
    if (!opened.autoencoder) return false;
    VELAMEN_ASSIGN(io::Json index, read_json(opened.path / kIndexFile));
    const io::Json* const listed = index.find(opened.autoencoder->name);
    if (listed && *listed != io::Json(io::Json::Array{nullptr, nullptr})) return false;
    index[opened.autoencoder->name] =
        index_entry(opened.autoencoder->name, opened.autoencoder->kind);
    VELAMEN_TRY(write_json(aside / kIndexFile, index));
    return true;
}

} // namespace

Result<> write_again(const fs::path& aside, const Opened& opened,
                     const std::vector<Rewrite>& rewrites, const Card& card,
                     const std::stop_token& stop)
{
    std::error_code ignored;
    const bool is_folder = fs::is_directory(opened.path, ignored);
    std::set<fs::path> written{kCardFile};
    std::set<std::string> rewritten;
    for (const Rewrite& rewrite : rewrites) {
        const std::string& name = rewrite.component.name;
        VELAMEN_TRY(write_component(aside, rewrite, stop));
        rewritten.insert(name);
        written.insert(file_of(rewrite));
        if (is_folder && !rewrite.config) continue;
        VELAMEN_TRY(write_json(aside / name / kConfigFile,
                               rewrite.config.value_or(rewrite.component.config)));
        written.insert(fs::path(name) / kConfigFile);
    }
    VELAMEN_TRY(write_json(aside / kCardFile, card_to_json(card)));
    if (is_folder) {
        VELAMEN_ASSIGN(const bool is_completed, complete_index(aside, opened));
        if (is_completed) written.insert(kIndexFile);
        return copy_rest(opened.path, aside, written, rewritten, stop);
    }
    for (const Role role : kRoles) {
        const auto& component = opened.of(role);
        if (!component || rewritten.contains(component->name)) continue;
        VELAMEN_TRY(write_component(aside, {.component = *component}, stop));
        VELAMEN_TRY(write_json(aside / component->name / kConfigFile, component->config));
    }
    return write_frame(aside, opened);
}

} // namespace velamen::checkpoint
