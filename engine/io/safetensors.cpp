// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reader and writer of the safetensors container. The reader is stricter than the reference one:
// whatever the header says twice, or about bytes that are not exactly there, is refused.

#include "engine/io/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "engine/core/file.h"
#include "engine/io/byte_reader.h"
#include "engine/io/file_kind.h"
#include "engine/io/json.h"
#include "engine/io/mapped_file.h"

namespace velamen::io {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPrefix = 8;

auto corrupt(const fs::path& path, const std::string& cause, std::string hint = {})
{
    return fail(ErrorCode::Corrupt, path.filename().string() + ": " + cause, std::move(hint));
}

struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/// Bytes of a tensor; nothing on overflow.
std::optional<std::uint64_t> bytes_of(DType dtype, const Shape& shape)
{
    std::uint64_t bytes = size_of(dtype);
    bool is_empty = false;
    for (const std::int64_t dim : shape)
        is_empty = is_empty || dim == 0;
    if (is_empty) return 0;
    for (const std::int64_t dim : shape)
        if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dim), &bytes))
            return std::nullopt;
    return bytes;
}

/// One member of the header; `cause` is the sentence of the error.
tl::expected<std::pair<TensorView, Extent>, std::string> read_entry(const std::string& name,
                                                                    const Json& entry)
{
    const auto refuse = [&](const std::string& cause) {
        return tl::unexpected<std::string>("tensor " + name + " " + cause);
    };
    if (!entry.is_object()) return refuse("is not described by an object");
    for (const auto& [key, value] : *entry.if_object())
        if (key != "dtype" && key != "shape" && key != "data_offsets")
            return refuse("has an unknown field \"" + key + "\"");
    TensorView tensor;
    tensor.name = name;
    const auto dtype_name = entry.text("dtype");
    if (!dtype_name) return refuse("has no dtype");
    const auto dtype = dtype_of(*dtype_name);
    if (!dtype) return refuse("has the unknown dtype \"" + *dtype_name + "\"");
    tensor.dtype = *dtype;
    auto shape = entry.integers("shape");
    if (!shape) return refuse("has no shape of whole numbers");
    tensor.shape = std::move(*shape);
    if (std::ranges::any_of(tensor.shape, [](std::int64_t dim) { return dim < 0; }))
        return refuse("has a negative dimension");
    const auto offsets = entry.integers("data_offsets");
    if (!offsets || offsets->size() != 2 || (*offsets)[0] < 0 || (*offsets)[1] < (*offsets)[0])
        return refuse("has no valid data_offsets");
    const Extent extent{static_cast<std::uint64_t>((*offsets)[0]),
                        static_cast<std::uint64_t>((*offsets)[1])};
    const auto bytes = bytes_of(tensor.dtype, tensor.shape);
    if (!bytes) return refuse("has a shape too large for any memory");
    if (*bytes != extent.end - extent.begin)
        return refuse("needs " + std::to_string(*bytes) + " bytes, data_offsets give "
                      + std::to_string(extent.end - extent.begin));
    return std::pair(std::move(tensor), extent);
}

} // namespace

struct SafetensorsFile::State {
    MappedFile file;
    std::vector<TensorView> tensors;
    std::unordered_map<std::string_view, std::size_t> index;
    std::map<std::string, std::string> metadata;
};

SafetensorsFile::SafetensorsFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsFile::~SafetensorsFile() = default;
const MappedFile& SafetensorsFile::mapping() const noexcept { return state_->file; }
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;

