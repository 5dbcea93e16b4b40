// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/vocabulary_file.h"

#include <utility>

#include "engine/core/file.h"
#include "engine/text/unicode.h"

namespace velamen::text {

namespace fs = std::filesystem;

tl::unexpected<Error> bad_vocabulary(const fs::path& path, const std::string& cause)
{
    return fail(ErrorCode::Corrupt, path.filename().string() + ": " + cause,
                "take the tokenizer's files from the checkpoint again");
}

tl::unexpected<Error> bad_line(const fs::path& path, std::size_t number, const std::string& cause)
{
    return bad_vocabulary(path, "line " + std::to_string(number) + " " + cause);
}

Result<std::string> read_vocabulary_file(const fs::path& path)
{
    std::error_code unknown;
    if (const auto size = fs::file_size(path, unknown); !unknown && size > kLongestText)
        return bad_vocabulary(
            path, "it has " + std::to_string(size) + " bytes, no vocabulary is so large");
    VELAMEN_ASSIGN(std::string text, core::read_file(path));
    if (text.starts_with("\x1f\x8b"))
        return fail(ErrorCode::Unsupported, path.filename().string() + " is packed with gzip",
                    "unpack it: gunzip --keep FILE");
    if (const auto at = find_invalid(text))
        return bad_vocabulary(path, "not UTF-8 at byte " + std::to_string(*at));
    return text;
}

std::vector<std::string_view> lines_of(std::string_view text)
{
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        lines.push_back(line);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

} // namespace velamen::text
