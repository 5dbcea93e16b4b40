// SPDX-License-Identifier: GPL-3.0-or-later

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/archive/zip.h"
#include "engine/core/file.h"
#include "engine/data/listing.h"
#include "engine/data/source.h"
#include "tests/engine/data/source_parts.h"
#include "tests/support/temp_dir.h"

namespace velamen::data {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

using testing::Files;
using testing::find;
using testing::many;
using testing::pack;
using testing::png;
using testing::scan;
using testing::write;

TEST(Scan, TakesTheFirstFolderForTheClass)
{
    const TempDir dir;
    write(dir.path(),
          {{"dog/b.png", png(9)},
           {"cat/old/deep/a.png", png(9)},
           {"cat/z.png", png(9)},
           {"root.png", png(9)}});
    const auto manifest = scan(dir.path());
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_EQ(manifest->classes, (std::vector<std::string>{"cat", "dog", "unlabelled"}));
    EXPECT_EQ(manifest->class_counts, (std::vector<std::int64_t>{2, 1, 1}));
    ASSERT_EQ(manifest->images.size(), 4u);
    EXPECT_EQ(manifest->images[0].name, "cat/old/deep/a.png");
    EXPECT_EQ(manifest->images[3].name, "root.png");
    EXPECT_EQ(manifest->images[3].class_index, 2);
    ASSERT_EQ(manifest->units.size(), 4u);
    EXPECT_EQ(manifest->units[2].images, std::vector<ImageIndex>{2});
}

TEST(Scan, GivesTheSameForAFolderAndItsZip)
{
    const TempDir dir;
    Files files = many("a/", 7);
    files.merge(many("b/", 5));
    write(dir.path() / "set", files);
    pack(dir.path() / "set.zip", files);
    Files wrapped;
    for (const auto& [name, content] : files)
        wrapped["set/" + name] = content;
    wrapped["__MACOSX/set/a/._1.png"] = "junk";
    pack(dir.path() / "wrapped.ZIP", wrapped);
    const auto folder = scan(dir.path() / "set");
    ASSERT_TRUE(folder);
    for (const char* name : {"set.zip", "wrapped.ZIP"}) {
        const auto zip = scan(dir.path() / name);
        ASSERT_TRUE(zip) << zip.error().message;
        EXPECT_EQ(zip->classes, folder->classes);
        EXPECT_EQ(zip->class_counts, folder->class_counts);
        EXPECT_EQ(zip->problems.size(), folder->problems.size());
        ASSERT_EQ(zip->images.size(), folder->images.size());
        for (std::size_t i = 0; i < zip->images.size(); ++i) {
            EXPECT_TRUE(zip->images[i].name.ends_with(folder->images[i].name));
            EXPECT_EQ(zip->images[i].class_index, folder->images[i].class_index);
        }
    }
}

TEST(Scan, IgnoresWhatSystemsLeaveBehind)
{
    const TempDir dir;
    write(dir.path(),
          {{"a/1.png", png(9)},
           {"a/.hidden.png", "x"},
           {".git/x.png", "x"},
           {"__MACOSX/a/1.png", "x"},
           {"a/Thumbs.db", "x"},
           {"desktop.ini", "x"}});
    const auto manifest = scan(dir.path());
    ASSERT_TRUE(manifest);
    EXPECT_EQ(manifest->images.size(), 1u);
    EXPECT_EQ(manifest->classes, std::vector<std::string>{"a"});
    for (const auto& problem : manifest->problems)
        EXPECT_TRUE(problem.name.empty()) << problem.message;
}

TEST(Scan, ListsWhatIsWrongAndKeepsTheRest)
{
    const TempDir dir;
    const std::string whole = png(64, 3);
    write(dir.path(),
          {{"a/good.png", png(8)},
           {"a/half.png", whole.substr(0, whole.size() / 2)},
           {"a/notes.txt", "hello"},
           {"a/tiny.png", png(7)},
           {"a/empty.png", ""}});
    const auto manifest = scan(dir.path());
    ASSERT_TRUE(manifest);
    ASSERT_EQ(manifest->images.size(), 1u);
    EXPECT_EQ(manifest->images[0].name, "a/good.png");
    const auto* corrupt = find(*manifest, ProblemKind::Corrupt);
    ASSERT_NE(corrupt, nullptr);
    EXPECT_EQ(corrupt->name, "a/half.png");
    EXPECT_TRUE(corrupt->blocks);
    ASSERT_NE(find(*manifest, ProblemKind::TooSmall), nullptr);
    EXPECT_EQ(find(*manifest, ProblemKind::TooSmall)->name, "a/tiny.png");
    for (const auto& problem : manifest->problems) {
        if (problem.name == "a/notes.txt") {
            EXPECT_EQ(problem.kind, ProblemKind::NotAnImage);
            EXPECT_FALSE(problem.blocks);
        }
        if (problem.name == "a/empty.png") {
            EXPECT_TRUE(problem.blocks);
        }
        if (!problem.name.empty()) {
            EXPECT_EQ(problem.message.find("a/"), std::string::npos) << problem.message;
        }
    }
}

TEST(Scan, SaysWhenThereIsOneClassOrTooLittle)
{
    const TempDir dir;
    write(dir.path() / "few", many("a/", 99));
    write(dir.path() / "enough", many("a/", 50));
    write(dir.path() / "enough", many("b/", 50, 50));
    const auto few = scan(dir.path() / "few");
    ASSERT_TRUE(few);
    ASSERT_NE(find(*few, ProblemKind::FewUnits), nullptr);
    EXPECT_TRUE(find(*few, ProblemKind::FewUnits)->blocks);
    EXPECT_TRUE(find(*few, ProblemKind::FewUnits)->name.empty());
    ASSERT_NE(find(*few, ProblemKind::OneClassOnly), nullptr);
    EXPECT_FALSE(find(*few, ProblemKind::OneClassOnly)->blocks);
    const auto enough = scan(dir.path() / "enough");
    ASSERT_TRUE(enough);
    EXPECT_TRUE(enough->problems.empty());
}

TEST(Scan, NeedsAnImage)
{
    const TempDir dir;
    fs::create_directories(dir.path() / "empty");
    write(dir.path() / "texts", {{"a/notes.txt", "hello"}});
    for (const char* name : {"empty", "texts"}) {
        const auto manifest = scan(dir.path() / name);
        ASSERT_FALSE(manifest);
        EXPECT_EQ(manifest.error().code, ErrorCode::NotFound);
        EXPECT_FALSE(manifest.error().hint.empty());
    }
    EXPECT_EQ(scan(dir.path() / "none").error().code, ErrorCode::NotFound);
    EXPECT_EQ(scan(dir.path() / "texts/a/notes.txt").error().code, ErrorCode::Unsupported);
}

TEST(Scan, StopsWhenAsked)
{
    const TempDir dir;
    write(dir.path(), many("a/", 10));
    std::stop_source stop;
    std::int64_t last = 0;
    const auto source = Source::open(dir.path());
    const auto manifest =
        (*source)->scan({}, stop.get_token(), [&](std::int64_t done, std::int64_t total) {
            EXPECT_EQ(total, 10);
            last = done;
            if (done == 3) stop.request_stop();
        });
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().code, ErrorCode::Cancelled);
    EXPECT_EQ(last, 3);
}

