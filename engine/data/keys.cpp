// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/keys.h"

#include <algorithm>
#include <string_view>

#include "engine/data/path_pattern.h"

namespace velamen::data {

namespace {

constexpr std::string_view kColumn = "column:";
constexpr std::string_view kPattern = "pattern:";
constexpr const char* kLabelChoices =
    "a class is found by 'folder', 'column:NAME' of metadata.csv, or 'pattern:RE' with one group";
constexpr const char* kUnitChoices = "a unit is found by 'file', 'folder', 'column:NAME' of "
                                     "metadata.csv, or 'pattern:RE' with one group";

Result<Key> key_of(const std::string& text, const char* what, const char* choices)
{
    const auto refuse = [&](const std::string& why) {
        return fail(ErrorCode::InvalidArgument,
                    std::string("the key of the ") + what + ", '" + text + "', " + why, choices);
    };
    if (text == "folder") return Key{KeyKind::Folder, {}};
    if (text.starts_with(kColumn)) {
        std::string name = text.substr(kColumn.size());
        if (name.empty()) return refuse("names no column");
        if (name == "file_name") return refuse("is the column that names the files");
        return Key{KeyKind::Column, std::move(name)};
    }
    if (text.starts_with(kPattern)) {
        std::string expression = text.substr(kPattern.size());
        if (const auto pattern = PathPattern::create(expression); !pattern)
            return refuse("does not work: " + pattern.error().message);
        return Key{KeyKind::Pattern, std::move(expression)};
    }
    return refuse("is not known");
}

bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

} // namespace

Result<Key> label_key_of(const std::string& text) { return key_of(text, "class", kLabelChoices); }

Result<Key> unit_key_of(const std::string& text)
{
    if (text == "file") return Key{KeyKind::File, {}};
    return key_of(text, "unit", kUnitChoices);
}

Result<> check_keys(const Keys& keys)
{
    VELAMEN_TRY(label_key_of(keys.label));
    VELAMEN_TRY(unit_key_of(keys.unit));
    return {};
}

std::string unit_name_of(const Keys& keys)
{
    if (keys.unit == "file") return "image";
    if (!keys.unit.starts_with(kColumn)) return {};
    std::string name = keys.unit.substr(kColumn.size());
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (c == ' ') c = '_';
    }
    for (const std::string_view ending : {"_id", "-id"})
        if (name.size() > ending.size() && name.ends_with(ending))
            name.resize(name.size() - ending.size());
    if (name == "patientid" || name == "subjectid") name.resize(name.size() - 2);
    const bool is_name = name.size() <= 64 && std::all_of(name.begin(), name.end(), is_plain);
    // "image" is what every file is; a group of them is something else.
    return is_name && name != "image" && name != "file" ? name : std::string();
}

} // namespace velamen::data
