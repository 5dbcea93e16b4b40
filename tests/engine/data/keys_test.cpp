// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/data/path_pattern.h"

namespace velamen::data {
namespace {

using ::testing::HasSubstr;

TEST(Keys, AreTakenApart)
{
    EXPECT_EQ(label_key_of("folder")->kind, KeyKind::Folder);
    EXPECT_EQ(unit_key_of("folder")->kind, KeyKind::Folder);
    EXPECT_EQ(unit_key_of("file")->kind, KeyKind::File);
    const auto column = unit_key_of("column:Patient ID");
    ASSERT_TRUE(column);
    EXPECT_EQ(column->kind, KeyKind::Column);
    EXPECT_EQ(column->text, "Patient ID");
    const auto pattern = label_key_of("pattern:^([a-z]+):");
    ASSERT_TRUE(pattern);
    EXPECT_EQ(pattern->kind, KeyKind::Pattern);
    EXPECT_EQ(pattern->text, "^([a-z]+):");
    EXPECT_TRUE(check_keys({}));
}

TEST(Keys, AreRefusedByNameWithWhatIsPossible)
{
    for (const char* text :
         {"", "files", "Folder", "column:", "column:file_name", "columns:patient",
          "pattern:", "pattern:(", "pattern:abc", "pattern:(?:a)"}) {
        for (const bool is_label : {true, false}) {
            const auto key = is_label ? label_key_of(text) : unit_key_of(text);
            ASSERT_FALSE(key) << text;
            EXPECT_EQ(key.error().code, ErrorCode::InvalidArgument);
            EXPECT_THAT(key.error().message, HasSubstr("'" + std::string(text) + "'"));
            EXPECT_THAT(key.error().message, HasSubstr(is_label ? "class" : "unit"));
            EXPECT_THAT(key.error().hint, HasSubstr("'column:NAME' of metadata.csv"));
        }
    }
    EXPECT_FALSE(label_key_of("file")); // a class of its own for every image is none
    EXPECT_FALSE(check_keys({.label = "folder", .unit = "x"}));
    EXPECT_FALSE(check_keys({.label = "x", .unit = "file"}));
}

TEST(Keys, SayWhatAUnitIsWhereTheyCan)
{
    const auto name = [](const char* unit) {
        return unit_name_of({.label = "folder", .unit = unit});
    };
    EXPECT_EQ(name("file"), "image");
    EXPECT_EQ(name("column:patient"), "patient");
    EXPECT_EQ(name("column:Patient ID"), "patient");
    EXPECT_EQ(name("column:SUBJECT_ID"), "subject");
    EXPECT_EQ(name("column:PatientID"), "patient");
    EXPECT_EQ(name("column:study"), "study");
    EXPECT_EQ(name("column:image"), "");
    EXPECT_EQ(name("column:caf\xC3\xA9"), "");
    EXPECT_EQ(name("folder"), "");
    EXPECT_EQ(name("pattern:(.)"), "");
}

TEST(PathPattern, GivesItsFirstGroup)
{
    const auto find = [](const char* expression, std::string_view path) {
        return PathPattern::create(expression)->find(path).value();
    };
    EXPECT_EQ(find("patient-(\\d+)_", "a/patient-17_3.png"), "17");
    EXPECT_EQ(find("(\\w+)/(\\w+)", "a/b/c"), "a");
    EXPECT_EQ(find("^([^/]+)/", "caf\xC3\xA9/1.png"), "caf\xC3\xA9");
    EXPECT_EQ(find("(b)|a", "a"), std::nullopt); // the group takes no part
    EXPECT_EQ(find("(b)", "a"), std::nullopt);
    EXPECT_EQ(find("x(b*)", "x"), "");
    EXPECT_EQ(find("(b)", "\xFF\xFE b"), "b"); // names of files need not be UTF-8
}

TEST(PathPattern, NeverHangs)
{
    const auto pattern = PathPattern::create("^(a+)+$");
    ASSERT_TRUE(pattern);
    const auto found = pattern->find(std::string(40, 'a') + "b");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::InvalidArgument);
    EXPECT_THAT(found.error().message, Not(HasSubstr("aaa")));
    // Nor does a long name use up the stack.
    const auto wide = PathPattern::create("^((?:a|b)*)c");
    EXPECT_FALSE(wide->find(std::string(65'000, 'a')).value_or(std::nullopt));
    EXPECT_FALSE(PathPattern::create("(" + std::string(1000, 'a') + ")"));
}

} // namespace
} // namespace velamen::data
