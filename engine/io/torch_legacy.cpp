// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/io/torch_container.h"

#include <optional>
#include <string>
#include <unordered_map>

#include "engine/io/byte_reader.h"
#include "engine/io/file_kind.h"

namespace velamen::io {

namespace {

constexpr std::int64_t kVersion = 1001;

auto corrupt(const std::string& cause)
{
    return fail(ErrorCode::Corrupt, cause, "download the file again");
}

/// The third pickle says how the machine that wrote the file ordered its bytes.
bool is_big_endian(const Pickle& machine)
{
    const auto* dict = std::get_if<PickleSequence>(&machine.root);
    if (dict == nullptr || dict->kind != PickleSequence::Kind::Dict) return false;
    const auto items = machine.items(*dict);
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
        const auto* key = std::get_if<std::string_view>(&items[i]);
        const auto* value = std::get_if<bool>(&items[i + 1]);
        if (key != nullptr && *key == "little_endian" && value != nullptr) return !*value;
    }
    return false;
}

/// The pickle that comes next; the reader goes on behind it.
Result<Pickle> next_pickle(ByteReader& reader, const char* name, std::size_t file_bytes)
{
    VELAMEN_ASSIGN(Pickle pickle, read_pickle(reader.ahead(reader.left()), name, file_bytes));
    reader.take(pickle.size);
    return pickle;
}

/// Finds the bytes of every storage by walking over them in the order of `keys`.
Result<> locate_storages(ByteReader& reader, const Pickle& keys, TorchContainer& container)
{
    const auto* list = std::get_if<PickleSequence>(&keys.root);
    if (list == nullptr || list->kind != PickleSequence::Kind::List)
        return corrupt("the keys of its storages are no list");
    const auto& storages = container.pickle.storages;
    std::unordered_map<std::string_view, std::size_t> pending;
    for (std::size_t i = 0; i < storages.size(); ++i)
        pending.emplace(storages[i].key, i);
    container.storages.resize(storages.size());
    const std::size_t file_bytes = reader.position() + reader.left();
    for (const PickleValue& item : keys.items(*list)) {
        const auto* key = std::get_if<std::string_view>(&item);
        const auto found = key == nullptr ? pending.end() : pending.find(*key);
        if (found == pending.end())
            return corrupt("its list of storages names one twice, or one that no tensor uses");
        const StorageRecord& storage = storages[found->second];
        const std::string name = "storage " + shown(storage.key);
        const auto needed = static_cast<std::uint64_t>(storage.numel) * size_of(storage.dtype);
        const auto count = reader.number<std::int64_t>();
        if (count && *count != storage.numel)
            return corrupt(name + " has " + std::to_string(*count) + " elements, its pickle says "
                           + std::to_string(storage.numel));
        const auto bytes = count ? reader.take(needed) : std::nullopt;
        if (!bytes)
            return corrupt("truncated: " + name + " needs " + std::to_string(needed)
                           + " bytes from byte " + std::to_string(reader.position())
                           + " on, file has " + std::to_string(file_bytes));
        container.storages[found->second] = *bytes;
        pending.erase(found);
    }
    if (!pending.empty())
        return corrupt("storage " + shown(pending.begin()->first)
                       + " is not in its list of storages");
    if (reader.left() > 0)
        return corrupt(std::to_string(reader.left()) + " bytes belong to no storage");
    return {};
}

} // namespace

Result<TorchContainer> read_torch_legacy(std::span<const std::byte> file)
{
    ByteReader reader(file);
    reader.take(legacy_magic().size());
    VELAMEN_ASSIGN(const Pickle version, next_pickle(reader, "its version", file.size()));
    const auto* number = std::get_if<std::int64_t>(&version.root);
    if (number == nullptr || *number != kVersion)
        return fail(ErrorCode::Unsupported, "a legacy torch file of an unknown version",
                    "load it with torch and save it again");
    VELAMEN_ASSIGN(const Pickle machine,
                   next_pickle(reader, "its notes on the machine", file.size()));
    if (is_big_endian(machine))
        return fail(ErrorCode::Unsupported, "its bytes are big-endian, only \"little\" is read",
                    "save it again on a little-endian machine");
    TorchContainer container;
    VELAMEN_ASSIGN(container.pickle, next_pickle(reader, "its pickle", file.size()));
    VELAMEN_ASSIGN(const Pickle keys, next_pickle(reader, "its list of storages", file.size()));
    VELAMEN_TRY(locate_storages(reader, keys, container));
    return container;
}

} // namespace velamen::io
