// SPDX-License-Identifier: GPL-3.0-or-later

#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>

#include <sys/resource.h>

#include <gtest/gtest.h>

#include "engine/archive/names.h"
#include "engine/archive/zip.h"
#include "engine/core/file.h"
#include "tests/support/temp_dir.h"

namespace velamen::archive {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

std::string text_of(const std::vector<std::byte>& bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void make(const fs::path& path, const std::vector<std::pair<std::string, std::string>>& entries)
{
    auto writer = ZipWriter::create(path);
    ASSERT_TRUE(writer) << writer.error().message;
    for (const auto& [name, content] : entries)
        ASSERT_TRUE(writer->add(name, content));
    const auto done = writer->commit();
    ASSERT_TRUE(done) << done.error().message;
}

// Replaces a name by another of equal length, in the local header and in the directory.
void rename_entry(const fs::path& path, const std::string& from, const std::string& to)
{
    ASSERT_EQ(from.size(), to.size());
    std::string bytes = *core::read_file(path);
    for (auto at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at))
        bytes.replace(at, from.size(), to);
    ASSERT_TRUE(core::write_file(path, bytes));
}

TEST(Zip, GivesBackWhatWasPutIn)
{
    const TempDir dir;
    const std::string long_text(300'000, 'x');
    make(dir.path() / "a.zip",
         {{"b/ä.txt", "hello"}, {"a.png", long_text}, {"c", ""}, {"z", long_text}});
    auto reader = ZipReader::open(dir.path() / "a.zip");
    ASSERT_TRUE(reader) << reader.error().message;
    ASSERT_EQ(reader->entries().size(), 4u);
    EXPECT_EQ(reader->entries()[0].name, "b/ä.txt");
    EXPECT_EQ(reader->entries()[1].size, 300'000u);
    EXPECT_EQ(text_of(*reader->read("z")), long_text);
    EXPECT_EQ(text_of(*reader->read("b/ä.txt")), "hello");
    EXPECT_EQ(text_of(*reader->read("a.png")), long_text);
    EXPECT_EQ(text_of(*reader->read("c")), "");
    EXPECT_EQ(reader->read("d").error().code, ErrorCode::NotFound);
}

TEST(Zip, StoresPngAndDeflatesTheRest)
{
    const TempDir dir;
    const std::string text(100'000, 'x');
    make(dir.path() / "png.zip", {{"a.png", text}});
    make(dir.path() / "txt.zip", {{"a.txt", text}});
    EXPECT_GT(fs::file_size(dir.path() / "png.zip"), 100'000u);
    EXPECT_LT(fs::file_size(dir.path() / "txt.zip"), 1'000u);
}

TEST(Zip, GivesEqualBytesForEqualContent)
{
    const TempDir dir;
    make(dir.path() / "a.zip", {{"x/1.txt", "one"}, {"x/2.png", "two"}});
    make(dir.path() / "b.zip", {{"x/1.txt", "one"}, {"x/2.png", "two"}});
    EXPECT_EQ(*core::read_file(dir.path() / "a.zip"), *core::read_file(dir.path() / "b.zip"));
}

TEST(Zip, HoldsMoreEntriesThanTheOldFormatCanCount)
{
    const TempDir dir;
    auto writer = ZipWriter::create(dir.path() / "a.zip");
    for (int i = 0; i < 70'000; ++i)
        ASSERT_TRUE(writer->add(std::to_string(i) + ".png", std::to_string(i)));
    ASSERT_TRUE(writer->commit());
    auto reader = ZipReader::open(dir.path() / "a.zip");
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->entries().size(), 70'000u);
    EXPECT_EQ(text_of(*reader->read("69999.png")), "69999");
}

TEST(Zip, AppearsOnlyAtCommit)
{
    const TempDir dir;
    {
        auto writer = ZipWriter::create(dir.path() / "a.zip");
        ASSERT_TRUE(writer->add("a", "b"));
        EXPECT_FALSE(fs::exists(dir.path() / "a.zip"));
    }
    EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(Zip, SaysNoSpaceAndLeavesNothingWhenTheDiskIsFull)
{
    const TempDir dir;
    // A limit on the size of files stands in for a full disk: both refuse in write().
    ASSERT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit small = before;
    small.rlim_cur = 1 << 20;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    Result<> outcome;
    {
        auto writer = ZipWriter::create(dir.path() / "a.zip");
        const std::string block(3 << 20, 'x');
        outcome = writer->add("1.png", block);
        if (outcome) outcome = writer->add("2.png", block);
        if (outcome) outcome = writer->commit();
    }
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::NoSpace) << outcome.error().message;
    EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(Zip, RefusesToWriteUnsafeOrRepeatedNames)
{
    const TempDir dir;
    auto writer = ZipWriter::create(dir.path() / "a.zip");
    for (const char* name : {"../a", "/a", "a\\b", "", "a/../b", "a//b", "./a", "C:/a", "a/"})
        EXPECT_FALSE(writer->add(name, "x")) << name;
    EXPECT_TRUE(writer->add("a", "x"));
    EXPECT_FALSE(writer->add("a", "x"));
    EXPECT_TRUE(writer->add("a..b/...", "x"));
}

TEST(Zip, RefusesToOpenUnsafeNames)
{
    for (const char* name : {"../b.txt", "/abc.txt", "ab\\c.txt", "a/../b.t", "C:/b.txt"}) {
        const TempDir dir;
        make(dir.path() / "a.zip", {{"good.txt", "x"}, {"name.txt", "y"}});
        rename_entry(dir.path() / "a.zip", "name.txt", name);
        const auto reader = ZipReader::open(dir.path() / "a.zip");
        ASSERT_FALSE(reader) << name;
        EXPECT_EQ(reader.error().code, ErrorCode::Refused) << name;
    }
}

TEST(Zip, RefusesToOpenRepeatedNames)
{
    const TempDir dir;
    make(dir.path() / "a.zip", {{"good.txt", "x"}, {"name.txt", "y"}});
    rename_entry(dir.path() / "a.zip", "name.txt", "good.txt");
    const auto reader = ZipReader::open(dir.path() / "a.zip");
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code, ErrorCode::Refused);
}

TEST(Zip, RefusesEntriesOverTheLimit)
{
    const TempDir dir;
    make(dir.path() / "a.zip", {{"zeros", std::string(1'000'000, '\0')}});
    auto reader = ZipReader::open(dir.path() / "a.zip");
    EXPECT_EQ(reader->read("zeros", 999'999).error().code, ErrorCode::Refused);
    EXPECT_TRUE(reader->read("zeros", 1'000'000));
}

// The size in the directory is at offset 24 of its record (APPNOTE.TXT 4.3.12).
TEST(Zip, RefusesEntriesThatClaimMoreThanTheirBytesCanHold)
{
    const TempDir dir;
    make(dir.path() / "a.zip", {{"a", "tiny"}});
    std::string bytes = *core::read_file(dir.path() / "a.zip");
    const auto record = bytes.find("PK\x01\x02");
    const std::uint32_t claim = 1U << 29;
    std::memcpy(bytes.data() + record + 24, &claim, 4);
    ASSERT_TRUE(core::write_file(dir.path() / "a.zip", bytes));
    const auto reader = ZipReader::open(dir.path() / "a.zip");
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code, ErrorCode::Refused);
}

TEST(Zip, NoticesEveryChangedByteOfTheContent)
{
    const TempDir dir;
    make(dir.path() / "a.zip", {{"a.png", "some content"}});
    const std::string good = *core::read_file(dir.path() / "a.zip");
    const auto at = good.find("some content");
    for (std::size_t i = 0; i < 12; ++i) {
        std::string bad = good;
        bad[at + i] = static_cast<char>(bad[at + i] ^ 1);
        ASSERT_TRUE(core::write_file(dir.path() / "b.zip", bad));
        auto reader = ZipReader::open(dir.path() / "b.zip");
        ASSERT_TRUE(reader);
        const auto content = reader->read("a.png");
        ASSERT_FALSE(content) << i;
        EXPECT_EQ(content.error().code, ErrorCode::Corrupt);
    }
}

TEST(Zip, NeverCrashesOnATruncatedFile)
{
    const TempDir dir;
    make(dir.path() / "a.zip", {{"a/1.txt", std::string(500, 'x')}, {"b.png", "pixels"}});
    const std::string good = *core::read_file(dir.path() / "a.zip");
    for (std::size_t size = 0; size < good.size(); ++size) {
        ASSERT_TRUE(core::write_file(dir.path() / "b.zip", good.substr(0, size)));
        EXPECT_FALSE(ZipReader::open(dir.path() / "b.zip")) << size;
    }
}

TEST(Zip, SaysWhatIsMissing)
{
    const TempDir dir;
    EXPECT_EQ(ZipReader::open(dir.path() / "none.zip").error().code, ErrorCode::NotFound);
    EXPECT_EQ(ZipReader::open(dir.path()).error().code, ErrorCode::Unreadable);
    EXPECT_EQ(ZipWriter::create(dir.path() / "no" / "a.zip").error().code, ErrorCode::NotFound);
}

} // namespace
} // namespace velamen::archive
