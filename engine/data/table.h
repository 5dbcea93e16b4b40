// SPDX-License-Identifier: GPL-3.0-or-later
//
// A table of texts: metadata.csv beside images. RFC 4180, read strictly, because a row that is read
// wrongly puts an image into another patient. Knows nothing of images. Its cells are private;
// errors name lines and columns, never what is in them.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

namespace velamen::data {

/// Immutable. Safe to read from several threads.
class Table {
public:
    static constexpr std::size_t kMostBytes = std::size_t{64} << 20;
    static constexpr std::size_t kMostColumns = 1024;

    /// Columns are separated by commas, lines by CRLF or LF; a cell in double quotes may hold both,
    /// and a doubled quote stands for one. UTF-8, with or without a byte order mark. The first line
    /// names the columns. Corrupt naming the line, or the column of the first line by its number:
    /// not UTF-8, a NUL, a quote where none may be, a quote that is never closed, a CR alone,
    /// another number of cells than the first line has, two columns of one name. Unsupported:
    /// larger than kMostBytes or wider than kMostColumns. Corrupt as well when there is no line.
    static Result<Table> parse(std::string text);

    std::size_t columns() const noexcept { return columns_; }
    /// Without the first line.
    std::size_t rows() const noexcept { return lines_.size() - 1; }
    /// Its first line; nothing when no column has that name.
    std::optional<std::size_t> column(std::string_view name) const;
    /// What the first line says of a column. Public, as names of columns are.
    std::string_view name(std::size_t column) const { return cell(column); }
    std::string_view at(std::size_t row, std::size_t column) const
    {
        return cell((row + 1) * columns_ + column);
    }
    /// The line of the file on which a row begins, counted from 1.
    std::int64_t line(std::size_t row) const { return lines_[row + 1]; }

private:
    friend class TableReader;
    struct Cell {
        std::uint32_t begin = 0;
        std::uint32_t size = 0;
    };
    Table() = default;
    std::string_view cell(std::size_t index) const
    {
        return std::string_view(text_).substr(cells_[index].begin, cells_[index].size);
    }
    std::string text_; ///< of the file; where quotes were taken out, with bytes that no cell has
    std::vector<Cell> cells_; // row by row, the first line too
    std::vector<std::int64_t> lines_;
    std::size_t columns_ = 0;
};

} // namespace velamen::data
