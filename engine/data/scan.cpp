// SPDX-License-Identifier: GPL-3.0-or-later
//
// One look at every file of a source: is it an image, of which class, of which unit.

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/data/metadata.h"
#include "engine/data/source.h"

namespace velamen::data {

namespace {

namespace fs = std::filesystem;

constexpr int kSmallestSide = 8;
constexpr std::int64_t kFewestUnits = 100;

Problem problem_of(const Error& error, const std::string& name)
{
    ProblemKind kind = ProblemKind::Unreadable;
    bool blocks = true;
    switch (error.code) {
    case ErrorCode::Corrupt:
        kind = ProblemKind::Corrupt;
        break;
    case ErrorCode::Unsupported:
        // A text file beside images is no loss; a picture in a format that is not read is one.
        kind = ProblemKind::NotAnImage;
        blocks = is_named_like_image(name);
        break;
    default:
        break;
    }
    return {.kind = kind, .name = name, .message = error.message, .blocks = blocks};
}

/// Decodes and checks one file; its hash when it is a good image.
tl::expected<core::Digest, Problem> examine(Source& source, const std::string& name)
{
    const auto content = source.read(name);
    if (!content) return tl::unexpected(problem_of(content.error(), name));
    const auto size = image::verify(*content);
    if (!size) return tl::unexpected(problem_of(size.error(), name));
    if (std::min(size->width, size->height) < kSmallestSide)
        return tl::unexpected(Problem{.kind = ProblemKind::TooSmall,
                                      .name = name,
                                      .message = "the image is less than 8 pixels wide or high",
                                      .blocks = true});
    core::Sha256 hash;
    hash.update(std::span<const std::byte>(*content));
    return hash.finish();
}

Result<std::string> text_beside(const fs::path& file)
{
    std::error_code error;
    const std::uint64_t size = fs::file_size(file, error);
    if (!error && size > Table::kMostBytes)
        return fail(ErrorCode::Unsupported, "metadata.csv is larger than 64 MiB",
                    "keep the columns file_name, class and patient");
    return core::read_file(file);
}

Result<std::string> text_within(Source& source, const std::string& name)
{
    VELAMEN_ASSIGN(const auto bytes, source.read(name));
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// Whether every row says the folder that is taken for the root, as a table beside a zip may.
bool names_root(const Table& table, const std::string& root)
{
    const auto column = table.column(kFileColumn);
    if (!column) return false;
    for (std::size_t row = 0; row < table.rows(); ++row)
        if (!table.at(row, *column).starts_with(root)) return false;
    return true;
}

/// The table in the root, in the outermost folder of a zip, or beside it; nothing when there is
/// none.
Result<std::optional<Metadata>> find_metadata(Source& source, const Listing& listing)
{
    const auto is_there = [&](const std::string& name) {
        return std::ranges::binary_search(listing.names, name);
    };
    const std::string file(kMetadataName);
    std::string text, base = listing.root;
    if (is_there(listing.root + file)) {
        VELAMEN_ASSIGN(text, text_within(source, listing.root + file));
    } else if (is_there(file)) {
        VELAMEN_ASSIGN(text, text_within(source, file));
        base.clear();
    } else {
        const fs::path beside = source.path().parent_path() / file;
        std::error_code ignored;
        if (!source.is_zip() || !fs::is_regular_file(beside, ignored))
            return std::optional<Metadata>();
        VELAMEN_ASSIGN(text, text_beside(beside));
    }
    VELAMEN_ASSIGN(Table table, Table::parse(std::move(text)));
    if (names_root(table, listing.root)) base.clear();
    VELAMEN_ASSIGN(Metadata metadata, Metadata::create(std::move(table), std::move(base)));
    return std::optional(std::move(metadata));
}

/// An image that stays, with values that are forgotten after the scan.
struct Found {
    const std::string* name;
    std::string class_name;
    std::size_t unit;
    core::Digest hash;
};

class Scan {
public:
    Scan(Source& source, const ScanOptions& options) : source_(source), options_(options) {}

    Result<Manifest> run(const std::stop_token& stop, const ScanProgress& progress) &&
    {
        manifest_.path = source_.path();
        VELAMEN_TRY(prepare(stop));
        VELAMEN_TRY(look(stop, progress));
        if (found_.empty()) return fail(nothing());
        fill();
        count_rows();
        count_shared();
        judge();
        return std::move(manifest_);
    }

private:
    Result<> prepare(const std::stop_token& stop)
    {
        VELAMEN_ASSIGN(const Key label, label_key_of(options_.keys.label));
        VELAMEN_ASSIGN(const Key unit, unit_key_of(options_.keys.unit));
        VELAMEN_ASSIGN(auto names, source_.list(stop, manifest_.problems));
        const int levels =
            (label.kind == KeyKind::Folder ? 1 : 0) + (unit.kind == KeyKind::Folder ? 1 : 0);
        listing_ = listed(std::move(names), source_.is_zip(), levels);
        if (label.kind == KeyKind::Column || unit.kind == KeyKind::Column) {
            VELAMEN_ASSIGN(metadata_, find_metadata(source_, listing_));
        }
        const Metadata* metadata = metadata_ ? &*metadata_ : nullptr;
        VELAMEN_ASSIGN(label_, KeyReader::label(options_.keys.label, metadata));
        VELAMEN_ASSIGN(unit_, KeyReader::unit(options_.keys, metadata));
        return {};
    }

    Result<> look(const std::stop_token& stop, const ScanProgress& progress)
    {
        std::vector<const std::string*> files;
        for (const std::string& name : listing_.names)
            if (path_in(listing_, name) != kMetadataName) files.push_back(&name);
        const auto total = static_cast<std::int64_t>(files.size());
        for (std::int64_t i = 0; i < total; ++i) {
            if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "the scan was stopped");
            VELAMEN_TRY(take(*files[static_cast<std::size_t>(i)]));
            if (progress) progress(i + 1, total);
        }
        return {};
    }

    Result<> take(const std::string& name)
    {
        auto hash = examine(source_, name);
        if (!hash) {
            manifest_.problems.push_back(std::move(hash.error()));
            return {};
        }
        const std::string_view path = path_in(listing_, name);
        VELAMEN_ASSIGN(KeyValue label, label_->value(name, path));
        if (label.value.empty()) return leave_out(name, ProblemKind::NoClass, label.why);
        VELAMEN_ASSIGN(KeyValue unit, unit_->value(name, path));
        if (unit.value.empty()) return leave_out(name, ProblemKind::NoUnit, unit.why);
        const auto [known, is_new] = units_.emplace(std::move(unit.value), units_.size());
        found_.push_back({&name, std::move(label.value), known->second, *hash});
        return {};
    }

    Result<> leave_out(const std::string& name, ProblemKind kind, const char* why)
    {
        if (why_first_ == nullptr) why_first_ = why;
        manifest_.problems.push_back(
            {.kind = kind,
             .name = name,
             .message = (kind == ProblemKind::NoClass
                             ? "its class is not known: "
                             : "the " + options_.unit + " that it belongs to is not known: ")
                 + std::string(why),
             .blocks = true});
        return {};
    }

    Error nothing() const
    {
        if (why_first_ != nullptr)
            return {
                ErrorCode::InvalidArgument,
                "no image has a class by the key '" + options_.keys.label
                    + "' and a unit by the key '" + options_.keys.unit + "'",
                "of the first image: " + std::string(why_first_)
                    + "; file_name in metadata.csv holds the path from the folder of the table, "
                      "like wbc/0001.png"};
        return {ErrorCode::NotFound,
                "there is no image in " + source_.path().string()
                    + (listing_.names.empty() ? "" : " that can be read"),
                "choose a folder (or a zip of it) with one subfolder of images per class"};
    }

    void fill()
    {
        std::map<std::string, int> classes;
        for (const Found& found : found_)
            classes.emplace(found.class_name, 0);
        for (auto& [name, number] : classes) {
            number = static_cast<int>(manifest_.classes.size());
            manifest_.classes.push_back(name);
        }
        manifest_.class_counts.assign(manifest_.classes.size(), 0);
        manifest_.units.resize(units_.size());
        for (const Found& found : found_) {
            const int number = classes.at(found.class_name);
            ++manifest_.class_counts[static_cast<std::size_t>(number)];
            manifest_.units[found.unit].images.push_back(
                static_cast<ImageIndex>(manifest_.images.size()));
            manifest_.images.push_back({.name = *found.name, .class_index = number});
        }
    }

    void count_rows()
    {
        if (!metadata_) return;
        manifest_.unused_rows = static_cast<std::int64_t>(metadata_->table().rows());
        for (const std::string& name : listing_.names)
            if (metadata_->row(name)) --manifest_.unused_rows;
    }

    void count_shared()
    {
        std::ranges::sort(found_, {}, &Found::hash);
        for (auto first = found_.begin(); first != found_.end();) {
            const auto last = std::find_if(
                first, found_.end(), [&](const Found& found) { return found.hash != first->hash; });
            const bool is_shared = std::any_of(
                first, last, [&](const Found& found) { return found.unit != first->unit; });
            if (is_shared) manifest_.shared_images += last - first;
            first = last;
        }
    }

    void judge()
    {
        if (manifest_.classes.size() == 1)
            say(ProblemKind::OneClassOnly,
                "all images are of one class; for several, sort them into subfolders");
        if (manifest_.unused_rows > 0)
            say(ProblemKind::UnusedRows, "metadata.csv has rows that name no file here");
        if (manifest_.shared_images > 0)
            say(ProblemKind::SharedImages,
                "some images are the same, byte for byte, in more than one " + options_.unit
                    + "; epsilon holds for each alone, so drop the copies or merge what belongs "
                      "together");
        const auto units = static_cast<std::int64_t>(manifest_.units.size());
        if (units < kFewestUnits)
            say(ProblemKind::FewUnits,
                "the number of units is only " + std::to_string(units) + ", each one "
                    + options_.unit
                    + "; private training needs at least 100, and thousands to be useful",
                true);
    }

    void say(ProblemKind kind, std::string message, bool blocks = false)
    {
        manifest_.problems.push_back(
            {.kind = kind, .name = {}, .message = std::move(message), .blocks = blocks});
    }

    Source& source_;
    const ScanOptions& options_;
    Listing listing_;
    std::optional<Metadata> metadata_;
    std::optional<KeyReader> label_, unit_;
    std::unordered_map<std::string, std::size_t> units_; // value of the key -> index
    std::vector<Found> found_;
    const char* why_first_ = nullptr; // an image was left out for want of a value
    Manifest manifest_;
};

std::string lower(std::string_view text)
{
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

/// The first column that has one of these names, in their order.
std::optional<std::string> column_of(const Table& table,
                                     std::initializer_list<std::string_view> names)
{
    for (const std::string_view name : names)
        for (std::size_t i = 0; i < table.columns(); ++i)
            if (lower(table.name(i)) == name) return std::string(table.name(i));
    return std::nullopt;
}

} // namespace

Result<Manifest> Source::scan(const ScanOptions& options, std::stop_token stop,
                              const ScanProgress& progress)
{
    return Scan(*this, options).run(stop, progress);
}

Result<OfferedKeys> offered_keys(Source& source)
{
    std::vector<Problem> problems;
    VELAMEN_ASSIGN(auto names, source.list({}, problems));
    const Listing listing = listed(std::move(names), source.is_zip());
    VELAMEN_ASSIGN(const auto metadata, find_metadata(source, listing));
    OfferedKeys offered;
    if (!metadata) return offered;
    const Table& table = metadata->table();
    for (std::size_t i = 0; i < table.columns(); ++i)
        if (table.name(i) != kFileColumn) offered.columns.emplace_back(table.name(i));
    const auto unit =
        column_of(table, {"patient", "patient_id", "patientid", "subject", "subject_id"});
    if (!unit) return offered;
    SuggestedKeys& suggested = offered.suggested.emplace();
    suggested.keys.unit = "column:" + *unit;
    suggested.unit = unit_name_of(suggested.keys);
    const bool has_folders = std::ranges::any_of(listing.names, [&](const std::string& name) {
        return is_named_like_image(name) && folder_at(path_in(listing, name), 0);
    });
    if (const auto label = column_of(table, {"class", "label", "diagnosis"}); label && !has_folders)
        suggested.keys.label = "column:" + *label;
    return offered;
}

} // namespace velamen::data
