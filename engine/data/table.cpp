// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/table.h"

#include <algorithm>
#include <utility>

namespace velamen::data {

namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";

Error broken(std::int64_t line, const std::string& what, std::string hint)
{
    return {ErrorCode::Corrupt, "line " + std::to_string(line) + " of metadata.csv " + what,
            std::move(hint)};
}

/// Bytes of the UTF-8 sequence at the beginning of `text`; 0 when there is none (Unicode 15, table
/// 3-7: neither longer than needed nor a surrogate).
std::size_t sequence(std::string_view text)
{
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const unsigned low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
        return follows(1, low, high) && follows(2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const unsigned low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
        return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

Result<> check_text(std::string_view text)
{
    std::int64_t line = 1;
    while (!text.empty()) {
        const std::size_t size = sequence(text);
        if (size == 0 || text.front() == '\0')
            return fail(broken(line, size == 0 ? "is not UTF-8" : "holds a NUL",
                               "save the table as CSV in UTF-8"));
        if (text.front() == '\n') ++line;
        text.remove_prefix(size);
    }
    return {};
}

} // namespace

/// Cells are written back into the text where they are read: a cell never becomes longer.
class TableReader {
public:
    explicit TableReader(std::string text)
    {
        table_.text_ = std::move(text);
        if (table_.text_.starts_with(kMark)) at_ = kMark.size();
    }

    Result<Table> read() &&
    {
        while (at_ < size())
            VELAMEN_TRY(read_row());
        if (table_.lines_.empty())
            return fail(ErrorCode::Corrupt, "metadata.csv is empty",
                        "its first line names its columns, one of them file_name");
        VELAMEN_TRY(check_names());
        return std::move(table_);
    }

private:
    std::size_t size() const { return table_.text_.size(); }
    char here() const { return at_ < size() ? table_.text_[at_] : '\0'; }

    Result<> read_row()
    {
        const std::int64_t first = line_;
        const std::size_t before = table_.cells_.size();
        table_.lines_.push_back(first);
        for (;;) {
            VELAMEN_TRY(here() == '"' ? read_quoted() : read_plain());
            if (here() != ',') break;
            ++at_;
        }
        if (here() == '\r') ++at_;
        if (here() == '\n') ++at_;
        ++line_;
        return check_width(first, table_.cells_.size() - before);
    }

    Result<> check_width(std::int64_t line, std::size_t width)
    {
        if (table_.lines_.size() == 1) {
            table_.columns_ = width;
            if (width > Table::kMostColumns)
                return fail(ErrorCode::Unsupported, "metadata.csv has more than 1024 columns",
                            "keep the columns file_name, class and patient");
            return {};
        }
        if (width == table_.columns_) return {};
        return fail(broken(line,
                           "has " + std::to_string(width) + " cells, the first line has "
                               + std::to_string(table_.columns_),
                           "give every line the same number of cells; a comma inside a cell needs "
                           "double quotes around the cell"));
    }

    /// Up to the next comma or end of line.
    Result<> read_plain()
    {
        const std::size_t begin = at_;
        for (; at_ < size(); ++at_) {
            const char c = table_.text_[at_];
            if (c == ',' || c == '\n') break;
            if (c == '\r') {
                if (is_line_end()) break;
                return fail(stray_return());
            }
            if (c == '"')
                return fail(broken(line_, "holds a double quote inside a cell without quotes",
                                   "put the cell into double quotes and double those inside"));
        }
        add(begin, at_);
        return {};
    }

    /// From one quote to the next that is not doubled.
    Result<> read_quoted()
    {
        const std::int64_t first = line_;
        const std::size_t begin = ++at_;
        std::size_t end = begin;
        for (;; ++at_) {
            if (at_ >= size())
                return fail(broken(first, "opens a double quote that is never closed",
                                   "close it, or double it if it belongs to the text"));
            char c = table_.text_[at_];
            if (c == '"' && table_.text_.compare(at_, 2, "\"\"") != 0) break;
            if (c == '"') ++at_;
            if (c == '\n') ++line_;
            table_.text_[end++] = c;
        }
        ++at_;
        add(begin, end);
        if (at_ >= size() || here() == ',' || here() == '\n') return {};
        if (here() == '\r') return is_line_end() ? Result<>() : fail(stray_return());
        return fail(broken(line_, "goes on after a closing double quote",
                           "double the quotes that belong to the text"));
    }

    bool is_line_end() const { return table_.text_.compare(at_, 2, "\r\n") == 0; }
    Error stray_return() const
    {
        return broken(line_, "holds a carriage return that ends no line",
                      "save the table with Windows or Unix line ends");
    }

    void add(std::size_t begin, std::size_t end)
    {
        table_.cells_.push_back(
            {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)});
    }

    Result<> check_names() const
    {
        std::vector<std::pair<std::string_view, std::size_t>> names;
        for (std::size_t i = 0; i < table_.columns_; ++i)
            names.emplace_back(table_.name(i), i + 1);
        std::sort(names.begin(), names.end());
        for (std::size_t i = 1; i < names.size(); ++i)
            if (names[i].first == names[i - 1].first)
                return fail(ErrorCode::Corrupt,
                            "columns " + std::to_string(names[i - 1].second) + " and "
                                + std::to_string(names[i].second)
                                + " of metadata.csv have the same name",
                            "give each column a name of its own");
        return {};
    }

    Table table_;
    std::size_t at_ = 0;
    std::int64_t line_ = 1;
};

Result<Table> Table::parse(std::string text)
{
    if (text.size() > kMostBytes)
        return fail(ErrorCode::Unsupported, "metadata.csv is larger than 64 MiB",
                    "keep the columns file_name, class and patient");
    VELAMEN_TRY(check_text(text));
    return TableReader(std::move(text)).read();
}

std::optional<std::size_t> Table::column(std::string_view name) const
{
    for (std::size_t i = 0; i < columns_; ++i)
        if (this->name(i) == name) return i;
    return std::nullopt;
}

} // namespace velamen::data
