// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/source.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "engine/archive/zip.h"
#include "engine/data/listing.h"

namespace velamen::data {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFileLimit = std::uint64_t{1} << 29; // 512 MiB
constexpr int kDeepestFolder = 32;

constexpr const char* kLayoutHint =
    "choose a folder (or a zip of it) with one subfolder of images per class";

class FolderSource final : public Source {
public:
    explicit FolderSource(fs::path root) : Source(std::move(root), false) {}

    Result<std::vector<std::string>> list(const std::stop_token& stop,
                                          std::vector<Problem>& problems) override
    {
        std::vector<std::string> names;
        VELAMEN_TRY(list_folder(path(), "", 0, stop, names, problems));
        return names;
    }

    Result<std::vector<std::byte>> read(const std::string& name) override
    {
        const fs::path file = path() / name;
        std::error_code error;
        const std::uint64_t size = fs::file_size(file, error);
        if (error)
            return fail(ErrorCode::Unreadable, "the file cannot be read: " + error.message());
        if (size > kFileLimit)
            return fail(ErrorCode::Unsupported, "the file is larger than 512 MiB");
        std::vector<std::byte> content(static_cast<std::size_t>(size));
        std::ifstream in(file, std::ios::binary);
        if (!in
            || !in.read(reinterpret_cast<char*>(content.data()),
                        static_cast<std::streamsize>(size)))
            return fail(ErrorCode::Unreadable, "the file cannot be read", "check its permissions");
        return content;
    }

private:
    // Links to folders are not followed: they can lead in circles or out of the folder.
    static Result<> list_folder(const fs::path& folder, const std::string& prefix, int depth,
                                const std::stop_token& stop, std::vector<std::string>& names,
                                std::vector<Problem>& problems)
    {
        if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "the scan was stopped");
        std::error_code error;
        auto entry = fs::directory_iterator(folder, error);
        for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
            const std::string name = prefix + entry->path().filename().string();
            if (is_ignored(name)) continue;
            std::error_code ignored;
            if (entry->is_regular_file(ignored))
                names.push_back(name);
            else if (entry->is_directory(ignored) && !entry->is_symlink(ignored)
                     && depth < kDeepestFolder)
                VELAMEN_TRY(
                    list_folder(entry->path(), name + "/", depth + 1, stop, names, problems));
        }
        if (!error) return {};
        if (prefix.empty())
            return fail(ErrorCode::Unreadable,
                        "cannot read " + folder.string() + ": " + error.message(),
                        "check the permissions of the folder");
        problems.push_back({.kind = ProblemKind::Unreadable,
                            .name = prefix,
                            .message = "the folder cannot be read: " + error.message(),
                            .blocks = true});
        return {};
    }
};

class ZipSource final : public Source {
public:
    ZipSource(fs::path path, archive::ZipReader zip)
        : Source(std::move(path), true), zip_(std::move(zip))
    {
    }

    Result<std::vector<std::string>> list(const std::stop_token&, std::vector<Problem>&) override
    {
        std::vector<std::string> names;
        for (const auto& entry : zip_.entries())
            names.push_back(entry.name);
        return names;
    }

    Result<std::vector<std::byte>> read(const std::string& name) override
    {
        auto content = zip_.read(name, kFileLimit);
        // A zip entry that cannot be unpacked is a file that cannot be read, whatever is in it.
        if (!content && content.error().code != ErrorCode::Corrupt)
            return fail(ErrorCode::Unreadable, content.error().message, content.error().hint);
        return content;
    }

private:
    archive::ZipReader zip_;
};

} // namespace

Result<std::unique_ptr<Source>> Source::open(const fs::path& path)
{
    std::error_code error;
    const auto status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found)
        return fail(ErrorCode::NotFound, "no such folder or zip: " + path.string(), kLayoutHint);
    if (error && status.type() == fs::file_type::none)
        return fail(ErrorCode::Unreadable, "cannot read " + path.string() + ": " + error.message());
    if (fs::is_directory(status)) {
        fs::directory_iterator test(path, error);
        if (error)
            return fail(ErrorCode::Unreadable,
                        "cannot read " + path.string() + ": " + error.message(),
                        "check the permissions of the folder");
        return std::make_unique<FolderSource>(path);
    }
    std::string ending = path.extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (!fs::is_regular_file(status) || ending != ".zip")
        return fail(ErrorCode::Unsupported, path.string() + " is neither a folder nor a zip",
                    kLayoutHint);
    VELAMEN_ASSIGN(auto zip, archive::ZipReader::open(path));
    return std::make_unique<ZipSource>(path, std::move(zip));
}

Result<image::Image> load(Source& source, const std::string& name, const image::Target& target)
{
    VELAMEN_ASSIGN(const auto content, source.read(name));
    return image::decode(content, target);
}

} // namespace velamen::data