Result<SafetensorsFile> SafetensorsFile::open(const fs::path& path)
{
    auto state = std::make_unique<State>();
    VELAMEN_ASSIGN(state->file, MappedFile::open(path));
    const auto bytes = state->file.bytes();
    if (const FileKind kind = kind_of(bytes);
        kind != FileKind::Safetensors && kind != FileKind::Other)
        return fail(mistaken(path, kind));

    if (bytes.size() < kPrefix)
        return corrupt(path,
                       "truncated: a header needs at least 8 bytes, file has "
                           + std::to_string(bytes.size()),
                       "download it again");
    std::uint64_t header_size = 0;
    std::memcpy(&header_size, bytes.data(), kPrefix);
    if (header_size > kMaxSafetensorsHeader)
        return corrupt(path,
                       "not a safetensors file: its header would have "
                           + std::to_string(header_size) + " bytes");
    if (header_size > bytes.size() - kPrefix)
        return corrupt(path,
                       "truncated: header needs " + std::to_string(header_size)
                           + " bytes, file has " + std::to_string(bytes.size()),
                       "download it again");
    const std::string_view header_text = text_of(bytes).substr(kPrefix, header_size);
    if (!header_text.starts_with('{')) return corrupt(path, "the header does not start with \"{\"");
    const auto header = Json::parse(header_text);
    if (!header) return corrupt(path, "header " + header.error().message);
    if (!header->is_object()) return corrupt(path, "the header is not an object");

    std::vector<std::pair<TensorView, Extent>> entries;
    for (const auto& [name, value] : *header->if_object()) {
        if (name == "__metadata__") {
            if (!value.is_object()) return corrupt(path, "__metadata__ is not an object");
            for (const auto& [key, note] : *value.if_object()) {
                if (!note.is_string())
                    return corrupt(path, "__metadata__ holds something that is not a text");
                state->metadata.emplace(key, *note.if_string());
            }
            continue;
        }
        auto entry = read_entry(name, value);
        if (!entry) return corrupt(path, entry.error());
        entries.push_back(std::move(*entry));
    }
    std::ranges::stable_sort(entries, {}, [](const auto& entry) {
        return std::pair(entry.second.begin, entry.second.end);
    });

    const auto data = bytes.subspan(kPrefix + static_cast<std::size_t>(header_size));
    std::uint64_t end = 0;
    const TensorView* previous = nullptr;
    for (auto& [tensor, extent] : entries) {
        if (extent.begin < end)
            return corrupt(path, "tensor " + tensor.name + " overlaps " + previous->name);
        if (extent.begin > end)
            return corrupt(path,
                           "a hole of " + std::to_string(extent.begin - end)
                               + " bytes lies before tensor " + tensor.name);
        if (extent.end > data.size())
            return corrupt(path,
                           "truncated: tensor " + tensor.name + " ends at byte "
                               + std::to_string(extent.end) + " of the data, there are "
                               + std::to_string(data.size()),
                           "download it again");
        tensor.bytes = data.subspan(static_cast<std::size_t>(extent.begin),
                                    static_cast<std::size_t>(extent.end - extent.begin));
        end = extent.end;
        previous = &tensor;
    }
    if (end != data.size())
        return corrupt(path, std::to_string(data.size() - end) + " bytes belong to no tensor");

    state->tensors.reserve(entries.size());
    for (auto& [tensor, extent] : entries)
        state->tensors.push_back(std::move(tensor));
    for (std::size_t i = 0; i < state->tensors.size(); ++i)
        state->index.emplace(state->tensors[i].name, i);
    return SafetensorsFile(std::move(state));
}

const std::vector<TensorView>& SafetensorsFile::tensors() const noexcept { return state_->tensors; }

const TensorView* SafetensorsFile::find(std::string_view name) const noexcept
{
    const auto found = state_->index.find(name);
    return found == state_->index.end() ? nullptr : &state_->tensors[found->second];
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const noexcept
{
    return state_->metadata;
}

Result<> write_safetensors(const fs::path& path, std::span<const TensorView> tensors,
                           const std::map<std::string, std::string>& metadata,
                           const std::function<Result<>(const TensorView&)>& written)
{
    Json::Object header;
    if (!metadata.empty()) {
        Json::Object notes;
        for (const auto& [key, note] : metadata)
            notes.emplace_back(key, note);
        header.emplace_back("__metadata__", std::move(notes));
    }
    std::set<std::string_view> names{"__metadata__"};
    std::int64_t offset = 0;
    for (const TensorView& tensor : tensors) {
        if (!names.insert(tensor.name).second)
            return fail(ErrorCode::InvalidArgument,
                        "two tensors of one file are named " + tensor.name);
        const bool is_negative =
            std::ranges::any_of(tensor.shape, [](std::int64_t dim) { return dim < 0; });
        if (is_negative || bytes_of(tensor.dtype, tensor.shape) != tensor.bytes.size())
            return fail(ErrorCode::InvalidArgument,
                        "tensor " + tensor.name + " has " + std::to_string(tensor.bytes.size())
                            + " bytes, which is not what its shape needs");
        Json::Array shape(tensor.shape.begin(), tensor.shape.end());
        const auto end = offset + static_cast<std::int64_t>(tensor.bytes.size());
        Json::Object entry;
        entry.emplace_back("dtype", name_of(tensor.dtype));
        entry.emplace_back("shape", std::move(shape));
        entry.emplace_back("data_offsets", Json::Array{Json(offset), Json(end)});
        header.emplace_back(tensor.name, std::move(entry));
        offset = end;
    }
    std::string text = Json(std::move(header)).dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    if (text.size() > kMaxSafetensorsHeader)
        return fail(ErrorCode::InvalidArgument,
                    "the header of " + path.string() + " would be over 100 MB");

    VELAMEN_ASSIGN(core::AtomicFile file, core::AtomicFile::create(path));
    const std::uint64_t header_size = text.size();
    VELAMEN_TRY(file.write(std::as_bytes(std::span(&header_size, 1))));
    VELAMEN_TRY(file.write(text));
    for (const TensorView& tensor : tensors) {
        VELAMEN_TRY(file.write(tensor.bytes));
        if (written) VELAMEN_TRY(written(tensor));
    }
    return file.commit();
}

} // namespace velamen::io
