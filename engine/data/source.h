// SPDX-License-Identifier: GPL-3.0-or-later
//
// A folder of images, or a zip of folders, as privacy units: what is there, which class each image
// belongs to, and what is wrong with it.
//
//     photos/
//       cat/1.png           class "cat"
//       cat/old/2.jpg       class "cat": the first folder below the root counts
//       dog/3.png           class "dog"
//       4.png               class "unlabelled"
//       notes.txt           listed as NotAnImage; no harm done
//       .DS_Store, __MACOSX, Thumbs.db, desktop.ini, names that start with a dot: ignored
//
// A zip in which everything lies in one common folder is read as if that folder were its root. Each
// image is one unit. Names are in the order of their bytes, whatever the disk or the zip says.

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/image/codec.h"
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

/// The image of that name, cut and scaled to `target`.
Result<image::Image> load(Source& source, const std::string& name, const image::Target& target);

} // namespace velamen::data
