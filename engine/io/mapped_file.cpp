// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/io/mapped_file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace velamen::io {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path)
{
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail(errno == ENOENT ? ErrorCode::NotFound : ErrorCode::Unreadable,
                    "cannot open " + path.string() + ": " + std::strerror(errno));
    struct stat info {};
    const bool is_file = ::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
    MappedFile file;
    if (is_file && info.st_size > 0) {
        file.size_ = static_cast<std::size_t>(info.st_size);
        void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
        file.data_ = data == MAP_FAILED ? nullptr : data;
    }
    const int number = errno;
    file.descriptor_ = descriptor;
    if (!is_file)
        return fail(ErrorCode::Unreadable, "cannot read " + path.string() + ": it is no file");
    if (file.size_ > 0 && file.data_ == nullptr)
        return fail(ErrorCode::Unreadable,
                    "cannot map " + path.string() + ": " + std::strerror(number));
    return file;
}

MappedFile::~MappedFile()
{
    if (data_ != nullptr) ::munmap(data_, size_);
    if (descriptor_ >= 0) ::close(descriptor_);
}

void MappedFile::give_back(std::span<const std::byte> part) const noexcept
{
    const std::size_t begin = static_cast<std::size_t>(part.data() - bytes().data());
    forget_pages(static_cast<std::byte*>(data_) + begin, part.size()); // never written: read-only
}

std::shared_ptr<std::byte> MappedFile::copy_on_write() const
{
    if (size_ == 0) return nullptr;
    void* data = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor_, 0);
    if (data == MAP_FAILED) return nullptr;
    return {static_cast<std::byte*>(data), [size = size_](std::byte* at) { ::munmap(at, size); }};
}

void forget_pages(std::byte* data, std::size_t size) noexcept
{
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t skipped = (page - reinterpret_cast<std::uintptr_t>(data) % page) % page;
    if (size < skipped) return;
    if (const std::size_t whole = (size - skipped) / page * page; whole > 0)
        ::madvise(data + skipped, whole, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
      descriptor_(std::exchange(other.descriptor_, -1))
{
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept
{
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

} // namespace velamen::io
