// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any bytes as metadata.csv: refused with a reason, or read; what was read is written with every
// cell in quotes and read again as the same cells. Looking its rows up does no harm.

#include "engine/data/metadata.h"
#include "tests/fuzz/fuzz.h"

namespace {

std::string quoted(std::string_view cell)
{
    std::string text = "\"";
    for (const char c : cell) {
        if (c == '"') text += c;
        text += c;
    }
    return text + '"';
}

std::string line_of(const velamen::data::Table& table, std::int64_t row)
{
    std::string line;
    for (std::size_t column = 0; column < table.columns(); ++column) {
        if (column > 0) line += ',';
        line +=
            quoted(row < 0 ? table.name(column) : table.at(static_cast<std::size_t>(row), column));
    }
    return line + "\r\n";
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    using data::Table;
    auto table = Table::parse(std::string(fuzz::text_of(data, size)));
    if (!table) {
        fuzz::require(table.error().message.find("metadata.csv") != std::string::npos,
                      "an error names the table");
        return 0;
    }
    std::string text;
    const auto rows = static_cast<std::int64_t>(table->rows());
    for (std::int64_t row = -1; row < rows; ++row)
        text += line_of(*table, row);
    const auto again = Table::parse(text);
    fuzz::require(again.has_value(), "what was written can be read");
    fuzz::require(again->rows() == table->rows() && again->columns() == table->columns(),
                  "it has the same size");
    for (std::int64_t row = -1; row < rows; ++row)
        fuzz::require(line_of(*again, row) == line_of(*table, row), "and the same cells");
    for (std::size_t row = 1; row < table->rows(); ++row)
        fuzz::require(table->line(row) > table->line(row - 1), "lines come in order");
    const auto column = table->column(data::kFileColumn);
    const std::string name(column && rows > 0 ? table->at(0, *column) : "none");
    const auto metadata = data::Metadata::create(std::move(*table), {});
    if (metadata && rows > 0)
        fuzz::require(metadata->row(name) == 0U, "a row is found by its file");
    return 0;
}
