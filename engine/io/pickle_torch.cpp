// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/io/pickle_torch.h"

#include <algorithm>
#include <optional>

namespace velamen::io {

namespace {

/// Keys are numbers or addresses; a longer one would only make a hostile file slow to read.
constexpr std::size_t kMaxKey = 256;

auto because(std::string cause) { return tl::unexpected<std::string>(std::move(cause)); }

const PickleSequence* if_sequence(const PickleValue& value, PickleSequence::Kind kind)
{
    const auto* sequence = std::get_if<PickleSequence>(&value);
    return sequence != nullptr && sequence->kind == kind ? sequence : nullptr;
}

/// A tuple of numbers that are not negative.
std::optional<Shape> lengths(const Pickle& pickle, const PickleValue& value)
{
    const auto* tuple = if_sequence(value, PickleSequence::Kind::Tuple);
    if (tuple == nullptr || pickle.items(*tuple).size() > kMaxTensorDims) return std::nullopt;
    Shape numbers;
    for (const PickleValue& item : pickle.items(*tuple)) {
        const auto* number = std::get_if<std::int64_t>(&item);
        if (number == nullptr || *number < 0) return std::nullopt;
        numbers.push_back(*number);
    }
    return numbers;
}

/// None or an empty dictionary: hooks are functions and metadata changes values (conjugate,
/// negative), so neither can be passed over.
bool is_nothing(const Pickle& pickle, const PickleValue& value)
{
    const auto* dict = if_sequence(value, PickleSequence::Kind::Dict);
    return std::holds_alternative<std::monostate>(value)
        || (dict != nullptr && pickle.items(*dict).empty());
}

} // namespace

Parsed<StorageRecord> parse_storage(const Pickle& pickle, const PickleValue& persistent_id)
{
    const auto* tuple = if_sequence(persistent_id, PickleSequence::Kind::Tuple);
    if (tuple == nullptr) return because("a persistent id that is no tuple");
    const auto id = pickle.items(*tuple);
    if (id.size() != 5 && id.size() != 6)
        return because("a persistent id of " + std::to_string(id.size()) + " items");
    const auto* tag = std::get_if<std::string_view>(&id[0]);
    if (tag == nullptr || *tag != "storage")
        return because("a persistent id that names no storage");
    const auto* type = std::get_if<const KnownGlobal*>(&id[1]);
    if (type == nullptr || (*type)->role != GlobalRole::Storage)
        return because("a persistent id without a storage type");
    const auto* key = std::get_if<std::string_view>(&id[2]);
    if (key == nullptr || key->empty() || key->size() > kMaxKey)
        return because("a persistent id without a valid key");
    if (!std::holds_alternative<std::string_view>(id[3]))
        return because("a persistent id without a location");
    const auto* numel = std::get_if<std::int64_t>(&id[4]);
    if (numel == nullptr || *numel < 0)
        return because("a persistent id without a number of elements");
    if (id.size() == 6 && !std::holds_alternative<std::monostate>(id[5]))
        return because("a storage that is a view of another one");
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(*numel, size_of((*type)->dtype), &bytes))
        return because("a storage too large for any memory");
    return StorageRecord{*key, (*type)->dtype, *numel};
}

Parsed<TensorRecord> parse_tensor(const Pickle& pickle, std::span<const PickleValue> arguments)
{
    if (arguments.size() != 6 && arguments.size() != 7)
        return because("a tensor of " + std::to_string(arguments.size()) + " arguments");
    const auto* storage = std::get_if<PickleStorage>(&arguments[0]);
    if (storage == nullptr) return because("a tensor without a storage");
    const auto* offset = std::get_if<std::int64_t>(&arguments[1]);
    if (offset == nullptr || *offset < 0) return because("a tensor without a valid offset");
    auto shape = lengths(pickle, arguments[2]);
    auto strides = lengths(pickle, arguments[3]);
    if (!shape || !strides || shape->size() != strides->size())
        return because("a tensor without a valid size and stride");
    if (!std::holds_alternative<bool>(arguments[4]) || !is_nothing(pickle, arguments[5])
        || (arguments.size() == 7 && !is_nothing(pickle, arguments[6])))
        return because("a tensor with hooks or metadata");

    const std::int64_t numel = pickle.storages[storage->index].numel;
    std::int64_t last = *offset, elements = 1;
    bool is_too_large = *offset > numel;
    if (std::ranges::find(*shape, 0) == shape->end()) {
        for (std::size_t i = 0; i < shape->size(); ++i) {
            std::int64_t step = 0;
            is_too_large = is_too_large || __builtin_mul_overflow(elements, (*shape)[i], &elements)
                || __builtin_mul_overflow((*shape)[i] - 1, (*strides)[i], &step)
                || __builtin_add_overflow(last, step, &last);
        }
        is_too_large = is_too_large || last >= numel || elements > numel;
    }
    if (is_too_large)
        return because("a tensor that needs more elements than the " + std::to_string(numel)
                       + " of its storage");
    return TensorRecord{storage->index, *offset, std::move(*shape), std::move(*strides)};
}

Parsed<PickleTensor> parse_parameter(const Pickle& pickle, std::span<const PickleValue> arguments)
{
    if (arguments.size() != 3)
        return because("a parameter of " + std::to_string(arguments.size()) + " arguments");
    const auto* tensor = std::get_if<PickleTensor>(&arguments[0]);
    if (tensor == nullptr) return because("a parameter without a tensor");
    if (!std::holds_alternative<bool>(arguments[1]) || !is_nothing(pickle, arguments[2]))
        return because("a parameter with hooks");
    return *tensor;
}

} // namespace velamen::io
