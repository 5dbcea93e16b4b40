// SPDX-License-Identifier: GPL-3.0-or-later
//
// One set of tensors in several safetensors files, held together by an index
// (model.safetensors.index.json), as large checkpoints are published.

#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/safetensors.h"

namespace velamen::io {

/// All shards of an index, open. The views stay valid as long as it lives. Immutable: any thread
/// may read.
class ShardedSafetensors {
public:
    /// The shards lie beside `index` and are named without a folder. Corrupt when index and shards
    /// differ in a single tensor: one that is missing, beside those listed or in another shard.
    static Result<ShardedSafetensors> open(const std::filesystem::path& index);
    ~ShardedSafetensors();
    ShardedSafetensors(ShardedSafetensors&&) noexcept;
    ShardedSafetensors& operator=(ShardedSafetensors&&) noexcept;

    /// Shard by shard in the order of their names, each in the order of its data.
    const std::vector<TensorView>& tensors() const noexcept;
    const TensorView* find(std::string_view name) const noexcept;
    /// What the views lie in, shard by shard.
    std::vector<const MappedFile*> mappings() const;
    /// The index, then its shards.
    const std::vector<std::filesystem::path>& files() const noexcept;

private:
    struct State;
    explicit ShardedSafetensors(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::io
