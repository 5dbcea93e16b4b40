// SPDX-License-Identifier: GPL-3.0-or-later
//
// From the pickle of a container to a list of tensors: which dictionary is the one, and what else
// it may hold.

#include "engine/io/torch_file.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "engine/io/byte_reader.h"
#include "engine/io/file_kind.h"
#include "engine/io/mapped_file.h"
#include "engine/io/torch_container.h"

namespace velamen::io {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStateDict = "state_dict";
constexpr int kMaxNesting = 8;
constexpr const char* kTensorsAlone =
    "save the tensors alone where you trust the file, best as .safetensors";

struct Contents {
    std::vector<TorchTensor> tensors;
    std::map<std::string, TorchFile::Number, std::less<>> numbers;
};

auto corrupt(const std::string& cause, const char* hint = "download the file again")
{
    return fail(ErrorCode::Corrupt, cause, hint);
}

const PickleSequence* if_dict(const PickleValue& value)
{
    const auto* sequence = std::get_if<PickleSequence>(&value);
    return sequence != nullptr && sequence->kind == PickleSequence::Kind::Dict ? sequence : nullptr;
}

/// Error when a text is there twice: readers would disagree on which of them counts.
Result<> check_keys(std::span<const PickleValue> items)
{
    std::unordered_map<std::string_view, bool> seen;
    for (std::size_t i = 0; i < items.size(); i += 2)
        if (const auto* key = std::get_if<std::string_view>(&items[i]);
            key != nullptr && !seen.emplace(*key, true).second)
            return corrupt("the key " + shown(*key) + " is there twice");
    return {};
}

const PickleValue* find_text(std::span<const PickleValue> items, std::string_view key)
{
    for (std::size_t i = 0; i < items.size(); i += 2)
        if (const auto* text = std::get_if<std::string_view>(&items[i]);
            text != nullptr && *text == key)
            return &items[i + 1];
    return nullptr;
}

void note_numbers(std::span<const PickleValue> items, Contents& contents)
{
    for (std::size_t i = 0; i < items.size(); i += 2) {
        const auto* key = std::get_if<std::string_view>(&items[i]);
        if (key == nullptr || !is_printable(*key)) continue;
        if (const auto* whole = std::get_if<std::int64_t>(&items[i + 1]))
            contents.numbers.emplace(*key, *whole);
        else if (const auto* real = std::get_if<double>(&items[i + 1]))
            contents.numbers.emplace(*key, *real);
    }
}

TorchTensor view_of(const TorchContainer& container, std::string_view name, PickleTensor tensor)
{
    const TensorRecord& record = container.pickle.tensors[tensor.index];
    const DType dtype = container.pickle.storages[record.storage].dtype;
    const std::size_t size = size_of(dtype);
    std::size_t elements = 0; // from the first to the last
    if (std::ranges::find(record.shape, 0) == record.shape.end()) {
        elements = 1;
        for (std::size_t i = 0; i < record.shape.size(); ++i)
            elements += static_cast<std::size_t>((record.shape[i] - 1) * record.strides[i]);
    }
    return {std::string(name), dtype, record.shape, record.strides,
            container.storages[record.storage].subspan(
                static_cast<std::size_t>(record.offset) * size, elements * size)};
}

/// Why an entry of the dictionary of tensors cannot be one.
tl::unexpected<Error> unusable(const std::string& name, const PickleValue& value)
{
    const KnownGlobal* global = nullptr;
    if (const auto* inert = std::get_if<PickleInert>(&value)) global = inert->global;
    if (const auto* named = std::get_if<const KnownGlobal*>(&value)) global = *named;
    if (global != nullptr)
        return fail(ErrorCode::Refused,
                    "refused " + global->full_name() + " among the tensors, entry " + name,
                    kTensorsAlone);
    return fail(ErrorCode::Unsupported,
                "entry " + name + " is a collection where a tensor is expected", kTensorsAlone);
}

Result<> list_tensors(const TorchContainer& container, std::span<const PickleValue> items,
                      std::size_t file_bytes, Contents& contents)
{
    // A tensor takes memory for every name that a few bytes of the pickle give it.
    std::size_t allowance = pickle_value_limit(file_bytes);
    for (std::size_t i = 0; i < items.size(); i += 2) {
        const auto* key = std::get_if<std::string_view>(&items[i]);
        if (key == nullptr || !is_printable(*key))
            return corrupt("a tensor's name is no printable text");
        const PickleValue& value = items[i + 1];
        if (const auto* tensor = std::get_if<PickleTensor>(&value)) {
            contents.tensors.push_back(view_of(container, *key, *tensor));
            const std::size_t cost = 8 + contents.tensors.back().shape.size();
            if (cost > allowance) return corrupt("one tensor has too many names");
            allowance -= cost;
            continue;
        }
        const bool is_beside_tensors = std::holds_alternative<std::monostate>(value)
            || std::holds_alternative<bool>(value) || std::holds_alternative<std::int64_t>(value)
            || std::holds_alternative<double>(value)
            || std::holds_alternative<std::string_view>(value);
        if (!is_beside_tensors) return unusable(shown(*key), value);
    }
    return {};
}

Result<Contents> contents_of(const TorchContainer& container, std::size_t file_bytes)
{
    const Pickle& pickle = container.pickle;
    const PickleSequence* dict = if_dict(pickle.root);
    if (dict == nullptr)
        return corrupt("it holds no dictionary of tensors", "give a file with a state_dict");
    Contents contents;
    for (int level = 0; level < kMaxNesting; ++level) {
        const auto items = pickle.items(*dict);
        VELAMEN_TRY(check_keys(items));
        note_numbers(items, contents);
        const PickleValue* inner = find_text(items, kStateDict);
        if (inner == nullptr) {
            VELAMEN_TRY(list_tensors(container, items, file_bytes, contents));
            return contents;
        }
        dict = if_dict(*inner);
        if (dict == nullptr) return corrupt("its state_dict is no dictionary", kTensorsAlone);
    }
    return corrupt("more than 8 dictionaries named state_dict lie in each other", kTensorsAlone);
}

Result<TorchContainer> read_container(std::span<const std::byte> file, FileKind kind)
{
    return kind == FileKind::TorchZip ? read_torch_zip(file) : read_torch_legacy(file);
}

/// A file too short to tell its kind by, but not to see that it would have been one of ours.
bool is_cut_signature(std::span<const std::byte> file)
{
    const std::string_view text = text_of(file);
    return std::string_view("PK\x03\x04").starts_with(text)
        || text_of(legacy_magic()).starts_with(text);
}

} // namespace

