// SPDX-License-Identifier: GPL-3.0-or-later
//
// Structures and numbers: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central
// directory), 4.3.14 to 4.3.16 (its end, ZIP64 and not) and 4.5.3 (ZIP64 extra field).

#include "engine/io/stored_zip.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <unordered_set>

#include "engine/io/byte_reader.h"

namespace velamen::io {

namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocator64Signature = 0x07064b50;
constexpr std::size_t kEndSize = 22, kLocator64Size = 20, kMaxComment = 0xffff;
constexpr std::uint16_t kZip64Extra = 0x0001;
constexpr std::uint16_t kEncrypted = 0x0001;
/// A field that ZIP64 replaces.
constexpr std::uint32_t kElsewhere = 0xffffffff;

struct [[gnu::packed]] EndRecord {
    std::uint32_t signature;
    std::uint16_t disk, directory_disk, entries_here, entries;
    std::uint32_t size, offset;
    std::uint16_t comment;
};
static_assert(sizeof(EndRecord) == kEndSize);

struct [[gnu::packed]] Locator64 {
    std::uint32_t signature, disk;
    std::uint64_t offset;
    std::uint32_t disks;
};
static_assert(sizeof(Locator64) == kLocator64Size);

struct [[gnu::packed]] EndRecord64 {
    std::uint32_t signature;
    std::uint64_t rest;
    std::uint16_t made_by, needs;
    std::uint32_t disk, directory_disk;
    std::uint64_t entries_here, entries, size, offset;
};
static_assert(sizeof(EndRecord64) == 56);

struct [[gnu::packed]] CentralHeader {
    std::uint32_t signature;
    std::uint16_t made_by, needs, flags, method, time, date;
    std::uint32_t check, stored, size;
    std::uint16_t name, extra, comment, disk, attributes;
    std::uint32_t external, offset;
};
static_assert(sizeof(CentralHeader) == 46);

struct [[gnu::packed]] LocalHeader {
    std::uint32_t signature;
    std::uint16_t needs, flags, method, time, date;
    std::uint32_t check, stored, size;
    std::uint16_t name, extra;
};
static_assert(sizeof(LocalHeader) == 30);

auto corrupt(const std::string& cause)
{
    return fail(ErrorCode::Corrupt, cause, "download the file again");
}

template <class Record>
std::optional<Record> record_at(std::span<const std::byte> file, std::uint64_t at)
{
    if (at > file.size()) return std::nullopt;
    return ByteReader(file.subspan(static_cast<std::size_t>(at))).record<Record>();
}

struct Directory {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t entries = 0;
    std::uint64_t end = 0; ///< where its end record starts
};

bool agrees(std::uint64_t field, std::uint64_t saturated, std::uint64_t wide)
{
    return field == wide || field == saturated;
}

/// With ZIP64, two records describe the directory: both have to tell the same, or readers could be
/// made to see different files.
Result<Directory> wide_directory(std::span<const std::byte> file, const EndRecord& end,
                                 std::uint64_t locator_at)
{
    const auto locator = record_at<Locator64>(file, locator_at);
    const auto wide = record_at<EndRecord64>(file, locator->offset);
    if (!wide || wide->signature != kEnd64Signature || wide->rest + 12 != sizeof(EndRecord64)
        || locator->offset + sizeof(EndRecord64) != locator_at)
        return corrupt("its ZIP64 end record is not where the zip says");
    if (wide->disk != 0 || wide->directory_disk != 0 || wide->entries_here != wide->entries
        || !agrees(end.entries, 0xffff, wide->entries) || !agrees(end.size, kElsewhere, wide->size)
        || !agrees(end.offset, kElsewhere, wide->offset))
        return corrupt("its two end records contradict each other");
    return Directory{wide->offset, wide->size, wide->entries, locator->offset};
}

Result<Directory> find_directory(std::span<const std::byte> file)
{
    const std::size_t farthest = std::min(file.size(), kEndSize + kMaxComment);
    for (std::size_t back = kEndSize; back <= farthest; ++back) {
        const std::size_t at = file.size() - back;
        const auto end = record_at<EndRecord>(file, at);
        if (end->signature != kEndSignature || end->comment != back - kEndSize) continue;
        if (end->disk != 0 || end->directory_disk != 0 || end->entries_here != end->entries)
            return corrupt("it is one part of a zip of many");
        Directory directory{end->offset, end->size, end->entries, at};
        if (at >= kLocator64Size) {
            const std::size_t locator_at = at - kLocator64Size;
            const auto signature = record_at<std::uint32_t>(file, locator_at);
            if (*signature == kLocator64Signature) {
                VELAMEN_ASSIGN(directory, wide_directory(file, *end, locator_at));
            }
        }
        if (directory.offset > directory.end || directory.end - directory.offset != directory.size)
            return corrupt("its central directory is not where the zip says");
        return directory;
    }
    return corrupt("truncated: the central directory is missing at the end, file has "
                   + std::to_string(file.size()) + " bytes");
}

struct Extent {
    std::uint64_t begin = 0; ///< of the local header
    std::uint64_t end = 0;   ///< of the data
    std::string_view name;
};

struct Central {
    std::string_view name;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
};

/// Replaces the saturated fields of `header`; false when the extra field lacks one.
bool widen(std::span<const std::byte> extra, const CentralHeader& header, std::uint64_t& stored,
           Central& entry)
{
    ByteReader fields(extra);
    const bool is_wide =
        header.size == kElsewhere || header.stored == kElsewhere || header.offset == kElsewhere;
    while (is_wide) {
        const auto id = fields.number<std::uint16_t>();
        const auto size = fields.number<std::uint16_t>();
        const auto content = size ? fields.take(*size) : std::nullopt;
        if (!content) return false;
        if (*id != kZip64Extra) continue;
        ByteReader numbers(*content);
        // Copies: a reference to a field of a packed struct may be unaligned.
        const std::uint32_t narrow[]{header.size, header.stored, header.offset};
        std::uint64_t* const wide[]{&entry.size, &stored, &entry.offset};
        for (std::size_t i = 0; i < std::size(wide); ++i) {
            if (narrow[i] != kElsewhere) continue;
            const auto number = numbers.number<std::uint64_t>();
            if (!number) return false;
            *wide[i] = *number;
        }
        return true;
    }
    return true;
}

Result<Central> read_central(ByteReader& directory)
{
    const auto header = directory.record<CentralHeader>();
    if (!header || header->signature != kCentralSignature)
        return corrupt("its central directory is broken");
    const auto name = directory.take(header->name);
    const auto extra = directory.take(header->extra);
    const auto comment = directory.take(header->comment);
    if (!name || !extra || !comment) return corrupt("its central directory is broken");
    Central entry{text_of(*name), header->size, header->offset};
    const std::string entry_name = "entry " + shown(entry.name);
    if ((header->flags & kEncrypted) != 0)
        return fail(ErrorCode::Unsupported, entry_name + " is encrypted", "decrypt it first");
    if (header->method != 0)
        return fail(ErrorCode::Unsupported,
                    entry_name + " is compressed; torch stores entries as they are",
                    "load it with torch and save it again with torch.save");
    std::uint64_t stored = header->stored;
    if (!widen(*extra, *header, stored, entry) || stored != entry.size)
        return corrupt(entry_name + " has no valid size");
    return entry;
}

/// Where the data of `entry` lies: behind its local header, whose name and extra field have
/// lengths of their own.
Result<Extent> locate(std::span<const std::byte> file, const Central& entry)
{
    const std::string name = "entry " + shown(entry.name);
    const auto header = record_at<LocalHeader>(file, entry.offset);
    if (!header || header->signature != kLocalSignature || header->method != 0)
        return corrupt(name + " is not where the central directory says");
    ByteReader rest(file.subspan(static_cast<std::size_t>(entry.offset) + sizeof(LocalHeader)));
    const auto local_name = rest.take(header->name);
    if (!local_name || text_of(*local_name) != entry.name)
        return corrupt(name + " has another name before its data");
    if (!rest.take(header->extra) || entry.size > rest.left())
        return corrupt(name + " lies outside the file");
    const std::uint64_t begin = file.size() - rest.left();
    return Extent{entry.offset, begin + entry.size, entry.name};
}

} // namespace

