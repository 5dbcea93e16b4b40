// SPDX-License-Identifier: GPL-3.0-or-later
//
// Looks for private things in everything that a run or a release leaves behind.

#pragma once

#include <cctype>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/archive/zip.h"
#include "engine/core/file.h"

namespace velamen::test {

struct Secrets {
    std::vector<std::string> texts;   ///< file names, paths: must appear nowhere
    std::vector<std::string> numbers; ///< counts, as digits: must not appear as a number in text
};

/// Whether `digits` stands in `text` as a number of its own: 137, but not 1370, 0.137 or a hash.
inline bool holds_number(std::string_view text, std::string_view digits)
{
    const auto belongs = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
    };
    for (auto at = text.find(digits); at != std::string_view::npos; at = text.find(digits, at + 1))
        if ((at == 0 || !belongs(text[at - 1]))
            && (at + digits.size() == text.size() || !belongs(text[at + digits.size()])))
            return true;
    return false;
}

inline void look_into(std::vector<std::string>& found, const std::string& where,
                      std::string_view content, const Secrets& secrets)
{
    for (const auto& text : secrets.texts)
        if (content.find(text) != std::string_view::npos) found.push_back(where + ": " + text);
    if (content.find('\0') != std::string_view::npos) return; // numbers in binary files say nothing
    for (const auto& number : secrets.numbers)
        if (holds_number(content, number)) found.push_back(where + ": " + number);
}

/// "file: secret" for each find in the files below `folder` and in the entries of its zips.
inline std::vector<std::string> leaks_in(const std::filesystem::path& folder,
                                         const Secrets& secrets)
{
    std::vector<std::string> found;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
        if (!file.is_regular_file()) continue;
        const std::string where = file.path().string();
        const auto content = core::read_file(file.path());
        if (!content) {
            found.push_back(where + ": cannot be read");
            continue;
        }
        look_into(found, where, *content, secrets);
        if (file.path().extension() != ".zip") continue;
        auto zip = archive::ZipReader::open(file.path());
        if (!zip) {
            found.push_back(where + ": not a zip");
            continue;
        }
        for (const auto& entry : zip->entries()) {
            const auto bytes = zip->read(entry.name);
            if (!bytes) {
                found.push_back(where + ": " + entry.name + " cannot be read");
                continue;
            }
            look_into(found, where + "/" + entry.name, entry.name, secrets);
            look_into(found, where + "/" + entry.name,
                      std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()),
                      secrets);
        }
    }
    return found;
}

} // namespace velamen::test
