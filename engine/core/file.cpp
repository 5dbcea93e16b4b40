// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/core/file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace velamen::core {

namespace {

namespace fs = std::filesystem;

Error io_error(const char* action, const fs::path& path, int number)
{
    const ErrorCode code = number == ENOSPC || number == EDQUOT ? ErrorCode::NoSpace
        : number == ENOENT                                      ? ErrorCode::NotFound
                                                                : ErrorCode::Unreadable;
    std::string hint;
    if (code == ErrorCode::NoSpace)
        hint = "free some space or choose another disk; nothing was lost";
    return Error{
        code, std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(number),
        hint};
}

Result<> write_all(int descriptor, std::span<const std::byte> bytes, const fs::path& path)
{
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            return fail(io_error("write", path, errno));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<> sync_directory_of(const fs::path& path)
{
    const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
    const int descriptor = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return fail(io_error("open", parent, errno));
    const int outcome = ::fsync(descriptor);
    const int number = errno;
    ::close(descriptor);
    // Some file systems cannot sync a directory; the rename is still atomic there.
    if (outcome != 0 && number != EINVAL && number != ENOTSUP)
        return fail(io_error("sync", parent, number));
    return {};
}

} // namespace

Result<std::string> read_file(const fs::path& path)
{
    std::error_code ignored;
    if (fs::is_directory(path, ignored))
        return fail(ErrorCode::Unreadable, "cannot read " + path.string() + ": it is a folder");
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(io_error("open", path, errno ? errno : EIO));
    std::ostringstream text;
    text << in.rdbuf();
    if (in.bad()) return fail(io_error("read", path, EIO));
    return std::move(text).str();
}

Result<> write_file(const fs::path& path, std::string_view content)
{
    return write_file(path, std::as_bytes(std::span(content.data(), content.size())));
}

Result<> write_file(const fs::path& path, std::span<const std::byte> content)
{
    VELAMEN_ASSIGN(AtomicFile file, AtomicFile::create(path));
    VELAMEN_TRY(file.write(content));
    return file.commit();
}

Result<AtomicFile> AtomicFile::create(const fs::path& path)
{
    AtomicFile file;
    file.path_ = path;
    std::string pattern = path.string() + ".part-XXXXXX";
    file.descriptor_ = ::mkostemp(pattern.data(), O_CLOEXEC);
    if (file.descriptor_ < 0) return fail(io_error("create", path, errno));
    file.aside_ = pattern;
    ::fchmod(file.descriptor_, 0644);
    return file;
}

AtomicFile::~AtomicFile() { discard(); }

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)),
      aside_(std::exchange(other.aside_, {}))
{
}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept
{
    if (this != &other) {
        discard();
        descriptor_ = std::exchange(other.descriptor_, -1);
        path_ = std::move(other.path_);
        aside_ = std::exchange(other.aside_, {});
    }
    return *this;
}

void AtomicFile::discard() noexcept
{
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    if (!aside_.empty()) ::unlink(aside_.c_str());
    aside_.clear();
}

Result<> AtomicFile::write(std::span<const std::byte> bytes)
{
    return write_all(descriptor_, bytes, path_);
}

Result<> AtomicFile::write(std::string_view text)
{
    return write(std::as_bytes(std::span(text.data(), text.size())));
}

Result<> AtomicFile::commit()
{
    if (::fsync(descriptor_) != 0) return fail(io_error("sync", path_, errno));
    if (::close(std::exchange(descriptor_, -1)) != 0) return fail(io_error("close", path_, errno));
    if (::rename(aside_.c_str(), path_.c_str()) != 0) return fail(io_error("rename", path_, errno));
    aside_.clear();
    return sync_directory_of(path_);
}

Result<AppendFile> AppendFile::open(const fs::path& path)
{
    AppendFile file;
    file.path_ = path;
    file.descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file.descriptor_ < 0) return fail(io_error("open", path, errno));
    VELAMEN_TRY(sync_directory_of(path));
    return file;
}

AppendFile::~AppendFile()
{
    if (descriptor_ >= 0) ::close(descriptor_);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_))
{
}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept
{
    std::swap(descriptor_, other.descriptor_);
    std::swap(path_, other.path_);
    return *this;
}

Result<> AppendFile::append(std::string_view text)
{
    VELAMEN_TRY(write_all(descriptor_, std::as_bytes(std::span(text.data(), text.size())), path_));
    if (::fdatasync(descriptor_) != 0) return fail(io_error("sync", path_, errno));
    return {};
}

Result<FileLock> FileLock::acquire(const fs::path& path)
{
    FileLock lock;
    lock.descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock.descriptor_ < 0) return fail(io_error("open", path, errno));
    if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return fail(ErrorCode::Busy, path.string() + " is in use by another Velamen",
                        "close the other window or wait until its command has ended");
        return fail(io_error("lock", path, errno));
    }
    return lock;
}

FileLock::~FileLock()
{
    if (descriptor_ >= 0) ::close(descriptor_);
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept
{
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

Result<> make_directory(const fs::path& path, bool private_mode)
{
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return fail(io_error("create folder", path, error.value()));
    if (private_mode) fs::permissions(path, fs::perms::owner_all, error);
    if (error) return fail(io_error("protect folder", path, error.value()));
    return {};
}

fs::path user_data_directory()
{
    if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data != '\0')
        return fs::path(data) / "velamen";
    const char* home = std::getenv("HOME");
    return fs::path(home != nullptr ? home : "/tmp") / ".local/share/velamen";
}

} // namespace velamen::core
