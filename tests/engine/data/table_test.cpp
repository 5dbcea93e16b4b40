// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace velamen::data {
namespace {

using ::testing::HasSubstr;
using Lines = std::vector<std::vector<std::string>>;

Lines lines_of(const Table& table)
{
    Lines lines(1 + table.rows());
    for (std::size_t column = 0; column < table.columns(); ++column) {
        lines[0].emplace_back(table.name(column));
        for (std::size_t row = 0; row < table.rows(); ++row)
            lines[row + 1].emplace_back(table.at(row, column));
    }
    return lines;
}

Lines read(const std::string& text)
{
    const auto table = Table::parse(text);
    EXPECT_TRUE(table) << table.error().message;
    return table ? lines_of(*table) : Lines{};
}

TEST(Table, ReadsWhatProgramsWrite)
{
    const Lines plain{{"a", "b"}, {"1", "2"}, {"", "4"}};
    EXPECT_EQ(read("a,b\n1,2\n,4"), plain);
    EXPECT_EQ(read("a,b\r\n1,2\r\n,4\r\n"), plain);
    EXPECT_EQ(read("\xEF\xBB\xBF"
                   "a,b\n1,2\r\n\"\",4\n"),
              plain);
    EXPECT_EQ(read("a\n\n1\n"), (Lines{{"a"}, {""}, {"1"}}));
    EXPECT_EQ(read("a"), (Lines{{"a"}}));
    EXPECT_EQ(read("a,\n1,\n"), (Lines{{"a", ""}, {"1", ""}}));
}

TEST(Table, TakesQuotesAway)
{
    EXPECT_EQ(read("\"a\",\"b,c\"\n\"say \"\"x\"\"\",\"two\r\nlines\"\n\"\"\"\",\" s \""),
              (Lines{{"a", "b,c"}, {"say \"x\"", "two\r\nlines"}, {"\"", " s "}}));
    EXPECT_EQ(read("caf\xC3\xA9,\xF0\x9F\xA9\xB8\n\"\xE2\x82\xAC\"\"\",x"),
              (Lines{{"caf\xC3\xA9", "\xF0\x9F\xA9\xB8"}, {"\xE2\x82\xAC\"", "x"}}));
}

TEST(Table, FindsColumnsAndTheLineOfARow)
{
    const auto table = Table::parse("file_name,patient\n\"a\n\n\",p\nb,q\n");
    ASSERT_TRUE(table);
    EXPECT_EQ(table->column("patient"), 1U);
    EXPECT_FALSE(table->column("Patient"));
    EXPECT_EQ(table->line(0), 2);
    EXPECT_EQ(table->line(1), 5);
}

// Each is refused by its line, and what stands on it is not repeated.
TEST(Table, RefusesWhatCanBeReadInTwoWays)
{
    struct Case {
        std::string text;
        const char* message;
    };
    for (const Case& c : std::vector<Case>{
             {"a,b\nsecret,2,3\n", "line 2 of metadata.csv has 3 cells, the first line has 2"},
             {"a,b\n1,2\nsecret\n", "line 3 of metadata.csv has 1 cells"},
             {"a,b\n1,2\n\n", "line 3 of metadata.csv has 1 cells"},
             {"a,b\n\"secret\n\n\",2\nx\n", "line 5 of metadata.csv has 1 cells"},
             {"a,b\nsec\"ret,2\n", "line 2 of metadata.csv holds a double quote"},
             {"a,b\n\"secret\"x,2\n", "line 2 of metadata.csv goes on after"},
             {"a,b\n1,\"secret\n\n", "line 2 of metadata.csv opens a double quote"},
             {"a,b\nsecret\r1,2\n", "line 2 of metadata.csv holds a carriage return"},
             {"a,b\n\"secret\"\r,2\n", "line 2 of metadata.csv holds a carriage return"},
             {"a,b\n1,2\nsecret\xFF,2\n", "line 3 of metadata.csv is not UTF-8"},
             {"a,b\nsecret\xC0\xAF,2\n",
              "line 2 of metadata.csv is not UTF-8"}, // longer than needed
             {"a,b\nsecret\xED\xA0\x80,2\n", "line 2 of metadata.csv is not UTF-8"}, // a surrogate
             {"a,b\nsecret\xF4\x90\x80\x80,2\n", "line 2 of metadata.csv is not UTF-8"},
             {"a,b\nsecret,\xE2\x82", "line 2 of metadata.csv is not UTF-8"},
             {std::string("a,b\nsecret,\0\n", 13), "line 2 of metadata.csv holds a NUL"},
             {"secret,b,secret\n", "columns 1 and 3 of metadata.csv have the same name"},
             {"", "metadata.csv is empty"},
             {"\xEF\xBB\xBF", "metadata.csv is empty"},
             {std::string(1024, ',') + "\n", "more than 1024 columns"},
         }) {
        const auto table = Table::parse(c.text);
        ASSERT_FALSE(table) << c.message;
        EXPECT_THAT(table.error().message, HasSubstr(c.message));
        EXPECT_THAT(table.error().message + table.error().hint, Not(HasSubstr("secret")));
        EXPECT_FALSE(table.error().hint.empty());
    }
    EXPECT_EQ(Table::parse(std::string(Table::kMostBytes + 1, 'a')).error().code,
              ErrorCode::Unsupported);
}

} // namespace
} // namespace velamen::data
