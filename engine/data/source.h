// SPDX-License-Identifier: GPL-3.0-or-later
//
// A folder of images, or a zip of folders, as privacy units: what is there, which class each image
// belongs to, and what is wrong with it. Class = name of the subfolder that holds the image.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/image/image.h"

namespace velamen::data {

/// Index of an image in its source.
using ImageIndex = std::int64_t;

struct ImageEntry {
    std::string name; ///< path inside the source; private: never printed, logged or exported
    int class_index = 0;
};

/// A privacy unit: the images of one patient, or a single image.
struct Unit {
    std::vector<ImageIndex> images;
};

enum class ProblemKind { Unreadable, Corrupt, NotAnImage, TooSmall, OneClassOnly, FewUnits };
struct Problem {
    ProblemKind kind;
    std::string name;    ///< of the file; private; empty when it concerns the whole source
    std::string message; ///< a sentence without the name
    bool blocks = false; ///< true: the image is left out (or, without a name, no run can start)
};

/// What a scan found. Private as a whole: only sums that the user declared public may leave.
struct Manifest {
    std::filesystem::path path;
    std::vector<std::string> classes; ///< sorted; declared public by the user before a run
    std::vector<ImageEntry> images;   ///< readable ones only
    std::vector<Unit> units;
    std::vector<Problem> problems;
    std::vector<std::int64_t> class_counts; ///< private under add/remove
};

/// Access to a folder or zip. One thread.
class Source {
public:
    /// NotFound / Unreadable / Unsupported with a sentence that says what would work.
    static Result<std::unique_ptr<Source>> open(const std::filesystem::path& path);
    virtual ~Source() = default;

    /// Lists, reads and decodes every image once. `progress(done, total)` from the calling thread.
    /// NotFound when there is no image in it.
    virtual Result<Manifest>
    scan(std::stop_token stop,
         const std::function<void(std::int64_t, std::int64_t)>& progress = {}) = 0;
    /// The file's bytes.
    virtual Result<std::vector<std::byte>> read(const std::string& name) = 0;
};

} // namespace velamen::data
