// SPDX-License-Identifier: GPL-3.0-or-later

#include <cmath>
#include <filesystem>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/core/random.h"
#include "tests/support/temp_dir.h"

namespace velamen::core {
namespace {

using test::TempDir;

// Oracle: FIPS 180-2, appendix B.1.
TEST(Sha256, AgreesWithTheStandard)
{
    EXPECT_EQ(sha256_hex(std::string_view("abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(AtomicFile, LeavesNothingBehindWithoutCommit)
{
    const TempDir dir;
    {
        auto file = AtomicFile::create(dir.path() / "a.txt");
        ASSERT_TRUE(file);
        ASSERT_TRUE(file->write("half"));
    }
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(AtomicFile, ReplacesInOneStep)
{
    const TempDir dir;
    ASSERT_TRUE(write_file(dir.path() / "a.txt", "one"));
    ASSERT_TRUE(write_file(dir.path() / "a.txt", "two"));
    EXPECT_EQ(*read_file(dir.path() / "a.txt"), "two");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(AtomicFile, SaysWhenTheDiskIsFull)
{
    if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
    auto file = AppendFile::open("/dev/full");
    ASSERT_TRUE(file);
    const auto outcome = file->append("x");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::NoSpace);
}

TEST(FileLock, IsExclusive)
{
    const TempDir dir;
    auto first = FileLock::acquire(dir.path() / "lock");
    ASSERT_TRUE(first);
    const auto second = FileLock::acquire(dir.path() / "lock");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::Busy);
}

TEST(SecureStream, DiffersByPurposeStepAndTensor)
{
    const StreamKey key = StreamKey::fresh();
    const StreamKey noise = key.derive(StreamPurpose::Noise);
    const StreamKey sampling = key.derive(StreamPurpose::Sampling);
    std::set<std::uint64_t> words;
    for (const StreamKey* k : {&noise, &sampling})
        for (std::uint64_t step : {0, 1})
            for (std::uint32_t tensor : {0, 1})
                words.insert(SecureStream(*k, step, tensor).next_u64());
    EXPECT_EQ(words.size(), 8U);
}

// stat: with 200,000 draws the mean lies within 5 standard errors, false alarm < 1e-6.
TEST(SecureStream, NormalsHaveMeanZeroAndVarianceOne)
{
    SecureStream stream(StreamKey::reproducible(1), 0, 0);
    std::vector<float> values(200000);
    stream.normals(values);
    double sum = 0.0, squares = 0.0;
    for (const float v : values) {
        sum += v;
        squares += static_cast<double>(v) * v;
    }
    const double n = static_cast<double>(values.size());
    EXPECT_LT(std::abs(sum / n), 5.0 / std::sqrt(n));
    EXPECT_LT(std::abs(squares / n - 1.0), 5.0 * std::sqrt(2.0 / n));
}

} // namespace
} // namespace velamen::core
