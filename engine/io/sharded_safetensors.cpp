// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/io/sharded_safetensors.h"

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine/io/byte_reader.h"
#include "engine/io/file_kind.h"
#include "engine/io/json.h"
#include "engine/io/mapped_file.h"

namespace velamen::io {

namespace {

namespace fs = std::filesystem;

/// Names of tensors by the shard that has to hold them.
using Plan = std::map<std::string, std::set<std::string, std::less<>>>;

auto corrupt(const fs::path& path, const std::string& cause,
             const char* hint = "download the index and its shards again")
{
    return fail(ErrorCode::Corrupt, path.filename().string() + ": " + cause, hint);
}

/// A file beside the index: anything that could lead elsewhere is refused, never repaired.
bool is_bare_file_name(const std::string& name)
{
    return !name.empty() && name != "." && name != ".."
        && name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

Result<Plan> read_index(const fs::path& path)
{
    VELAMEN_ASSIGN(const MappedFile file, MappedFile::open(path));
    if (const FileKind kind = kind_of(file.bytes()); kind != FileKind::Other)
        return fail(mistaken(path, kind));
    if (file.bytes().size() > kMaxSafetensorsHeader)
        return corrupt(path, "an index of more than 100 MB");
    const auto index = Json::parse(text_of(file.bytes()));
    if (!index) return corrupt(path, index.error().message);
    const Json* const map = index->find("weight_map");
    if (map == nullptr || !map->is_object()) return corrupt(path, "it has no weight_map");
    Plan plan;
    for (const auto& [tensor, value] : *map->if_object()) {
        const std::string* const shard = value.if_string();
        if (shard == nullptr || !is_bare_file_name(*shard))
            return corrupt(path, "tensor " + shown(tensor) + " is in no file beside the index");
        plan[*shard].insert(tensor);
    }
    return plan;
}

} // namespace

struct ShardedSafetensors::State {
    std::vector<SafetensorsFile> shards;
    std::vector<TensorView> tensors;
    std::vector<fs::path> files;
    std::unordered_map<std::string_view, std::size_t> index;
};

ShardedSafetensors::ShardedSafetensors(std::unique_ptr<State> state) : state_(std::move(state)) {}
ShardedSafetensors::~ShardedSafetensors() = default;
ShardedSafetensors::ShardedSafetensors(ShardedSafetensors&&) noexcept = default;
ShardedSafetensors& ShardedSafetensors::operator=(ShardedSafetensors&&) noexcept = default;

Result<ShardedSafetensors> ShardedSafetensors::open(const fs::path& index)
{
    VELAMEN_ASSIGN(const Plan plan, read_index(index));
    auto state = std::make_unique<State>();
    state->files.push_back(index);
    for (const auto& [name, listed] : plan) {
        const fs::path path = index.parent_path() / name;
        VELAMEN_ASSIGN(SafetensorsFile shard, SafetensorsFile::open(path));
        for (const TensorView& tensor : shard.tensors())
            if (!listed.contains(tensor.name))
                return corrupt(path,
                               "tensor " + shown(tensor.name) + " is not in this shard's index");
        for (const std::string& tensor : listed)
            if (shard.find(tensor) == nullptr)
                return corrupt(path, "tensor " + shown(tensor) + " is missing");
        state->tensors.insert(state->tensors.end(), shard.tensors().begin(), shard.tensors().end());
        state->files.push_back(path);
        state->shards.push_back(std::move(shard));
    }
    for (std::size_t i = 0; i < state->tensors.size(); ++i)
        state->index.emplace(state->tensors[i].name, i);
    return ShardedSafetensors(std::move(state));
}

const std::vector<TensorView>& ShardedSafetensors::tensors() const noexcept
{
    return state_->tensors;
}

std::vector<const MappedFile*> ShardedSafetensors::mappings() const
{
    std::vector<const MappedFile*> out;
    for (const SafetensorsFile& shard : state_->shards)
        out.push_back(&shard.mapping());
    return out;
}

const std::vector<fs::path>& ShardedSafetensors::files() const noexcept { return state_->files; }

const TensorView* ShardedSafetensors::find(std::string_view name) const noexcept
{
    const auto found = state_->index.find(name);
    return found == state_->index.end() ? nullptr : &state_->tensors[found->second];
}

} // namespace velamen::io
