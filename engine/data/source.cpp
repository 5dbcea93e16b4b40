// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/source.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <utility>

#include "engine/archive/zip.h"
#include "engine/data/listing.h"

namespace velamen::data {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFileLimit = std::uint64_t{1} << 29; // 512 MiB
constexpr int kSmallestSide = 8;
constexpr std::int64_t kFewestUnits = 100;
constexpr int kDeepestFolder = 32;

constexpr const char* kLayoutHint =
    "choose a folder (or a zip of it) with one subfolder of images per class";

std::string counted(std::int64_t count, const char* one, const char* many)
{
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

Problem problem_of(const Error& error, const std::string& name)
{
    ProblemKind kind = ProblemKind::Unreadable;
    bool blocks = true;
    switch (error.code) {
    case ErrorCode::Corrupt:
        kind = ProblemKind::Corrupt;
        break;
    case ErrorCode::Unsupported:
        // A text file beside images is no loss; a picture in a format that is not read is one.
        kind = ProblemKind::NotAnImage;
        blocks = is_named_like_image(name);
        break;
    default:
        break;
    }
    return {.kind = kind, .name = name, .message = error.message, .blocks = blocks};
}

// Decodes and checks one file; nothing when it is a good image.
std::optional<Problem> examine(Source& source, const std::string& name)
{
    const auto content = source.read(name);
    if (!content) return problem_of(content.error(), name);
    const auto size = image::verify(*content);
    if (!size) return problem_of(size.error(), name);
    if (std::min(size->width, size->height) < kSmallestSide)
        return Problem{.kind = ProblemKind::TooSmall,
                       .name = name,
                       .message = "the image is less than 8 pixels wide or high",
                       .blocks = true};
    return std::nullopt;
}

void add_general_problems(Manifest& manifest)
{
    if (manifest.classes.size() == 1)
        manifest.problems.push_back(
            {.kind = ProblemKind::OneClassOnly,
             .name = {},
             .message = "all images are of one class; for several, sort them into subfolders",
             .blocks = false});
    const auto units = static_cast<std::int64_t>(manifest.units.size());
    if (units < kFewestUnits)
        manifest.problems.push_back(
            {.kind = ProblemKind::FewUnits,
             .name = {},
             .message = "there are only " + counted(units, "image", "images")
                 + "; private training needs at least 100, and thousands to be useful",
             .blocks = true});
}

Result<Manifest> scan_files(Source& source, const fs::path& path,
                            const std::vector<ListedFile>& files, std::vector<Problem> problems,
                            const std::stop_token& stop,
                            const std::function<void(std::int64_t, std::int64_t)>& progress)
{
    Manifest manifest{.path = path};
    manifest.problems = std::move(problems);
    std::vector<const ListedFile*> good;
    const auto total = static_cast<std::int64_t>(files.size());
    for (std::int64_t i = 0; i < total; ++i) {
        if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "the scan was stopped");
        const ListedFile& file = files[static_cast<std::size_t>(i)];
        if (auto problem = examine(source, file.name))
            manifest.problems.push_back(*std::move(problem));
        else
            good.push_back(&file);
        if (progress) progress(i + 1, total);
    }
    if (good.empty())
        return fail(ErrorCode::NotFound,
                    "there is no image in " + path.string()
                        + (files.empty() ? "" : " that can be read"),
                    kLayoutHint);

    std::map<std::string, int> index;
    for (const ListedFile* file : good)
        index.emplace(file->class_name, 0);
    for (auto& [name, number] : index) {
        number = static_cast<int>(manifest.classes.size());
        manifest.classes.push_back(name);
    }
    manifest.class_counts.assign(manifest.classes.size(), 0);
    for (const ListedFile* file : good) {
        const int number = index.at(file->class_name);
        ++manifest.class_counts[static_cast<std::size_t>(number)];
        manifest.units.push_back({.images = {static_cast<ImageIndex>(manifest.images.size())}});
        manifest.images.push_back({.name = file->name, .class_index = number});
    }
    add_general_problems(manifest);
    return manifest;
}

class FolderSource final : public Source {
public:
    explicit FolderSource(fs::path root) : root_(std::move(root)) {}

    Result<Manifest> scan(std::stop_token stop,
                          const std::function<void(std::int64_t, std::int64_t)>& progress) override
    {
        std::vector<std::string> names;
        std::vector<Problem> problems;
        VELAMEN_TRY(list(root_, "", 0, stop, names, problems));
        return scan_files(*this, root_, listed(std::move(names), false), std::move(problems), stop,
                          progress);
    }

    Result<std::vector<std::byte>> read(const std::string& name) override
    {
        const fs::path path = root_ / name;
        std::error_code error;
        const std::uint64_t size = fs::file_size(path, error);
        if (error)
            return fail(ErrorCode::Unreadable, "the file cannot be read: " + error.message());
        if (size > kFileLimit)
            return fail(ErrorCode::Unsupported, "the file is larger than 512 MiB");
        std::vector<std::byte> content(static_cast<std::size_t>(size));
        std::ifstream in(path, std::ios::binary);
        if (!in
            || !in.read(reinterpret_cast<char*>(content.data()),
                        static_cast<std::streamsize>(size)))
            return fail(ErrorCode::Unreadable, "the file cannot be read", "check its permissions");
        return content;
    }

private:
    // Links to folders are not followed: they can lead in circles or out of the folder.
    static Result<> list(const fs::path& folder, const std::string& prefix, int depth,
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
                VELAMEN_TRY(list(entry->path(), name + "/", depth + 1, stop, names, problems));
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

    fs::path root_;
};

class ZipSource final : public Source {
public:
    ZipSource(fs::path path, archive::ZipReader zip) : path_(std::move(path)), zip_(std::move(zip))
    {
    }

    Result<Manifest> scan(std::stop_token stop,
                          const std::function<void(std::int64_t, std::int64_t)>& progress) override
    {
        std::vector<std::string> names;
        for (const auto& entry : zip_.entries())
            names.push_back(entry.name);
        return scan_files(*this, path_, listed(std::move(names), true), {}, stop, progress);
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
    fs::path path_;
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
