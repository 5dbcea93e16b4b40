// SPDX-License-Identifier: GPL-3.0-or-later
//
// Writing zips. QuaZip writes to a QIODevice only: StagedDevice is the file beside its final place.

#include "engine/archive/zip.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <unordered_set>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <QtCore/QByteArray>
#include <QtCore/QDateTime>
#include <QtCore/QIODevice>
#include <QtCore/QString>
#include <quazip/quazip.h>
#include <quazip/quazipfile.h>
#include <quazip/quazipnewinfo.h>

#include "engine/archive/names.h"

namespace velamen::archive {

namespace {

bool ends_with_png(std::string_view name)
{
    constexpr std::array<char, 4> suffix{'.', 'p', 'n', 'g'};
    if (name.size() < suffix.size()) return false;
    for (std::size_t i = 0; i < suffix.size(); ++i) {
        const char c = name[name.size() - suffix.size() + i];
        if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != suffix[i])
            return false;
    }
    return true;
}

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

/// A file beside its final place, with a write buffer in which small steps back (sizes in zip
/// headers) cost nothing. Destroyed without commit(), it is gone. One thread.
class StagedDevice final : public QIODevice {
public:
    static Result<std::unique_ptr<StagedDevice>> create(const std::filesystem::path& path);
    ~StagedDevice() override;

    /// Flush, fsync, rename, fsync of the folder.
    Result<> commit();
    /// The first refusal of the operating system (errno), 0 if there was none.
    int error_number() const noexcept { return error_number_; }
    /// That refusal as an Error; Internal when there was none.
    Error error(const char* action) const;

    bool isSequential() const override { return false; }
    qint64 size() const override { return end_; }
    bool seek(qint64 position) override;

protected:
    qint64 readData(char* data, qint64 size) override;
    qint64 writeData(const char* data, qint64 size) override;

private:
    StagedDevice() = default;
    bool flush();
    void discard() noexcept;

    int descriptor_ = -1;
    std::filesystem::path path_;
    std::filesystem::path aside_;
    std::vector<char> buffer_; // the bytes from base_ on that are not written yet
    qint64 base_ = 0;
    qint64 position_ = 0;
    qint64 end_ = 0;
    int error_number_ = 0;
};

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

} // namespace

struct ZipWriter::State {
    // Order matters: the zip is closed before its device goes.
    std::unique_ptr<StagedDevice> device;
    QuaZip zip;
    std::unordered_set<std::string> names;

    explicit State(std::unique_ptr<StagedDevice> staged)
        : device(std::move(staged)), zip(device.get())
    {
    }
};

ZipWriter::ZipWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
ZipWriter::~ZipWriter() = default;
ZipWriter::ZipWriter(ZipWriter&&) noexcept = default;
ZipWriter& ZipWriter::operator=(ZipWriter&&) noexcept = default;

Result<ZipWriter> ZipWriter::create(const std::filesystem::path& path)
{
    VELAMEN_ASSIGN(auto device, StagedDevice::create(path));
    auto state = std::make_unique<State>(std::move(device));
    state->zip.setAutoClose(false);
    state->zip.setUtf8Enabled(true);
    state->zip.setOsCode(3); // Unix, whatever machine writes it
    state->zip.setDataDescriptorWritingEnabled(false);
    if (!state->zip.open(QuaZip::mdCreate)) return fail(state->device->error("write"));
    return ZipWriter(std::move(state));
}

Result<> ZipWriter::add(const std::string& name, std::string_view content)
{
    return add(name, std::as_bytes(std::span(content.data(), content.size())));
}

Result<> ZipWriter::add(const std::string& name, std::span<const std::byte> content)
{
    if (const char* fault = fault_of_name(name))
        return fail(ErrorCode::InvalidArgument,
                    std::string("an entry for a zip is refused: its name ") + fault);
    if (name.back() == '/')
        return fail(ErrorCode::InvalidArgument, "an entry for a zip is refused: it is a folder");
    if (content.size() >= (std::uint64_t{1} << 32) - 1)
        return fail(ErrorCode::Unsupported, "an entry for a zip is refused: it is over 4 GiB");
    const QString entry_name = QString::fromStdString(name);
    if (entry_name.toStdString() != name)
        return fail(ErrorCode::InvalidArgument,
                    "an entry for a zip is refused: its name is not UTF-8");
    if (!state_->names.insert(name).second)
        return fail(ErrorCode::InvalidArgument,
                    "an entry for a zip is refused: its name is taken already");

    QuaZipNewInfo info(entry_name);
    info.dateTime = QDateTime(QDate(1980, 1, 1), QTime(0, 0));
    info.externalAttr = 0100644U << 16;
    info.uncompressedSize = static_cast<ulong>(content.size());
    QuaZipFile file(&state_->zip);
    const bool stored = ends_with_png(name);
    const auto size = static_cast<qint64>(content.size());
    bool written =
        file.open(QIODevice::WriteOnly, info, nullptr, 0, stored ? 0 : Z_DEFLATED, stored ? 0 : 6);
    if (written && size > 0)
        written = file.write(reinterpret_cast<const char*>(content.data()), size) == size;
    if (file.isOpen()) file.close();
    if (!written || file.getZipError() != ZIP_OK || state_->device->error_number() != 0)
        return fail(state_->device->error("write"));
    return {};
}

Result<> ZipWriter::commit()
{
    state_->zip.close();
    if (state_->zip.getZipError() != ZIP_OK || state_->device->error_number() != 0)
        return fail(state_->device->error("write"));
    return state_->device->commit();
}

} // namespace velamen::archive
