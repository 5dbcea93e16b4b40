// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/io/tensor_file.h"

#include <functional>
#include <utility>
#include <variant>

#include "engine/io/file_kind.h"
#include "engine/io/mapped_file.h"
#include "engine/io/safetensors.h"
#include "engine/io/sharded_safetensors.h"
#include "engine/io/torch_file.h"

namespace velamen::io {

namespace fs = std::filesystem;

namespace {

std::vector<TensorHeader> headers_of(const auto& tensors)
{
    std::vector<TensorHeader> out;
    out.reserve(tensors.size());
    for (const auto& tensor : tensors)
        out.push_back({tensor.name, tensor.dtype, tensor.shape});
    return out;
}

/// Containers whose tensors lie row-major: safetensors, whole or in shards.
template <class Container>
class RowMajorFile final : public TensorFile {
public:
    RowMajorFile(Container container, std::vector<fs::path> files)
        : container_(std::move(container))
    {
        describe(headers_of(container_.tensors()), std::move(files));
        if constexpr (requires { container_.metadata(); }) metadata_ = container_.metadata();
    }
    std::span<const std::byte> bytes(std::size_t index,
                                     std::vector<std::byte>& /*buffer*/) const override
    {
        return container_.tensors()[index].bytes;
    }

protected:
    std::vector<const MappedFile*> mappings() const override
    {
        if constexpr (requires { container_.mappings(); })
            return container_.mappings();
        else
            return {&container_.mapping()};
    }

private:
    Container container_;
};

class TorchTensors final : public TensorFile {
public:
    TorchTensors(TorchFile file, const fs::path& path) : file_(std::move(file))
    {
        describe(headers_of(file_.tensors()), {path});
        for (const auto& [name, number] : file_.numbers())
            if (const auto* whole = std::get_if<std::int64_t>(&number))
                numbers_.emplace(name, *whole);
    }
    std::span<const std::byte> bytes(std::size_t index,
                                     std::vector<std::byte>& buffer) const override
    {
        return row_major(file_.tensors()[index], buffer);
    }

protected:
    std::vector<const MappedFile*> mappings() const override { return {&file_.mapping()}; }

private:
    TorchFile file_;
};

bool is_torch(FileKind kind) { return kind == FileKind::TorchZip || kind == FileKind::TorchLegacy; }

} // namespace

Result<std::shared_ptr<const TensorFile>> TensorFile::open(const fs::path& path)
{
    using Out = std::shared_ptr<const TensorFile>;
    if (path.extension() == ".json") {
        VELAMEN_ASSIGN(ShardedSafetensors shards, ShardedSafetensors::open(path));
        std::vector<fs::path> files = shards.files();
        return Out(std::make_shared<RowMajorFile<ShardedSafetensors>>(std::move(shards),
                                                                      std::move(files)));
    }
    FileKind kind = FileKind::Other;
    {
        VELAMEN_ASSIGN(const MappedFile file, MappedFile::open(path));
        kind = kind_of(file.bytes());
    }
    if (is_torch(kind) || (kind == FileKind::Other && path.extension() != ".safetensors")) {
        VELAMEN_ASSIGN(TorchFile file, TorchFile::open(path));
        return Out(std::make_shared<TorchTensors>(std::move(file), path));
    }
    VELAMEN_ASSIGN(SafetensorsFile file, SafetensorsFile::open(path));
    return Out(std::make_shared<RowMajorFile<SafetensorsFile>>(std::move(file), std::vector{path}));
}

void TensorFile::describe(std::vector<TensorHeader> tensors, std::vector<fs::path> files)
{
    tensors_ = std::move(tensors);
    files_ = std::move(files);
    for (std::size_t i = 0; i < tensors_.size(); ++i)
        index_.emplace(tensors_[i].name, i);
}

std::shared_ptr<std::byte> TensorFile::own(std::size_t index) const
{
    std::vector<std::byte> buffer;
    const auto wanted = bytes(index, buffer);
    if (wanted.empty() || !buffer.empty()) return nullptr;
    const MappedFile* file = mapping_of(wanted);
    if (file == nullptr) return nullptr;
    const std::lock_guard lock(mutex_);
    auto& copy = copies_[file];
    if (!copy) copy = file->copy_on_write();
    if (!copy) return nullptr;
    return {copy, copy.get() + (wanted.data() - file->bytes().data())};
}

void TensorFile::give_back(std::span<const std::byte> part) const noexcept
{
    if (const MappedFile* file = mapping_of(part)) file->give_back(part);
}

const MappedFile* TensorFile::mapping_of(std::span<const std::byte> part) const
{
    const std::less_equal<const std::byte*> below;
    for (const MappedFile* file : mappings()) {
        const auto all = file->bytes();
        if (below(all.data(), part.data())
            && below(part.data() + part.size(), all.data() + all.size()))
            return file;
    }
    return nullptr;
}

std::size_t TensorFile::find(std::string_view name) const noexcept
{
    const auto found = index_.find(name);
    return found == index_.end() ? tensors_.size() : found->second;
}

} // namespace velamen::io
