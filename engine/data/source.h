// SPDX-License-Identifier: GPL-3.0-or-later
//
// A folder of images, or a zip of folders, as privacy units: what is there, which class and unit
// each image belongs to, and what is wrong with it.
//
//     photos/
//       cat/1.png           class "cat"
//       cat/old/2.jpg       class "cat": the first folder below the root counts
//       dog/3.png           class "dog"
//       4.png               class "unlabelled"
//       metadata.csv        names of files with what keys of the form "column:NAME" ask for
//       notes.txt           listed as NotAnImage; no harm done
//       .DS_Store, __MACOSX, Thumbs.db, desktop.ini, names that start with a dot: ignored
//
// That is where the keys are those of Keys{}, by which each image is a unit of its own. A zip in
// which everything lies in one common folder is read as if that folder were its root; its
// metadata.csv may lie beside it. Names are in the order of their bytes, whatever the disk or the
// zip says; units in that of their first image. What tells units apart is private: it is forgotten
// when the scan ends.

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/result.h"
#include "engine/data/keys.h"
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

enum class ProblemKind {
    Unreadable,
    Corrupt,
    NotAnImage,
    TooSmall,
    NoClass, ///< the key of the class finds nothing for this image
    NoUnit,  ///< nor does that of the unit
    OneClassOnly,
    FewUnits,
    UnusedRows,   ///< rows of metadata.csv name no file here
    SharedImages, ///< the same picture in two units
};
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
    std::int64_t unused_rows = 0;           ///< rows of metadata.csv that name no file here
    std::int64_t shared_images = 0;         ///< images of which another unit has the same bytes
};

struct ScanOptions {
    Keys keys;
    std::string unit = "image"; ///< what a unit is called
};

using ScanProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Access to a folder or zip. One thread.
class Source {
public:
    /// NotFound / Unreadable / Unsupported with a sentence that says what would work.
    static Result<std::unique_ptr<Source>> open(const std::filesystem::path& path);
    virtual ~Source() = default;

    /// Lists, reads and decodes every image once. `progress` from the calling thread. NotFound when
    /// there is no image in it, InvalidArgument when no image has a value for both keys or a key is
    /// none, and errors of Table and Metadata. What errors say is not private.
    Result<Manifest> scan(const ScanOptions& options = {}, std::stop_token stop = {},
                          const ScanProgress& progress = {});

    const std::filesystem::path& path() const noexcept { return path_; }
    bool is_zip() const noexcept { return is_zip_; }

    /// The names of all files, ignored ones too, in any order. Folders that cannot be read are
    /// added to the problems.
    virtual Result<std::vector<std::string>> list(const std::stop_token& stop,
                                                  std::vector<Problem>& problems) = 0;
    /// The file's bytes.
    virtual Result<std::vector<std::byte>> read(const std::string& name) = 0;

protected:
    Source(std::filesystem::path path, bool is_zip) : path_(std::move(path)), is_zip_(is_zip) {}

private:
    std::filesystem::path path_;
    bool is_zip_;
};

/// Keys that look right, and what their units are.
struct SuggestedKeys {
    Keys keys;
    std::string unit; ///< "patient", "subject"
};

/// What metadata.csv offers; nothing where there is none.
struct OfferedKeys {
    std::vector<std::string> columns; ///< but that of the file names
    /// Where a column is called patient, patient_id, subject or subject_id, in any capitals.
    std::optional<SuggestedKeys> suggested;
};

/// By the names of the columns alone. Errors as those of a scan by column.
Result<OfferedKeys> offered_keys(Source& source);

/// The image of that name, cut and scaled to `target`.
Result<image::Image> load(Source& source, const std::string& name, const image::Target& target);

} // namespace velamen::data
