// SPDX-License-Identifier: GPL-3.0-or-later
//
// The directory of a stored zip. The oracle is PKWARE's APPNOTE; files that torch wrote are read in
// torch_file_test.cpp.

#include <gtest/gtest.h>

#include "engine/io/byte_reader.h"
#include "engine/io/stored_zip.h"
#include "tests/engine/io/torch_parts.h"

namespace velamen::io {
namespace {

using namespace parts;

Result<std::vector<StoredEntry>> read(std::string_view file)
{
    return read_stored_zip(bytes_of(file));
}

const std::vector<ZipPart> kTwo{{"a/x", "first"}, {"a/y", ""}};

/// kTwo with both end records, of which `end` and `end64` say what is given.
std::string wide(std::uint16_t entries, std::uint32_t size, std::uint32_t offset,
                 std::uint64_t entries64 = 2, std::uint64_t away = 0)
{
    const Zip made = zip_without_end(kTwo);
    return made.bytes
        + end_record64(entries64, made.end - made.directory, made.directory, made.end + away)
        + end_record(entries, size, offset);
}

TEST(StoredZip, ReadsEntriesWhereTheyLie)
{
    const std::string file = zip(kTwo);
    const auto entries = read(file);
    ASSERT_TRUE(entries) << entries.error().message;
    ASSERT_EQ(entries->size(), 2U);
    EXPECT_EQ((*entries)[0].name, "a/x");
    EXPECT_EQ(text_of((*entries)[0].bytes), "first");
    EXPECT_EQ((*entries)[0].bytes.data(), bytes_of(file).data() + file.find("first"));
    EXPECT_EQ((*entries)[1].name, "a/y");
    EXPECT_TRUE((*entries)[1].bytes.empty());
    const std::string commented =
        file.substr(0, file.size() - 2) + little<std::uint16_t>(3) + "abc";
    EXPECT_TRUE(read(commented));
}

TEST(StoredZip, ReadsWhatZip64ReplacesAndNoContradiction)
{
    const Zip made = zip_without_end(kTwo);
    const auto size = static_cast<std::uint32_t>(made.end - made.directory);
    const auto offset = static_cast<std::uint32_t>(made.directory);
    EXPECT_TRUE(read(wide(2, size, offset)));
    EXPECT_TRUE(read(wide(0xffff, 0xffffffff, 0xffffffff)));
    for (const std::string& file :
         {wide(1, size, offset), wide(2, size + 1, offset), wide(2, size, offset - 1),
          wide(2, size, offset, 3), wide(2, size, offset, 2, 1)})
        EXPECT_FALSE(read(file));

    // Each number of an entry that does not fit is in the extra field, in this order.
    const std::string zip64 = little<std::uint16_t>(1);
    const auto with_extra = [&](std::uint64_t first_size, std::uint64_t first_stored) {
        const std::string numbers =
            little(first_size) + little(first_stored) + little<std::uint64_t>(0);
        return zip({{.name = "a/x",
                     .data = "first",
                     .size = 0xffffffff,
                     .offset = 0xffffffff,
                     .extra = "XX" + little<std::uint16_t>(1) + "." + zip64
                         + little(static_cast<std::uint16_t>(numbers.size())) + numbers}});
    };
    const std::string good = with_extra(5, 5);
    const auto entries = read(good);
    ASSERT_TRUE(entries) << entries.error().message;
    EXPECT_EQ(text_of(entries->front().bytes), "first");
    EXPECT_FALSE(read(with_extra(5, 6)));
    EXPECT_FALSE(read(with_extra(1ULL << 62, 1ULL << 62)));
    EXPECT_FALSE(read(zip({{.name = "a/x", .data = "first", .size = 0xffffffff}})));
}

struct Defect {
    const char* name;
    std::string file;
    const char* says; ///< a part of the message
    ErrorCode code = ErrorCode::Corrupt;
};

TEST(StoredZip, RefusesEveryDefectWithItsCause)
{
    const std::string good = zip(kTwo);
    const Zip made = zip_without_end(kTwo);
    const auto size = static_cast<std::uint32_t>(made.end - made.directory);
    const auto offset = static_cast<std::uint32_t>(made.directory);
    std::string other_disk = good;
    other_disk[good.size() - 18] = 1;
    std::string broken = good;
    broken[made.directory] = 'Q';
    const std::vector<Defect> defects{
        {"empty", "", "truncated"},
        {"no end", made.bytes, "truncated: the central directory is missing"},
        {"behind the end", good + "x", "truncated"},
        {"compressed", zip({{.name = "a/x", .data = "first", .method = 8}}), "a/x is compressed",
         ErrorCode::Unsupported},
        {"encrypted", zip({{.name = "a/x", .data = "first", .flags = 1}}), "a/x is encrypted",
         ErrorCode::Unsupported},
        {"two sizes", zip({{.name = "a/x", .data = "first", .stored = 4}}), "no valid size"},
        {"same name twice", zip({{"a/x", "1"}, {"a/x", "2"}}), "a/x is there twice"},
        {"other name before the data", zip({{.name = "a/x", .data = "1", .local_name = "a/z"}}),
         "another name"},
        {"overlapping", zip({{.name = "a/x", .data = "1", .size = 20}, {"a/y", "2"}}),
         "a/y overlaps a/x"},
        {"one place for two", zip({{"a/x", "1"}, {.name = "a/x2", .data = "2", .offset = 0}}),
         "another name"},
        {"into the directory", zip({{.name = "a/x", .data = "1", .size = 2}}), "a/x lies outside"},
        {"outside the file", zip({{.name = "a/x", .data = "1", .size = 0x7fffffff}}),
         "a/x lies outside"},
        {"header outside the file", zip({{.name = "a/x", .data = "1", .offset = 0x7fffffff}}),
         "a/x is not where"},
        {"header elsewhere", zip({{.name = "a/x", .data = "1", .offset = 1}}), "a/x is not where"},
        {"one entry less", made.bytes + end_record(1, size, offset), "its end says 1"},
        {"one entry more", made.bytes + end_record(3, size, offset), "its end says 3"},
        {"short directory", made.bytes + end_record(2, size - 1, offset), "not where the zip says"},
        {"shifted directory", made.bytes + end_record(2, size - 1, offset + 1), "is broken"},
        {"directory outside", made.bytes + end_record(2, size, 0x7fffffff), "not where the zip"},
        {"broken directory", broken, "is broken"},
        {"part of many", other_disk, "one part of a zip"},
    };
    for (const Defect& defect : defects) {
        const auto entries = read(defect.file);
        ASSERT_FALSE(entries) << defect.name;
        EXPECT_EQ(entries.error().code, defect.code) << defect.name;
        EXPECT_NE(entries.error().message.find(defect.says), std::string::npos)
            << defect.name << ": " << entries.error().message;
        EXPECT_FALSE(entries.error().hint.empty()) << defect.name;
    }
}

TEST(StoredZip, RefusesEveryTruncation)
{
    for (const std::string& good : {zip(kTwo), wide(0xffff, 0xffffffff, 0xffffffff)}) {
        ASSERT_TRUE(read(good));
        for (std::size_t length = 0; length < good.size(); ++length)
            EXPECT_FALSE(read(good.substr(0, length))) << length;
    }
}

} // namespace
} // namespace velamen::io
