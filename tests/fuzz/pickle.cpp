// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any bytes as a pickle are refused with a sentence or read; what was read refers to nothing that
// is not there, and is as small as the input.

#include <algorithm>
#include <variant>

#include "engine/io/byte_reader.h"
#include "engine/io/pickle.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace velamen;

void check(const io::Pickle& pickle, const io::PickleValue& value)
{
    if (const auto* sequence = std::get_if<io::PickleSequence>(&value)) {
        fuzz::require(sequence->index < pickle.sequences.size(), "a sequence is there");
        fuzz::require(sequence->kind != io::PickleSequence::Kind::Dict
                          || pickle.items(*sequence).size() % 2 == 0,
                      "every key has a value");
    }
    if (const auto* storage = std::get_if<io::PickleStorage>(&value))
        fuzz::require(storage->index < pickle.storages.size(), "a storage is there");
    if (const auto* tensor = std::get_if<io::PickleTensor>(&value))
        fuzz::require(tensor->index < pickle.tensors.size(), "a tensor is there");
}

/// The largest element of a view, the slow way: no product or sum may leave the storage.
void check(const io::Pickle& pickle, const io::TensorRecord& tensor)
{
    fuzz::require(tensor.storage < pickle.storages.size(), "its storage is there");
    const std::int64_t numel = pickle.storages[tensor.storage].numel;
    fuzz::require(tensor.offset >= 0 && tensor.offset <= numel, "it starts in its storage");
    fuzz::require(tensor.shape.size() == tensor.strides.size(), "a stride for every size");
    if (std::ranges::count(tensor.shape, 0) > 0) return; // it has no element, whatever its strides
    __extension__ using Wide = __int128;
    Wide last = tensor.offset, elements = 1;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        fuzz::require(tensor.shape[i] > 0 && tensor.strides[i] >= 0, "nothing is negative");
        last += Wide{tensor.shape[i] - 1} * tensor.strides[i];
        elements *= tensor.shape[i];
        fuzz::require(last < numel && elements <= numel, "it ends in its storage");
    }
    fuzz::require(last < numel, "a scalar too");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const fuzz::AllocationLimit limit(size);
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto pickle = io::read_pickle(bytes, "data.pkl", size);
    if (!pickle) {
        const Error& error = pickle.error();
        fuzz::require(error.message.find("data.pkl") != std::string::npos, "an error says where");
        fuzz::require(io::is_printable(error.message), "and can be shown");
        fuzz::require(!error.hint.empty(), "with the way out");
        return 0;
    }
    fuzz::require(pickle->size <= size, "it ends in the input");
    check(*pickle, pickle->root);
    std::size_t values = pickle->tensors.size() + pickle->storages.size();
    for (const auto& items : pickle->sequences) {
        values += items.size();
        for (const io::PickleValue& item : items)
            check(*pickle, item);
    }
    fuzz::require(values <= io::pickle_value_limit(size), "within its limit");
    for (const io::TensorRecord& tensor : pickle->tensors)
        check(*pickle, tensor);
    return 0;
}
