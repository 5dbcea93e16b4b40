// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/archive/staged_device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace velamen::archive {

namespace {

constexpr std::size_t kBuffer = std::size_t{4} << 20;

Error error_of(const char* action, const std::filesystem::path& path, int number)
{
    // EFBIG: the limit of the file system or of the user is reached.
    const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    const ErrorCode code = full ? ErrorCode::NoSpace
        : number == ENOENT      ? ErrorCode::NotFound
                                : ErrorCode::Unreadable;
    return Error{
        code, std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(number),
        full                   ? "free some space or choose another disk; nothing was left behind"
            : number == ENOENT ? "create the folder first or choose another one"
                               : "choose a folder that you may write to"};
}

} // namespace

Result<std::unique_ptr<StagedDevice>> StagedDevice::create(const std::filesystem::path& path)
{
    std::unique_ptr<StagedDevice> device(new StagedDevice);
    device->path_ = path;
    std::string pattern = path.string() + ".part-XXXXXX";
    device->descriptor_ = ::mkostemp(pattern.data(), O_CLOEXEC);
    if (device->descriptor_ < 0) return fail(error_of("create", path, errno));
    device->aside_ = pattern;
    ::fchmod(device->descriptor_, 0644);
    device->buffer_.reserve(kBuffer);
    // Unbuffered: the buffer here is the only one, so that a refusal is seen where it happens.
    device->open(QIODevice::WriteOnly | QIODevice::Unbuffered);
    return device;
}

StagedDevice::~StagedDevice() { discard(); }

void StagedDevice::discard() noexcept
{
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    if (!aside_.empty()) ::unlink(aside_.c_str());
    aside_.clear();
}

Error StagedDevice::error(const char* action) const
{
    if (error_number_ != 0) return error_of(action, path_, error_number_);
    return Error{ErrorCode::Internal,
                 std::string("cannot ") + action + " " + path_.string()
                     + ": the zip library refused"};
}

Result<> StagedDevice::commit()
{
    if (!flush()) return fail(error("write"));
    if (::fsync(descriptor_) != 0) return fail(error_of("sync", path_, errno));
    if (::close(std::exchange(descriptor_, -1)) != 0) return fail(error_of("close", path_, errno));
    if (::rename(aside_.c_str(), path_.c_str()) != 0) return fail(error_of("rename", path_, errno));
    aside_.clear();
    const auto parent = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return fail(error_of("open", parent, errno));
    const int outcome = ::fsync(folder);
    const int number = errno;
    ::close(folder);
    // Some file systems cannot sync a folder; the rename is still atomic there.
    if (outcome != 0 && number != EINVAL && number != ENOTSUP)
        return fail(error_of("sync", parent, number));
    return {};
}

bool StagedDevice::seek(qint64 position)
{
    if (position < 0 || !QIODevice::seek(position)) return false;
    position_ = position;
    return true;
}

qint64 StagedDevice::readData(char*, qint64) { return -1; }

qint64 StagedDevice::writeData(const char* data, qint64 size)
{
    const auto buffered = static_cast<qint64>(buffer_.size());
    if (position_ < base_ || position_ > base_ + buffered
        || buffered + size > static_cast<qint64>(kBuffer)) {
        if (!flush()) return -1;
        base_ = position_;
    }
    const auto offset = static_cast<std::size_t>(position_ - base_);
    const auto count = static_cast<std::size_t>(size);
    if (buffer_.size() < offset + count) buffer_.resize(offset + count);
    std::copy_n(data, count, buffer_.begin() + static_cast<std::ptrdiff_t>(offset));
    position_ += size;
    end_ = std::max(end_, position_);
    return size;
}

bool StagedDevice::flush()
{
    if (error_number_ != 0) return false;
    std::size_t done = 0;
    while (done < buffer_.size()) {
        const ssize_t written = ::pwrite(descriptor_, buffer_.data() + done, buffer_.size() - done,
                                         static_cast<off_t>(base_ + static_cast<qint64>(done)));
        if (written < 0) {
            if (errno == EINTR) continue;
            error_number_ = errno;
            setErrorString(QString::fromLocal8Bit(std::strerror(error_number_)));
            return false;
        }
        done += static_cast<std::size_t>(written);
    }
    base_ += static_cast<qint64>(buffer_.size());
    buffer_.clear();
    return true;
}

} // namespace velamen::archive
