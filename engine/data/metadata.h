// SPDX-License-Identifier: GPL-3.0-or-later
//
// metadata.csv of a source: which row is a file's, and the value of a key for a file. Values are
// private and live only as long as a scan.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/core/result.h"
#include "engine/data/keys.h"
#include "engine/data/listing.h"
#include "engine/data/path_pattern.h"
#include "engine/data/table.h"

namespace velamen::data {

inline constexpr std::string_view kMetadataName = "metadata.csv";
inline constexpr std::string_view kFileColumn = "file_name";

/// A table that was read, with the folder that its rows start from.
class Metadata {
public:
    /// `base`: what stands before every file_name in the source. Corrupt: no column file_name, or
    /// two rows for one file, named by their lines.
    static Result<Metadata> create(Table table, std::string base);

    const Table& table() const noexcept { return table_; }
    /// The row of a file.
    std::optional<std::size_t> row(std::string_view name) const;

private:
    Metadata(Table table, std::string base) : table_(std::move(table)), base_(std::move(base)) {}
    Table table_;
    std::string base_;
    std::unordered_map<std::string, std::size_t> rows_; // by file_name
};

/// What a key says of a file.
struct KeyValue {
    std::string value;         ///< private; empty: none
    const char* why = nullptr; ///< without a value: a sentence on what is missing
};

/// Reads one key of many files. One thread.
class KeyReader {
public:
    /// `metadata`: of the source, null when it has none; outlives the reader. InvalidArgument: a
    /// column that the table does not have. NotFound: a column and no table.
    static Result<KeyReader> label(const std::string& key, const Metadata* metadata);
    static Result<KeyReader> unit(const Keys& keys, const Metadata* metadata);

    /// `name` in the source, `path` below its root. Spaces around a value do not count. Errors as
    /// PathPattern::find().
    Result<KeyValue> value(std::string_view name, std::string_view path) const;

private:
    KeyReader(KeyKind kind, int level) : kind_(kind), level_(level) {}
    static Result<KeyReader> create(const Key& key, int level, const Metadata* metadata);
    KeyValue cell(std::string_view name) const;

    KeyKind kind_;
    int level_;                     ///< of the folder
    std::string_view in_no_folder_; ///< the value of files that lie in none; empty: they have none
    std::optional<PathPattern> pattern_;
    const Metadata* metadata_ = nullptr;
    std::size_t column_ = 0;
};

} // namespace velamen::data
