// SPDX-License-Identifier: GPL-3.0-or-later
//
// Files and folders of a checkpoint.

#include "engine/checkpoint/folder.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/core/random.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

Result<io::Json> read_json(const fs::path& path)
{
    VELAMEN_ASSIGN(const std::string text, core::read_file(path));
    auto json = io::Json::parse(text);
    if (!json)
        return fail(json.error().code, path.string() + ": " + json.error().message,
                    json.error().hint);
    return json;
}

Result<io::Json> read_config(const fs::path& folder, const Part& part)
{
    auto json = read_json(folder / part.name / "config.json");
    if (!json && json.error().code == ErrorCode::NotFound)
        return fail(ErrorCode::NotFound,
                    "there is no " + std::string(part.name) + "/config.json in " + folder.string(),
                    "choose a checkpoint folder with unet, vae, class_embedder and scheduler");
    if (!json) return json;
    VELAMEN_ASSIGN(const std::string kind, json->text_or("_class_name", part.kind));
    if (kind != part.kind)
        return fail(ErrorCode::Unsupported,
                    std::string(part.name) + "/config.json is a " + kind + ", not a " + part.kind,
                    "choose a class-conditional latent diffusion checkpoint");
    return json;
}

Result<io::SafetensorsFile> open_weights(const fs::path& folder, const Part& part)
{
    const fs::path path = folder / part.name / part.weights;
    std::error_code ignored;
    if (!fs::exists(path, ignored))
        return fail(
            ErrorCode::NotFound,
            "there is no " + std::string(part.name) + "/" + part.weights + " in " + folder.string(),
            "weights have to be one .safetensors file; convert .bin or sharded files first");
    return io::SafetensorsFile::open(path);
}

Result<std::string> fingerprint(const fs::path& folder)
{
    core::Sha256 all;
    for (const Part& part : kParts) {
        const fs::path own = folder / part.name;
        VELAMEN_ASSIGN(const std::string weights, core::sha256_file(own / part.weights));
        VELAMEN_ASSIGN(const std::string config, core::sha256_file(own / "config.json"));
        all.update(std::string(part.name) + " " + weights + " " + config + "\n");
    }
    return core::to_hex(all.finish());
}

namespace {

Error os_error(const std::string& doing, int number)
{
    return {number == ENOSPC ? ErrorCode::NoSpace : ErrorCode::Unreadable,
            doing + ": " + std::generic_category().message(number),
            {}};
}

void sync_folder(const fs::path& path)
{
    if (const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        descriptor >= 0) {
        ::fsync(descriptor);
        ::close(descriptor);
    }
}

/// Deletes a folder unless it is released.
class AsideFolder {
public:
    explicit AsideFolder(fs::path path) : path_(std::move(path)) {}
    ~AsideFolder()
    {
        std::error_code ignored;
        if (!path_.empty()) fs::remove_all(path_, ignored);
    }
    AsideFolder(const AsideFolder&) = delete;
    AsideFolder& operator=(const AsideFolder&) = delete;

    const fs::path& path() const noexcept { return path_; }

private:
    fs::path path_;
};

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// Entries of an earlier checkpoint's folder that survive; Refused when it is not a checkpoint.
Result<std::vector<fs::path>> kept_entries(const fs::path& folder)
{
    std::vector<fs::path> kept;
    std::error_code error;
    bool has_others = false;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (is_hidden(entry.path()))
            kept.push_back(entry.path().filename());
        else
            has_others = true;
    }
    if (error) return fail(os_error("cannot read " + folder.string(), error.value()));
    if (has_others && !fs::exists(folder / kIndexFile, error))
        return fail(ErrorCode::Refused,
                    folder.string() + " holds other files and is not a checkpoint",
                    "choose a new folder");
    return kept;
}

} // namespace

Result<> replace_folder(const fs::path& folder,
                        const std::function<Result<>(const fs::path& aside)>& write)
{
    fs::path target = fs::absolute(folder).lexically_normal();
    if (!target.has_filename()) target = target.parent_path();
    std::error_code error;
    const bool is_there = fs::exists(target, error);
    if (is_there && !fs::is_directory(target, error))
        return fail(ErrorCode::Refused, target.string() + " is not a folder",
                    "choose a new folder");
    std::vector<fs::path> kept;
    if (is_there) {
        VELAMEN_ASSIGN(kept, kept_entries(target));
    }

    VELAMEN_TRY(core::make_directory(target.parent_path()));
    const AsideFolder aside(target.parent_path()
                            / ("." + target.filename().string() + "." + core::random_id()));
    VELAMEN_TRY(core::make_directory(aside.path()));
    VELAMEN_TRY(write(aside.path()));
    sync_folder(aside.path());

    // With RENAME_EXCHANGE the earlier folder ends up aside, and is deleted with it.
    const unsigned int flags = is_there ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (::syscall(SYS_renameat2, AT_FDCWD, aside.path().c_str(), AT_FDCWD, target.c_str(), flags)
        != 0)
        return fail(os_error("cannot write " + target.string(), errno));
    for (const fs::path& name : kept)
        fs::rename(aside.path() / name, target / name, error);
    sync_folder(target.parent_path());
    return {};
}

Result<> copy_synced(const fs::path& from, const fs::path& to)
{
    VELAMEN_TRY(core::make_directory(to.parent_path()));
    std::ifstream in(from, std::ios::binary);
    VELAMEN_ASSIGN(core::AtomicFile out, core::AtomicFile::create(to));
    std::vector<char> block(1 << 20);
    while (in) {
        in.read(block.data(), static_cast<std::streamsize>(block.size()));
        const auto count = static_cast<std::size_t>(in.gcount());
        VELAMEN_TRY(out.write(std::as_bytes(std::span(block.data(), count))));
    }
    if (!in.eof()) return fail(ErrorCode::Unreadable, "cannot read " + from.string());
    return out.commit();
}

} // namespace velamen::checkpoint
