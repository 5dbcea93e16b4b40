// SPDX-License-Identifier: GPL-3.0-or-later
//
// Images as units by every kind of key, in folders and zips, and what is wrong with keys and
// tables.

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/data/source_parts.h"
#include "tests/support/temp_dir.h"

namespace velamen::data {
namespace {

using test::TempDir;
using testing::Files;
using testing::find;
using ::testing::HasSubstr;
using testing::many;
using ::testing::Not;
using testing::pack;
using testing::png;
using testing::scan;
using testing::write;

ScanOptions by(const std::string& unit, const std::string& label = "folder")
{
    return {.keys = {.label = label, .unit = unit}, .unit = "patient"};
}

/// Units as sets of file names, with class names: what a grouping is, whatever the numbers.
using Grouping = std::set<std::set<std::string>>;

Grouping grouping(const Manifest& manifest, std::size_t root = 0)
{
    Grouping units;
    for (const Unit& unit : manifest.units) {
        std::set<std::string> names;
        for (const ImageIndex i : unit.images) {
            const ImageEntry& image = manifest.images[static_cast<std::size_t>(i)];
            names.insert(image.name.substr(root) + " "
                         + manifest.classes[static_cast<std::size_t>(image.class_index)]);
        }
        units.insert(names);
    }
    return units;
}

TEST(Units, AreTheFoldersBelowThoseOfTheClasses)
{
    const TempDir dir;
    const Files files{{"cat/p1/1.png", png(8, 1)},    {"cat/p1/deep/2.png", png(8, 2)},
                      {"cat/p2/1.png", png(8, 3)},    {"dog/p1/1.png", png(8, 4)},
                      {"dog/without.png", png(8, 5)}, {"alone.png", png(8, 6)}};
    const Grouping expected{{"cat/p1/1.png cat", "cat/p1/deep/2.png cat", "dog/p1/1.png dog"},
                            {"cat/p2/1.png cat"}};
    write(dir.path() / "set", files);
    pack(dir.path() / "set.zip", files);
    for (const char* name : {"set", "set.zip"}) {
        const auto manifest = scan(dir.path() / name, by("folder"));
        ASSERT_TRUE(manifest) << manifest.error().message;
        EXPECT_EQ(grouping(*manifest), expected);
        EXPECT_EQ(manifest->class_counts, (std::vector<std::int64_t>{3, 1}));
        std::set<std::string> left_out;
        for (const Problem& problem : manifest->problems)
            if (problem.kind == ProblemKind::NoUnit) {
                EXPECT_TRUE(problem.blocks);
                EXPECT_THAT(problem.message, HasSubstr("the patient that it belongs to"));
                left_out.insert(problem.name);
            }
        EXPECT_EQ(left_out, (std::set<std::string>{"alone.png", "dog/without.png"}));
    }
}

TEST(Units, AreTheFirstFoldersWhereClassesAreInATable)
{
    const TempDir dir;
    write(dir.path(),
          {{"p1/1.png", png(8, 1)},
           {"p1/2.png", png(8, 2)},
           {"p2/1.png", png(8, 3)},
           {"metadata.csv", "file_name,kind\np1/1.png,x\np1/2.png,y\np2/1.png,x\n"}});
    const auto manifest = scan(dir.path(), by("folder", "column:kind"));
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_EQ(grouping(*manifest), (Grouping{{"p1/1.png x", "p1/2.png y"}, {"p2/1.png x"}}));
}

TEST(Units, ByAPatternOfThePath)
{
    const TempDir dir;
    write(dir.path(),
          {{"s/17_a.png", png(8, 1)},
           {"t/17_b.png", png(8, 2)},
           {"t/4_a.png", png(8, 3)},
           {"t/none.png", png(8, 4)}});
    const auto manifest =
        scan(dir.path(), by("pattern:/(\\d+)_", "pattern:_(.)\\.png$|(?<=/)(?=none)"));
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_EQ(grouping(*manifest), (Grouping{{"s/17_a.png a", "t/17_b.png b"}, {"t/4_a.png a"}}));
    ASSERT_NE(find(*manifest, ProblemKind::NoClass), nullptr);
    EXPECT_EQ(find(*manifest, ProblemKind::NoClass)->name, "t/none.png");
}

TEST(Units, ByAColumnWhereverTheTableLies)
{
    const TempDir dir;
    Files files{{"a/1.png", png(8, 1)}, {"a/2.png", png(8, 2)}, {"b/1.png", png(8, 3)}};
    const std::string table =
        "\xEF\xBB\xBF"
        "patient,file_name\r\n\"p,1\",a/1.png\r\n p2 ,a/2.png\r\np2,b/1.png\r\n";
    const std::string rooted = "patient,file_name\n1,set/a/1.png\n2,set/a/2.png\n2,set/b/1.png\n";
    const Grouping expected{{"a/1.png a"}, {"a/2.png a", "b/1.png b"}};
    Files wrapped;
    for (const auto& [name, content] : files)
        wrapped["set/" + name] = content;
    const auto check = [&](const std::string& name, std::size_t root) {
        const auto manifest = scan(dir.path() / name, by("column:patient"));
        ASSERT_TRUE(manifest) << name << ": " << manifest.error().message;
        EXPECT_EQ(grouping(*manifest, root), expected) << name;
        EXPECT_EQ(manifest->unused_rows, 0) << name;
        for (const Problem& problem : manifest->problems)
            EXPECT_EQ(problem.kind, ProblemKind::FewUnits) << problem.name << problem.message;
    };
    std::filesystem::create_directories(dir.path() / "beside");
    std::filesystem::create_directories(dir.path() / "outer");
    pack(dir.path() / "beside/plain.zip", files);
    pack(dir.path() / "beside/wrapped.zip", wrapped);
    pack(dir.path() / "outer/wrapped.zip", wrapped);
    ASSERT_TRUE(core::write_file(dir.path() / "beside/metadata.csv", table));
    ASSERT_TRUE(core::write_file(dir.path() / "outer/metadata.csv", rooted));
    check("beside/plain.zip", 0);
    check("beside/wrapped.zip", 4);
    check("outer/wrapped.zip", 4);
    wrapped["metadata.csv"] = rooted;
    pack(dir.path() / "beside/at_the_top.zip", wrapped); // goes before the one beside
    check("beside/at_the_top.zip", 4);
    wrapped.erase("metadata.csv");
    wrapped["set/metadata.csv"] = table;
    pack(dir.path() / "inside.zip", wrapped);
    check("inside.zip", 4);
    files["metadata.csv"] = table;
    write(dir.path() / "folder", files);
    pack(dir.path() / "flat.zip", files);
    check("folder", 0);
    check("flat.zip", 0);
}

TEST(Units, LeaveOutImagesWithoutAValueByName)
{
    const TempDir dir;
    write(dir.path(),
          {{"a/1.png", png(8, 1)},
           {"a/2.png", png(8, 2)},
           {"a/3.png", png(8, 3)},
           {"a/bad.png", "x"},
           {"a/notes.txt", "x"},
           {"metadata.csv",
            "file_name,class,patient\na/1.png,c,p\na/2.png,c, \na/gone.png,c,p\n"
            "a/bad.png,c,p\n"}});
    const auto manifest = scan(dir.path(), by("column:patient"));
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_EQ(grouping(*manifest), (Grouping{{"a/1.png a"}}));
    std::map<std::string, std::string> left_out;
    for (const Problem& problem : manifest->problems)
        if (problem.kind == ProblemKind::NoUnit) left_out[problem.name] = problem.message;
    ASSERT_EQ(left_out.size(), 2U);
    EXPECT_THAT(left_out["a/2.png"], HasSubstr("cell in metadata.csv is empty"));
    EXPECT_THAT(left_out["a/3.png"], HasSubstr("no row"));
    EXPECT_EQ(manifest->unused_rows, 1); // a/gone.png; the row of a bad image names a file
    ASSERT_NE(find(*manifest, ProblemKind::UnusedRows), nullptr);
    EXPECT_FALSE(find(*manifest, ProblemKind::UnusedRows)->blocks);
    EXPECT_EQ(find(*manifest, ProblemKind::UnusedRows)->name, "");
}

TEST(Units, NeedATableThatSaysOneThing)
{
    const TempDir dir;
    write(dir.path(), {{"a/SECRET-1.png", png(8, 1)}, {"a/SECRET-2.png", png(8, 2)}});
    const auto error = [&](const std::string& text) {
        EXPECT_TRUE(core::write_file(dir.path() / "metadata.csv", text));
        const auto manifest = scan(dir.path(), by("column:patient"));
        EXPECT_FALSE(manifest);
        const Error found = manifest ? Error{} : manifest.error();
        EXPECT_THAT(found.message + found.hint, Not(HasSubstr("SECRET")));
        return found.message;
    };
    EXPECT_THAT(error("file_name,patient\na/SECRET-1.png,x\na/SECRET-2.png,x\na/SECRET-1.png,y\n"),
                HasSubstr("lines 2 and 4 of metadata.csv are for the same file"));
    EXPECT_THAT(error("name,patient\nSECRET,x\n"), HasSubstr("no column 'file_name'"));
    EXPECT_THAT(error("file_name,Patient\nSECRET,x\n"), HasSubstr("no column 'patient'"));
    EXPECT_THAT(error("file_name;patient\nSECRET;x\n"), HasSubstr("no column 'file_name'"));
    EXPECT_THAT(error("file_name,patient\nSECRET\n"), HasSubstr("line 2 of metadata.csv"));
    EXPECT_THAT(error("file_name,patient\nSECRET-1.png,x\n"),
                HasSubstr("no image has a class by the key 'folder' and a unit by the key "
                          "'column:patient'"));
    std::filesystem::remove(dir.path() / "metadata.csv");
    const auto none = scan(dir.path(), by("column:patient"));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::NotFound);
    EXPECT_THAT(none.error().message, HasSubstr("needs a metadata.csv"));
    EXPECT_EQ(scan(dir.path(), by("patient")).error().code, ErrorCode::InvalidArgument);
    // A table that no key asks for is not read.
    ASSERT_TRUE(core::write_file(dir.path() / "metadata.csv", std::string("\xFF")));
    EXPECT_TRUE(scan(dir.path()));
}

TEST(Units, AreWhatIsCountedAgainstTheLeast)
{
    const TempDir dir;
    Files files = many("a/", 150);
    std::string few = "file_name,patient\n", enough = few;
    for (const auto& [name, content] : files) {
        const auto row = std::to_string(std::distance(files.begin(), files.find(name)));
        few += name + "," + std::to_string(std::stoi(row) / 3) + "\n";
        enough += name + "," + std::to_string(std::stoi(row) % 100) + "\n";
    }
    files["metadata.csv"] = few;
    write(dir.path(), files);
    const auto fifty = scan(dir.path(), by("column:patient"));
    ASSERT_TRUE(fifty);
    EXPECT_EQ(fifty->units.size(), 50U);
    ASSERT_NE(find(*fifty, ProblemKind::FewUnits), nullptr);
    EXPECT_TRUE(find(*fifty, ProblemKind::FewUnits)->blocks);
    EXPECT_THAT(find(*fifty, ProblemKind::FewUnits)->message,
                HasSubstr("the number of units is only 50, each one patient"));
    ASSERT_TRUE(core::write_file(dir.path() / "metadata.csv", enough));
    const auto hundred = scan(dir.path(), by("column:patient"));
    ASSERT_TRUE(hundred);
    EXPECT_EQ(find(*hundred, ProblemKind::FewUnits), nullptr);
    std::set<ImageIndex> seen;
    for (const Unit& unit : hundred->units)
        seen.insert(unit.images.begin(), unit.images.end());
    EXPECT_EQ(seen.size(), 150U);
}

TEST(Units, ThatShareAPictureAreNoticed)
{
    const TempDir dir;
    write(dir.path(),
          {{"a/p1/1.png", png(8, 1)},
           {"a/p1/2.png", png(8, 1)}, // within a patient: no harm
           {"a/p2/1.png", png(8, 2)},
           {"a/p3/1.png", png(8, 2)},
           {"a/p3/2.png", png(8, 2)},
           {"a/p4/1.png", png(8, 3)}});
    const auto manifest = scan(dir.path(), by("folder"));
    ASSERT_TRUE(manifest);
    EXPECT_EQ(manifest->shared_images, 3);
    ASSERT_NE(find(*manifest, ProblemKind::SharedImages), nullptr);
    EXPECT_FALSE(find(*manifest, ProblemKind::SharedImages)->blocks);
    EXPECT_THAT(find(*manifest, ProblemKind::SharedImages)->message,
                HasSubstr("more than one patient"));
    EXPECT_EQ(scan(dir.path())->shared_images, 5); // every file a unit
    std::filesystem::remove_all(dir.path() / "a/p3");
    const auto apart = scan(dir.path(), by("folder"));
    EXPECT_EQ(apart->shared_images, 0);
    EXPECT_EQ(find(*apart, ProblemKind::SharedImages), nullptr);
}

TEST(SuggestedKeys, ComeFromTheNamesOfColumns)
{
    const TempDir dir;
    write(dir.path() / "folders", {{"a/1.png", png(8)}});
    write(dir.path() / "flat", {{"1.png", png(8)}});
    const auto suggest = [&](const char* where, const std::string& header) {
        EXPECT_TRUE(core::write_file(dir.path() / where / "metadata.csv", header + "\n"));
        return offered_keys(**Source::open(dir.path() / where)).value().suggested;
    };
    const auto keys = suggest("folders", "file_name,class,Patient_ID");
    ASSERT_TRUE(keys);
    EXPECT_EQ(keys->keys, (Keys{.label = "folder", .unit = "column:Patient_ID"}));
    EXPECT_EQ(keys->unit, "patient");
    EXPECT_EQ(suggest("flat", "file_name,Class,subject")->keys,
              (Keys{.label = "column:Class", .unit = "column:subject"}));
    EXPECT_EQ(suggest("flat", "file_name,subject,patient")->keys.unit, "column:patient");
    EXPECT_FALSE(suggest("flat", "file_name,class"));
    std::filesystem::remove(dir.path() / "flat/metadata.csv");
    EXPECT_FALSE(offered_keys(**Source::open(dir.path() / "flat")).value().suggested);
}

} // namespace
} // namespace velamen::data