TEST(Load, GivesTheImageOfAName)
{
    const TempDir dir;
    pack(dir.path() / "a.zip", {{"x/1.png", png(40, 77)}});
    auto source = Source::open(dir.path() / "a.zip");
    const auto image = load(**source, "x/1.png", {.size = 16, .channels = 3});
    ASSERT_TRUE(image);
    EXPECT_EQ(image->pixels, std::vector<std::uint8_t>(16 * 16 * 3, 77));
    EXPECT_FALSE(load(**source, "x/2.png", {}));
}

// The embedded demo: see resources/demo/LICENCE-digits.md.
TEST(DemoDigits, AreTwoThousandOfEachClass)
{
    const auto path = std::string(VELAMEN_SOURCE_DIR) + "/resources/demo/digits.zip";
    auto zip = archive::ZipReader::open(path);
    ASSERT_TRUE(zip) << zip.error().message;
    std::map<std::string, int> counts;
    std::vector<std::string> names;
    for (const auto& entry : zip->entries())
        names.push_back(entry.name);
    const Listing files = listed(names, true);
    for (const auto& name : files.names)
        ++counts[std::string(folder_at(path_in(files, name), 0).value_or("none"))];
    ASSERT_EQ(counts.size(), 10u);
    for (int digit = 0; digit < 10; ++digit)
        EXPECT_EQ(counts[std::to_string(digit)], 2000);
    const auto image = image::decode(*zip->read("3/00000.png"), {.size = 32, .channels = 1});
    ASSERT_TRUE(image);
    // Sum of the samples of training image 0, the first 3, read from the IDX file.
    EXPECT_EQ(std::accumulate(image->pixels.begin(), image->pixels.end(), 0), 19535);
}

TEST(Listing, UnwrapsOneCommonFolderOnly)
{
    const auto classes = [](std::vector<std::string> names) {
        const Listing files = listed(std::move(names), true);
        std::vector<std::string> result;
        for (const auto& name : files.names)
            result.emplace_back(folder_at(path_in(files, name), 0).value_or(kUnlabelled));
        return result;
    };
    using Names = std::vector<std::string>;
    EXPECT_EQ(classes({"s/a/1.png", "s/b/2.png"}), (Names{"a", "b"}));
    EXPECT_EQ(classes({"s/1.png", "s/2.png"}), (Names{"s", "s"}));
    EXPECT_EQ(classes({"s/a/1.png", "t/b/2.png"}), (Names{"s", "t"}));
    EXPECT_EQ(classes({"s/a/1.png", "2.png"}), (Names{"unlabelled", "s"}));
    EXPECT_EQ(classes({"s/a/1.png", "s/2.png", "README.md"}),
              (Names{"unlabelled", "unlabelled", "a"}));
    EXPECT_EQ(classes({"o/s/a/1.png", "o/s/b/1.png"}), (Names{"s", "s"}));
    // A folder of units below that of the class is not what makes a class the root.
    EXPECT_EQ(listed({"a/p1/1.png", "a/p2/1.png"}, true, 2).root, "");
    EXPECT_EQ(listed({"s/a/p1/1.png", "s/a/p2/1.png"}, true, 2).root, "s/");
}

} // namespace
} // namespace velamen::data
