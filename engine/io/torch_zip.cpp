// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/io/torch_container.h"

#include <string>
#include <unordered_map>

#include "engine/io/byte_reader.h"
#include "engine/io/stored_zip.h"

namespace velamen::io {

namespace {

constexpr std::string_view kPickleName = "data.pkl";

using Entries = std::unordered_map<std::string_view, std::span<const std::byte>>;

/// "archive/" of "archive/data.pkl": the only entry of that name one level down.
Result<std::string> folder_of(const Entries& entries)
{
    std::string folder;
    for (const auto& [name, bytes] : entries) {
        const auto slash = name.find('/');
        if (slash == std::string_view::npos || name.substr(slash + 1) != kPickleName) continue;
        if (!folder.empty())
            return fail(ErrorCode::Corrupt, "it has more than one data.pkl",
                        "download the file again");
        folder = name.substr(0, slash + 1);
    }
    if (folder.empty())
        return fail(ErrorCode::Corrupt, "a zip without data.pkl in a folder: no torch file",
                    "unpack it and give the checkpoint inside");
    return folder;
}

} // namespace

Result<TorchContainer> read_torch_zip(std::span<const std::byte> file)
{
    VELAMEN_ASSIGN(const std::vector<StoredEntry> stored, read_stored_zip(file));
    Entries entries;
    for (const StoredEntry& entry : stored)
        entries.emplace(entry.name, entry.bytes);
    VELAMEN_ASSIGN(const std::string folder, folder_of(entries));
    const auto order = entries.find(folder + "byteorder");
    if (order != entries.end() && text_of(order->second) != "little")
        return fail(ErrorCode::Unsupported,
                    "its bytes are ordered \"" + shown(text_of(order->second))
                        + "\", only \"little\" is read",
                    "save it again on a little-endian machine");

    TorchContainer container;
    const auto pickle = entries.at(folder + std::string(kPickleName));
    VELAMEN_ASSIGN(container.pickle, read_pickle(pickle, kPickleName, file.size()));
    if (container.pickle.size != pickle.size())
        return fail(ErrorCode::Corrupt, "bytes behind the end of data.pkl",
                    "download the file again");
    for (const StorageRecord& storage : container.pickle.storages) {
        const std::string name = folder + "data/" + std::string(storage.key);
        const auto found = entries.find(name);
        if (found == entries.end())
            return fail(ErrorCode::Corrupt, "storage " + shown(name) + " is missing",
                        "download the file again");
        const auto needed = static_cast<std::uint64_t>(storage.numel) * size_of(storage.dtype);
        if (found->second.size() != needed)
            return fail(ErrorCode::Corrupt,
                        "storage " + shown(name) + " has " + std::to_string(found->second.size())
                            + " bytes, data.pkl needs " + std::to_string(needed),
                        "download the file again");
        container.storages.push_back(found->second);
    }
    return container;
}

} // namespace velamen::io
