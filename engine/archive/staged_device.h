// SPDX-License-Identifier: GPL-3.0-or-later
//
// The file that a zip is written into before it appears under its name, as Qt's QIODevice (QuaZip
// writes to nothing else). Included only by zip.cpp and staged_device.cpp.

#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include <QtCore/QIODevice>

#include "engine/core/result.h"

namespace velamen::archive {

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

} // namespace velamen::archive
