// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/metadata.h"

#include <utility>

namespace velamen::data {

namespace {

std::string_view trimmed(std::string_view text)
{
    constexpr std::string_view kSpaces = " \t\r\n";
    const auto first = text.find_first_not_of(kSpaces);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

KeyValue value_or(std::string_view value, const char* why)
{
    return {.value = std::string(trimmed(value)), .why = why};
}

} // namespace

Result<Metadata> Metadata::create(Table table, std::string base)
{
    const auto column = table.column(kFileColumn);
    if (!column)
        return fail(ErrorCode::Corrupt, "metadata.csv has no column 'file_name'",
                    "its first line names its columns, separated by commas; file_name holds the "
                    "path of an image, like wbc/0001.png");
    Metadata metadata(std::move(table), std::move(base));
    const Table& rows = metadata.table_;
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        const auto [known, is_new] =
            metadata.rows_.emplace(std::string(rows.at(row, *column)), row);
        if (!is_new)
            return fail(ErrorCode::Corrupt,
                        "lines " + std::to_string(rows.line(known->second)) + " and "
                            + std::to_string(rows.line(row))
                            + " of metadata.csv are for the same file",
                        "keep one row for each file");
    }
    return metadata;
}

std::optional<std::size_t> Metadata::row(std::string_view name) const
{
    if (!name.starts_with(base_)) return std::nullopt;
    const auto found = rows_.find(std::string(name.substr(base_.size())));
    if (found == rows_.end()) return std::nullopt;
    return found->second;
}

Result<KeyReader> KeyReader::label(const std::string& key, const Metadata* metadata)
{
    VELAMEN_ASSIGN(const Key parsed, label_key_of(key));
    VELAMEN_ASSIGN(KeyReader reader, create(parsed, 0, metadata));
    reader.in_no_folder_ = kUnlabelled;
    return reader;
}

Result<KeyReader> KeyReader::unit(const Keys& keys, const Metadata* metadata)
{
    VELAMEN_ASSIGN(const Key label, label_key_of(keys.label));
    VELAMEN_ASSIGN(const Key unit, unit_key_of(keys.unit));
    return create(unit, label.kind == KeyKind::Folder ? 1 : 0, metadata);
}

Result<KeyReader> KeyReader::create(const Key& key, int level, const Metadata* metadata)
{
    KeyReader reader(key.kind, level);
    if (key.kind == KeyKind::Pattern) {
        VELAMEN_ASSIGN(reader.pattern_, PathPattern::create(key.text));
    }
    if (key.kind != KeyKind::Column) return reader;
    if (metadata == nullptr)
        return fail(ErrorCode::NotFound,
                    "the key 'column:" + key.text + "' needs a metadata.csv, and there is none",
                    "put it into the folder or the zip, or beside the zip");
    const auto column = metadata->table().column(key.text);
    if (!column)
        return fail(ErrorCode::InvalidArgument, "metadata.csv has no column '" + key.text + "'",
                    "name a column as its first line does, with the same capitals");
    reader.metadata_ = metadata;
    reader.column_ = *column;
    return reader;
}

Result<KeyValue> KeyReader::value(std::string_view name, std::string_view path) const
{
    switch (kind_) {
    case KeyKind::File:
        return KeyValue{.value = std::string(name)};
    case KeyKind::Folder:
        return KeyValue{.value = std::string(folder_at(path, level_).value_or(in_no_folder_)),
                        .why = level_ == 0 ? "it lies in no folder"
                                           : "it lies in no folder below that of its class"};
    case KeyKind::Column:
        return cell(name);
    case KeyKind::Pattern: {
        VELAMEN_ASSIGN(const auto found, pattern_->find(path));
        return value_or(found.value_or(""), "the regular expression finds nothing in its path");
    }
    }
    return KeyValue{};
}

KeyValue KeyReader::cell(std::string_view name) const
{
    const auto row = metadata_->row(name);
    if (!row) return {.value = {}, .why = "metadata.csv has no row for it"};
    return value_or(metadata_->table().at(*row, column_), "its cell in metadata.csv is empty");
}

} // namespace velamen::data
