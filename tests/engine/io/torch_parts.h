// SPDX-License-Identifier: GPL-3.0-or-later
//
// Pickles, zips and legacy files put together by hand, so that each can be wrong in one place.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace velamen::io::parts {

/// `value` as it lies in a file.
template <class T>
std::string little(T value)
{
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

inline std::span<const std::byte> bytes_of(std::string_view text)
{
    return std::as_bytes(std::span(text.data(), text.size()));
}

// ---- opcodes: each puts one value on the stack ----

inline std::string text(std::string_view content)
{
    return "X" + little(static_cast<std::uint32_t>(content.size())) + std::string(content);
}

inline std::string integer(std::int64_t value) { return "\x8a\x08" + little(value); }

inline std::string global(const std::string& module, const std::string& name)
{
    return "c" + module + "\n" + name + "\n";
}

inline std::string tuple(const std::vector<std::string>& items)
{
    std::string made = "(";
    for (const std::string& item : items)
        made += item;
    return made + "t";
}

inline std::string numbers(const std::vector<std::int64_t>& values)
{
    std::vector<std::string> items;
    for (const std::int64_t value : values)
        items.push_back(integer(value));
    return tuple(items);
}

inline std::string call(const std::string& function, const std::vector<std::string>& arguments)
{
    return function + tuple(arguments) + "R";
}

inline std::string dict(const std::vector<std::pair<std::string, std::string>>& entries)
{
    std::string made = "}(";
    for (const auto& [key, value] : entries)
        made += text(key) + value;
    return made + "u";
}

inline const std::string kNone = "N", kFalse = "\x89";
inline const std::string kNoHooks = global("collections", "OrderedDict") + ")R";
inline const std::string kRebuild = global("torch._utils", "_rebuild_tensor_v2");

inline std::string storage(const std::string& type, std::string_view key, std::int64_t numel)
{
    return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(numel)})
        + "Q";
}

inline std::string tensor(const std::string& of, std::int64_t offset,
                          const std::vector<std::int64_t>& shape,
                          const std::vector<std::int64_t>& strides)
{
    return call(kRebuild,
                {of, integer(offset), numbers(shape), numbers(strides), kFalse, kNoHooks});
}

inline std::string pickle(const std::string& value) { return "\x80\x02" + value + "."; }

// ---- containers ----

/// An entry and what its headers say about it.
struct ZipPart {
    std::string name;
    std::string data;
    std::uint16_t method = 0;
    std::uint16_t flags = 0x0808; ///< sizes only in the central directory, as torch writes
    std::optional<std::uint32_t> size{}, stored{}, offset{}; ///< instead of the true ones
    std::string local_name{};                                ///< instead of `name`
    std::string extra{};                                     ///< of the central directory
};

struct Zip {
    std::string bytes;
    std::size_t directory = 0; ///< where the central directory starts
    std::size_t end = 0;       ///< where it ends
};

inline Zip zip_without_end(const std::vector<ZipPart>& entries)
{
    Zip zip;
    std::string directory;
    for (const ZipPart& part : entries) {
        const auto offset = part.offset.value_or(static_cast<std::uint32_t>(zip.bytes.size()));
        const auto size = part.size.value_or(static_cast<std::uint32_t>(part.data.size()));
        const auto stored = part.stored.value_or(size);
        const std::string& local = part.local_name.empty() ? part.name : part.local_name;
        const std::string common = little(part.flags) + little(part.method) + little(0);
        zip.bytes += "PK\x03\x04" + little<std::uint16_t>(0) + common + std::string(12, '\0')
            + little(static_cast<std::uint16_t>(local.size())) + little<std::uint16_t>(4) + local
            + "FB" + little<std::uint16_t>(0) + part.data;
        directory += "PK\x01\x02" + little(0) + common + little(0) + little(stored) + little(size)
            + little(static_cast<std::uint16_t>(part.name.size()))
            + little(static_cast<std::uint16_t>(part.extra.size())) + std::string(10, '\0')
            + little(offset) + part.name + part.extra;
    }
    zip.directory = zip.bytes.size();
    zip.bytes += directory;
    zip.end = zip.bytes.size();
    return zip;
}

inline std::string end_record(std::uint16_t entries, std::uint32_t size, std::uint32_t offset)
{
    return "PK\x05\x06" + little(0) + little(entries) + little(entries) + little(size)
        + little(offset) + little<std::uint16_t>(0);
}

/// The ZIP64 end record, which lies at `at`, and its locator.
inline std::string end_record64(std::uint64_t entries, std::uint64_t size, std::uint64_t offset,
                                std::uint64_t at)
{
    return "PK\x06\x06" + little<std::uint64_t>(44) + little(0) + std::string(8, '\0')
        + little(entries) + little(entries) + little(size) + little(offset) + "PK\x06\x07"
        + little(0) + little(at) + little(1);
}

inline std::string zip(const std::vector<ZipPart>& entries)
{
    const Zip made = zip_without_end(entries);
    return made.bytes
        + end_record(static_cast<std::uint16_t>(entries.size()),
                     static_cast<std::uint32_t>(made.end - made.directory),
                     static_cast<std::uint32_t>(made.directory));
}

/// A torch zip of one object and its storages by key.
inline std::string torch_zip(const std::string& object,
                             const std::vector<std::pair<std::string, std::string>>& storages = {})
{
    std::vector<ZipPart> entries{{"archive/data.pkl", pickle(object)},
                                 {"archive/byteorder", "little"}};
    for (const auto& [key, data] : storages)
        entries.push_back({"archive/data/" + key, data});
    return zip(entries);
}

inline const std::string kLegacyMagic =
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";

inline std::string little_endian(bool is_little)
{
    return dict({{"little_endian", is_little ? "\x88" : "\x89"}});
}

/// A legacy file up to its storages.
inline std::string legacy(const std::string& object, const std::vector<std::string>& keys,
                          const std::string& version = integer(1001),
                          const std::string& machine = little_endian(true))
{
    std::string list = "](";
    for (const std::string& key : keys)
        list += text(key);
    return kLegacyMagic + pickle(version) + pickle(machine) + pickle(object) + pickle(list + "e");
}

} // namespace velamen::io::parts
