// SPDX-License-Identifier: GPL-3.0-or-later
//
// Files and folders of a checkpoint.

#include "engine/checkpoint/folder.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
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

Result<> write_json(const fs::path& path, const io::Json& json)
{
    return core::write_file(path, json.dump(2) + "\n");
}

std::string weights_file_of(std::string_view component)
{
    // transformers' classes and our table; the rest is diffusers' own.
    const bool is_plain =
        component == "text_encoder" || component == "bert" || component == "class_embedder";
    return is_plain ? "model.safetensors" : "diffusion_pytorch_model.safetensors";
}

bool is_weights_file(const fs::path& name)
{
    const std::string text = name.filename().string();
    if (text.find(".index.") != std::string::npos) return true;
    static const std::set<std::string> endings{".safetensors", ".bin",     ".ckpt", ".pt", ".pth",
                                               ".msgpack",     ".onnx",    ".pb",   ".h5", ".gguf",
                                               ".onnx_data",   ".onnx.pb", ".xml",  ".npz"};
    return endings.contains(name.extension().string());
}

Result<fs::path> find_weights(const fs::path& folder)
{
    static const std::array stems{"diffusion_pytorch_model", "model", "pytorch_model"};
    static const std::array endings{
        ".safetensors",      ".safetensors.index.json",      ".bin",
        ".fp16.safetensors", ".safetensors.index.fp16.json", ".fp16.bin",
        ".bf16.safetensors"};
    std::error_code ignored;
    for (const char* ending : endings)
        for (const char* stem : stems)
            if (const fs::path path = folder / (std::string(stem) + ending);
                fs::is_regular_file(path, ignored))
                return path;
    std::string others;
    for (const auto& entry : fs::directory_iterator(folder, ignored))
        if (is_weights_file(entry.path())) others += " " + entry.path().filename().string();
    const std::string name = folder.filename().string();
    return fail(ErrorCode::NotFound,
                "there is no " + name + "/" + weights_file_of(name) + " in "
                    + folder.parent_path().string()
                    + (others.empty() ? "" : "; there is" + others + ", which cannot be read"),
                "weights have to be .safetensors (whole or in shards) or one .bin file");
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

Result<> copy_synced(const fs::path& from, const fs::path& to, const std::stop_token& stop)
{
    VELAMEN_TRY(core::make_directory(to.parent_path()));
    std::ifstream in(from, std::ios::binary);
    VELAMEN_ASSIGN(core::AtomicFile out, core::AtomicFile::create(to));
    std::vector<char> block(1 << 20);
    while (in) {
        VELAMEN_TRY(unless_stopped(stop));
        in.read(block.data(), static_cast<std::streamsize>(block.size()));
        const auto count = static_cast<std::size_t>(in.gcount());
        VELAMEN_TRY(out.write(std::as_bytes(std::span(block.data(), count))));
    }
    if (!in.eof()) return fail(ErrorCode::Unreadable, "cannot read " + from.string());
    return out.commit();
}

Result<> unless_stopped(const std::stop_token& stop)
{
    if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
    return {};
}

} // namespace velamen::checkpoint
