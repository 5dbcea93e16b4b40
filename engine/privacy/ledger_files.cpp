// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reading and writing what lies beside the chain of a ledger.

#include "engine/privacy/ledger_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/core/file.h"
#include "engine/io/json.h"
#include "engine/privacy/ledger_line.h"
#include "engine/privacy/totals.h"

namespace velamen::privacy {

namespace fs = std::filesystem;

namespace {

auto unreadable(const char* action, const fs::path& path, int number)
{
    return fail(ErrorCode::Unreadable,
                std::string("cannot ") + action + " " + path.string() + ": "
                    + std::strerror(number));
}

bool is_hash(std::string_view text)
{
    return text.size() == 64 && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

} // namespace

Result<FileIdentity> identity_of(const fs::path& path)
{
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return unreadable("find", path, errno);
    return FileIdentity{.device = found.st_dev,
                        .inode = found.st_ino,
                        .size = static_cast<std::uint64_t>(found.st_size)};
}

Result<> write_private(const fs::path& path, std::span<const std::byte> content)
{
    VELAMEN_TRY(core::write_file(path, content));
    std::error_code error;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, error);
    if (error) return unreadable("protect", path, error.value());
    return {};
}

Result<> cut_file(const fs::path& path, std::size_t length)
{
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool is_done = descriptor >= 0 && ::ftruncate(descriptor, static_cast<off_t>(length)) == 0
        && ::fsync(descriptor) == 0;
    const int number = errno;
    if (descriptor >= 0) ::close(descriptor);
    if (!is_done) return unreadable("repair", path, number);
    return {};
}

Result<> sync_folder(const fs::path& folder)
{
    const fs::path path = folder.empty() ? fs::path(".") : folder;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return unreadable("open", path, errno);
    const int outcome = ::fsync(descriptor);
    const int number = errno;
    ::close(descriptor);
    // Some file systems cannot sync a folder; they write its names through.
    if (outcome != 0 && number != EINVAL && number != ENOTSUP)
        return unreadable("sync", path, number);
    return {};
}

Result<> write_ceiling(const fs::path& folder, const Ceiling& ceiling)
{
    const Claim& claim = ceiling.claim;
    io::Json json = io::Json::object();
    json["v"] = 1;
    json["unit"] = claim.unit;
    json["neighbours"] = name_of(claim.neighbours);
    json["images_per_unit"] = claim.images_per_unit ? io::Json(*claim.images_per_unit) : io::Json();
    json["epsilon"] = ceiling.epsilon.value();
    json["delta"] = ceiling.delta.value();
    json["order"] = ceiling.order;
    json["seq"] = ceiling.declared_after.seq;
    json["head"] = ceiling.declared_after.hash;
    const std::string text = json.dump() + "\n";
    VELAMEN_TRY(parse_ceiling(text));
    return write_private(folder / kCeilingFile, std::as_bytes(std::span(text)));
}

Result<Ceiling> parse_ceiling(std::string_view text)
{
    constexpr std::array<std::string_view, 9> kKeys{
        "v", "unit", "neighbours", "images_per_unit", "epsilon", "delta", "order", "seq", "head"};
    const auto corrupt = [](const std::string& cause) {
        return fail(ErrorCode::Corrupt, "the ceiling of this dataset is damaged: " + cause,
                    "restore ceiling.json from a backup of the ledger folder");
    };
    const auto read = [&]() -> Result<Ceiling> {
        VELAMEN_ASSIGN(const io::Json json, io::Json::parse(text));
        const auto* object = json.if_object();
        if (object == nullptr || !std::ranges::equal(*object, kKeys, {}, [](const auto& m) {
                return std::string_view(m.first);
            }))
            return fail(ErrorCode::Corrupt, "its fields are not those of a ceiling");
        VELAMEN_ASSIGN(const std::int64_t version, json.integer("v"));
        if (version != 1) return fail(ErrorCode::Corrupt, "its version does not exist");
        Claim claim;
        VELAMEN_ASSIGN(claim.unit, json.text("unit"));
        VELAMEN_ASSIGN(const std::string neighbours, json.text("neighbours"));
        VELAMEN_ASSIGN(claim.neighbours, neighbours_of(neighbours));
        if (!json.find("images_per_unit")->is_null()) {
            VELAMEN_ASSIGN(claim.images_per_unit, json.integer("images_per_unit"));
        }
        VELAMEN_ASSIGN(const double e, json.number("epsilon"));
        VELAMEN_ASSIGN(const double d, json.number("delta"));
        VELAMEN_ASSIGN(const Epsilon epsilon, Epsilon::create(e));
        VELAMEN_ASSIGN(const Delta delta, Delta::create(d));
        Ceiling ceiling{.claim = claim, .epsilon = epsilon, .delta = delta, .order = 0.0};
        VELAMEN_ASSIGN(ceiling.order, json.number("order"));
        VELAMEN_ASSIGN(ceiling.declared_after.seq, json.integer("seq"));
        VELAMEN_ASSIGN(ceiling.declared_after.hash, json.text("head"));
        const LedgerHead& head = ceiling.declared_after;
        if (head.seq < -1 || !is_hash(head.hash) || (head.seq == -1) != (head.hash == no_hash()))
            return fail(ErrorCode::Corrupt, "the line after which it was declared is not valid");
        VELAMEN_TRY(RdpFilter::create(ceiling));
        return ceiling;
    };
    if (const auto json = io::Json::parse(text))
        if (const auto version = json->integer("v"); version && *version > 1)
            return fail(ErrorCode::Unsupported,
                        "the ceiling of this dataset was written by a newer Velamen",
                        "update Velamen");
    auto ceiling = read();
    if (!ceiling) return corrupt(ceiling.error().message);
    return ceiling;
}

Result<std::optional<Ceiling>> read_ceiling(const fs::path& folder)
{
    const fs::path path = folder / kCeilingFile;
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    if (status.type() == fs::file_type::not_found) return std::optional<Ceiling>();
    VELAMEN_ASSIGN(const std::string text, core::read_file(path));
    VELAMEN_ASSIGN(Ceiling ceiling, parse_ceiling(text));
    return std::optional<Ceiling>(std::move(ceiling));
}

} // namespace velamen::privacy
