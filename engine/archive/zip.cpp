// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/archive/zip.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <QtCore/QByteArray>
#include <QtCore/QDateTime>
#include <QtCore/QString>
#include <quazip/quazip.h>
#include <quazip/quazipfile.h>
#include <quazip/quazipfileinfo.h>
#include <quazip/quazipnewinfo.h>
#include <quazip/unzip.h>

#include "engine/archive/names.h"

namespace velamen::archive {

namespace {

// Deflate cannot shrink further than 1032 to 1 (zlib technical details); beyond it, or with more
// packed bytes than the file has, an entry or the whole directory lies.
constexpr std::uint64_t kDeflateLimit = 1032;
constexpr std::uint64_t kEntryLimit = 4'000'000;

std::string ordinal(std::size_t index)
{
    return "entry " + std::to_string(index + 1) + " of the zip";
}

// Whether the record that ends every zip is there and whole (APPNOTE.TXT 4.3.16): QuaZip opens some
// files that were cut off inside it.
bool has_end_record(const std::filesystem::path& path, std::uint64_t file_size)
{
    constexpr std::uint64_t record = 22;
    if (file_size < record) return false;
    const std::uint64_t size = std::min<std::uint64_t>(file_size, record + 65535);
    std::string tail(static_cast<std::size_t>(size), '\0');
    std::ifstream in(path, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(file_size - size));
    if (!in.read(tail.data(), static_cast<std::streamsize>(size))) return false;
    for (auto at = tail.rfind("PK\x05\x06"); at != std::string::npos;
         at = at == 0 ? std::string::npos : tail.rfind("PK\x05\x06", at - 1)) {
        if (tail.size() - at < record) continue;
        const auto comment = static_cast<std::size_t>(static_cast<unsigned char>(tail[at + 20]))
            + (static_cast<std::size_t>(static_cast<unsigned char>(tail[at + 21])) << 8);
        if (comment <= tail.size() - at - record) return true;
    }
    return false;
}

} // namespace

struct ZipReader::State {
    struct Place {
        std::size_t index = 0; // in entries
        unz64_file_pos position{};
        std::uint64_t packed = 0;
        std::uint16_t method = 0;
        bool encrypted = false;
    };

    explicit State(const QString& path) : zip(path) {}