Result<std::vector<StoredEntry>> read_stored_zip(std::span<const std::byte> file)
{
    VELAMEN_ASSIGN(const Directory directory, find_directory(file));
    const auto before = file.first(static_cast<std::size_t>(directory.offset));
    ByteReader reader(file.subspan(before.size(), static_cast<std::size_t>(directory.size)));
    std::vector<StoredEntry> entries;
    std::vector<Extent> extents;
    std::unordered_set<std::string_view> names;
    while (reader.left() > 0) {
        VELAMEN_ASSIGN(const Central central, read_central(reader));
        if (!names.insert(central.name).second)
            return corrupt("entry " + shown(central.name) + " is there twice");
        VELAMEN_ASSIGN(const Extent extent, locate(before, central));
        entries.push_back({central.name,
                           before.subspan(static_cast<std::size_t>(extent.end - central.size),
                                          static_cast<std::size_t>(central.size))});
        extents.push_back(extent);
    }
    if (entries.size() != directory.entries)
        return corrupt("its central directory has " + std::to_string(entries.size())
                       + " entries, its end says " + std::to_string(directory.entries));
    std::ranges::sort(extents, {}, &Extent::begin);
    for (std::size_t i = 1; i < extents.size(); ++i)
        if (extents[i].begin < extents[i - 1].end)
            return corrupt("entry " + shown(extents[i].name) + " overlaps "
                           + shown(extents[i - 1].name));
    return entries;
}

} // namespace velamen::io