bool TorchTensor::is_contiguous() const noexcept
{
    if (bytes.empty()) return true;
    std::int64_t dense = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
        if (shape[i] != 1 && strides[i] != dense) return false;
        dense *= shape[i];
    }
    return true;
}

std::span<const std::byte> row_major(const TorchTensor& tensor, std::vector<std::byte>& buffer)
{
    if (tensor.is_contiguous()) return tensor.bytes;
    const std::size_t size = size_of(tensor.dtype), dims = tensor.shape.size();
    std::size_t elements = 1;
    for (const std::int64_t dim : tensor.shape)
        elements *= static_cast<std::size_t>(dim);
    buffer.resize(elements * size);
    Shape index(dims, 0);
    std::int64_t from = 0;
    for (std::size_t to = 0; to < elements; ++to) {
        std::memcpy(buffer.data() + to * size,
                    tensor.bytes.data() + static_cast<std::size_t>(from) * size, size);
        for (std::size_t d = dims; d-- > 0;) { // the next index, as an odometer counts
            from += tensor.strides[d];
            if (++index[d] < tensor.shape[d]) break;
            from -= tensor.shape[d] * tensor.strides[d];
            index[d] = 0;
        }
    }
    return buffer;
}

struct TorchFile::State {
    MappedFile file;
    Contents contents;
    std::unordered_map<std::string_view, std::size_t> index;
};

TorchFile::TorchFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
TorchFile::~TorchFile() = default;
const MappedFile& TorchFile::mapping() const noexcept { return state_->file; }
TorchFile::TorchFile(TorchFile&&) noexcept = default;
TorchFile& TorchFile::operator=(TorchFile&&) noexcept = default;

Result<TorchFile> TorchFile::open(const fs::path& path)
{
    auto state = std::make_unique<State>();
    VELAMEN_ASSIGN(state->file, MappedFile::open(path));
    const auto file = state->file.bytes();
    const auto in_file = [&](Error error) {
        error.message = path.filename().string() + ": " + error.message;
        return fail(std::move(error));
    };
    const FileKind kind = kind_of(file);
    if (kind != FileKind::TorchZip && kind != FileKind::TorchLegacy) {
        if (kind != FileKind::Other || !is_cut_signature(file)) return fail(mistaken(path, kind));
        return in_file(
            {ErrorCode::Corrupt,
             "truncated: its signature is cut, file has " + std::to_string(file.size()) + " bytes",
             "download it again"});
    }
    const auto container = read_container(file, kind);
    if (!container) return in_file(container.error());
    auto contents = contents_of(*container, file.size());
    if (!contents) return in_file(contents.error());
    state->contents = std::move(*contents);
    const auto& tensors = state->contents.tensors;
    for (std::size_t i = 0; i < tensors.size(); ++i)
        state->index.emplace(tensors[i].name, i);
    return TorchFile(std::move(state));
}

const std::vector<TorchTensor>& TorchFile::tensors() const noexcept
{
    return state_->contents.tensors;
}

const TorchTensor* TorchFile::find(std::string_view name) const noexcept
{
    const auto found = state_->index.find(name);
    return found == state_->index.end() ? nullptr : &state_->contents.tensors[found->second];
}

const std::map<std::string, TorchFile::Number, std::less<>>& TorchFile::numbers() const noexcept
{
    return state_->contents.numbers;
}

} // namespace velamen::io