    QuaZip zip;
    std::vector<ZipEntry> entries;
    std::unordered_map<std::string, Place> places;
};

ZipReader::ZipReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ZipReader::~ZipReader() = default;
ZipReader::ZipReader(ZipReader&&) noexcept = default;
ZipReader& ZipReader::operator=(ZipReader&&) noexcept = default;

const std::vector<ZipEntry>& ZipReader::entries() const noexcept { return state_->entries; }

Result<ZipReader> ZipReader::open(const std::filesystem::path& path)
{
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status))
        return fail(ErrorCode::NotFound, "no such file: " + path.string(),
                    "check the path or choose another file");
    if (!std::filesystem::is_regular_file(status))
        return fail(ErrorCode::Unreadable, path.string() + " is not a file", "choose a .zip file");
    const std::uint64_t file_size = std::filesystem::file_size(path, error);
    if (error)
        return fail(ErrorCode::Unreadable, "cannot read " + path.string() + ": " + error.message());

    auto state = std::make_unique<State>(QString::fromStdString(path.string()));
    if (!has_end_record(path, file_size) || !state->zip.open(QuaZip::mdUnzip))
        return fail(ErrorCode::Corrupt, path.string() + " is not a zip that can be read",
                    "pack the folder again; a download may have been cut off");
    const auto refuse = [&](ErrorCode code, std::size_t index, const std::string& cause) {
        return fail(code, ordinal(index) + " is refused: " + cause,
                    "pack the folder again with an ordinary zip program");
    };

    std::uint64_t packed_total = 0;
    std::size_t seen = 0;
    for (bool more = state->zip.goToFirstFile(); more; more = state->zip.goToNextFile(), ++seen) {
        QuaZipFileInfo64 info;
        if (!state->zip.getCurrentFileInfo(&info))
            return refuse(ErrorCode::Corrupt, seen, "its record cannot be read");
        if (seen >= kEntryLimit)
            return refuse(ErrorCode::Refused, seen, "the zip has more than 4 million entries");
        ZipEntry entry{.name = info.name.toStdString(), .size = info.uncompressedSize};
        if (const char* fault = fault_of_name(entry.name))
            return refuse(ErrorCode::Refused, seen, std::string("its name ") + fault);
        packed_total += info.compressedSize;
        // Overlapping entries are how a small file unpacks to a huge one.
        if (info.compressedSize > file_size || packed_total > file_size)
            return refuse(ErrorCode::Refused, seen, "the entries overlap");
        if (info.uncompressedSize > (info.compressedSize + 1) * kDeflateLimit)
            return refuse(ErrorCode::Refused, seen, "it claims more than its bytes can hold");
        if (entry.name.back() == '/') continue;
        State::Place place{.index = state->entries.size(),
                           .packed = info.compressedSize,
                           .method = info.method,
                           .encrypted = (info.flags & 1U) != 0};
        if (unzGetFilePos64(state->zip.getUnzFile(), &place.position) != UNZ_OK)
            return refuse(ErrorCode::Corrupt, seen, "its place is unknown");
        if (!state->places.emplace(entry.name, place).second)
            return refuse(ErrorCode::Refused, seen, "another entry has the same name");
        state->entries.push_back(std::move(entry));
    }
    const int outcome = state->zip.getZipError();
    if ((outcome != UNZ_OK && outcome != UNZ_END_OF_LIST_OF_FILE)
        || static_cast<std::size_t>(std::max(0, state->zip.getEntriesCount())) != seen)
        return fail(ErrorCode::Corrupt, "the directory of " + path.string() + " is damaged",
                    "pack the folder again; a download may have been cut off");
    return ZipReader(std::move(state));
}

Result<std::vector<std::byte>> ZipReader::read(std::string_view name, std::uint64_t limit)
{
    const auto found = state_->places.find(std::string(name));
    if (found == state_->places.end())
        return fail(ErrorCode::NotFound, "the zip has no such entry");
    const State::Place& place = found->second;
    const std::uint64_t size = state_->entries[place.index].size;
    const std::string what = ordinal(place.index);
    if (size > limit)
        return fail(ErrorCode::Refused,
                    what + " is larger than the limit of " + std::to_string(limit) + " bytes");
    if (place.encrypted)
        return fail(ErrorCode::Unsupported, what + " is locked with a password",
                    "pack the folder again without a password");
    if (place.method != 0 && place.method != Z_DEFLATED)
        return fail(ErrorCode::Unsupported, what + " uses an unusual compression",
                    "pack the folder again with ordinary (deflate) compression");
    if (unzGoToFilePos64(state_->zip.getUnzFile(), &place.position) != UNZ_OK)
        return fail(ErrorCode::Corrupt, what + " is damaged");
    unzFile file = state_->zip.getUnzFile();
    if (unzOpenCurrentFile(file) != UNZ_OK)
        return fail(ErrorCode::Corrupt, what + " is damaged", "pack the folder again");

    std::vector<std::byte> content(static_cast<std::size_t>(size));
    std::size_t done = 0;
    bool intact = true;
    while (intact && done < content.size()) {
        const auto want = static_cast<unsigned>(
            std::min<std::size_t>(content.size() - done, std::size_t{1} << 26));
        const int got = unzReadCurrentFile(file, content.data() + done, want);
        intact = got > 0;
        if (intact) done += static_cast<std::size_t>(got);
    }
    std::byte extra{};
    if (intact) intact = unzReadCurrentFile(file, &extra, 1) == 0;
    // Closing compares the CRC of what was read.
    const int closed = unzCloseCurrentFile(file);
    if (!intact || closed != UNZ_OK)
        return fail(ErrorCode::Corrupt, what + " is damaged: its content does not match its record",
                    "pack the folder again; a download may have been cut off");
    return content;
}

} // namespace velamen::archive
