// SPDX-License-Identifier: GPL-3.0-or-later
//
// The streams that the guarantee rests on: their cipher, distributions, separation, and that no
// process repeats another's. Oracles: RFC 8439 written out as loops, exact probabilities. The
// statistical tests have fixed keys; each check would fail for one fresh key in 1e6.

#include "engine/core/random.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numbers>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/statistics.h"

namespace velamen::core {
namespace {

using test::expect_chi_square;
using test::expect_count;
using test::expect_distribution;
using test::expect_equal_chances;

static_assert(!std::is_copy_constructible_v<StreamKey> && !std::is_copy_assignable_v<StreamKey>);
static_assert(
    !std::is_copy_constructible_v<SecureStream> && !std::is_copy_assignable_v<SecureStream>);

SecureStream stream_of(std::uint64_t seed, std::uint64_t step = 0, std::uint32_t tensor = 0)
{
    return SecureStream(StreamKey::reproducible(seed), step, tensor);
}

// RFC 8439, section 2.3: the words of one block as 8 words of 64 bits.
std::array<std::uint64_t, 8> chacha20(std::span<const std::uint8_t, 32> key, std::uint32_t counter,
                                      std::uint64_t step, std::uint32_t tensor)
{
    std::array<std::uint32_t, 16> start{0x61707865U, 0x3320646eU, 0x79622d32U, 0x6b206574U};
    std::memcpy(start.data() + 4, key.data(), 32);
    start[12] = counter;
    start[13] = static_cast<std::uint32_t>(step);
    start[14] = static_cast<std::uint32_t>(step >> 32);
    start[15] = tensor;
    auto x = start;
    const auto quarter = [&x](int a, int b, int c, int d) {
        const auto half = [&x](int e, int f, int g, int bits) {
            x[e] += x[f];
            x[g] = std::rotl(x[g] ^ x[e], bits);
        };
        half(a, b, d, 16);
        half(c, d, b, 12);
        half(a, b, d, 8);
        half(c, d, b, 7);
    };
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 4; ++i)
            quarter(i, 4 + i, 8 + i, 12 + i);
        for (int i = 0; i < 4; ++i)
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    std::array<std::uint64_t, 8> words{};
    for (std::size_t i = 0; i < 16; ++i)
        words[i / 2] |= std::uint64_t{x[i] + start[i]} << (i % 2 * 32);
    return words;
}

// What `draw` makes of it in a child; nothing when the child did not live to say so.
enum class How { Fork, BareClone };
std::vector<std::uint64_t> in_child(const std::function<std::uint64_t()>& draw, How how = How::Fork)
{
    int pipes[2];
    if (pipe(pipes) != 0) return {};
    const auto child =
        how == How::Fork ? fork() : static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    if (child == 0) {
        const int silence = dup2(pipes[1], STDERR_FILENO); // an abort's text is no test output
        const std::uint64_t value = draw();
        _exit(write(pipes[1], &value, sizeof value) == sizeof value && silence >= 0 ? 0 : 1);
    }
    close(pipes[1]);
    std::uint64_t value = 0;
    const bool got = read(pipes[0], &value, sizeof value) == sizeof value;
    close(pipes[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (!got || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return {};
    return {value};
}

TEST(SecureStream, IsChaCha20WithTheNonceOfStepAndTensor)
{
    const StreamKey key = StreamKey::reproducible(5);
    for (const std::uint64_t step : {std::uint64_t{3}, std::uint64_t{0x0102030405060708}})
        for (const std::uint32_t tensor : {0U, 0xFFFFFFFFU}) {
            SecureStream stream(key, step, tensor);
            for (std::uint32_t block = 0; block < 40; ++block)
                for (const std::uint64_t word : chacha20(key.bytes(), block, step, tensor))
                    ASSERT_EQ(stream.next_u64(), word) << step << " " << tensor << " " << block;
        }
}

TEST(SecureStream, SharesNoWordAcrossPurposesStepsAndTensors)
{
    const StreamKey root = StreamKey::reproducible(2);
    std::vector<StreamKey> keys;
    keys.push_back(StreamKey::reproducible(2));
    for (const auto purpose :
         {StreamPurpose::Sampling, StreamPurpose::Noise, StreamPurpose::Augmentation})
        keys.push_back(root.derive(purpose));
    constexpr std::uint64_t kHigh = std::uint64_t{1} << 32; // step and tensor must not mix
    std::set<std::uint64_t> words;
    for (const StreamKey& key : keys)
        for (const std::uint64_t step :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, kHigh})
            for (const std::uint32_t tensor : {0U, 1U, 2U, 0xFFFFFFFFU}) {
                SecureStream stream(key, step, tensor);
                for (int i = 0; i < 200; ++i)
                    words.insert(stream.next_u64());
            }
    EXPECT_EQ(words.size(), 4U * 4U * 4U * 200U); // a chance match: 1 in 2e11
}

TEST(SecureStream, StreamsOfOneRunAreUncorrelated)
{
    const StreamKey root = StreamKey::reproducible(4);
    std::vector<std::vector<float>> streams;
    for (const auto purpose : {StreamPurpose::Sampling, StreamPurpose::Noise})
        for (const std::uint64_t step : {0U, 1U, 2U})
            for (const std::uint32_t tensor : {0U, 1U})
                SecureStream(root.derive(purpose), step, tensor)
                    .normals(streams.emplace_back(20'000));
    for (std::size_t a = 0; a < streams.size(); ++a)
        for (std::size_t b = 0; b < a; ++b)
            for (const std::size_t shift : {0U, 1U}) {
                double sum = 0.0;
                const std::size_t n = streams[a].size() - shift;
                for (std::size_t i = 0; i < n; ++i)
                    sum += static_cast<double>(streams[a][i + shift]) * streams[b][i];
                EXPECT_NEAR(sum, 0.0, test::tolerance(static_cast<double>(n), 1.0))
                    << a << " " << b;
            }
}

TEST(SecureStream, EveryByteOfAWordIsUniform)
{
    auto stream = stream_of(10);
    std::vector<std::vector<std::size_t>> counts(8, std::vector<std::size_t>(256));
    for (int i = 0; i < 1 << 19; ++i)
        for (std::uint64_t word = stream.next_u64(), b = 0; b < 8; ++b)
            ++counts[b][word >> (8 * b) & 255];
    for (const auto& byte : counts)
        expect_equal_chances(byte, "byte");
}

TEST(SecureStream, UniformIsUniformDownToItsLastBit)
{
    auto stream = stream_of(11);
    std::vector<double> sample(1 << 19);
    std::vector<std::size_t> odd(2);
    for (double& u : sample) {
        u = stream.uniform();
        ASSERT_TRUE(u >= 0.0 && u < 1.0);
        ++odd[static_cast<std::uint64_t>(u * 0x1p53) & 1];
    }
    expect_distribution(
        sample, [](double u) { return u; }, "uniform");
    expect_equal_chances(odd, "last bit");
    for (const double p : {1e-3, 1e-4}) {
        const auto below = [p](double u) { return u < p; };
        const auto above = [p](double u) { return u >= 1.0 - p; };
        const auto n = static_cast<double>(sample.size());
        expect_count(static_cast<double>(std::count_if(sample.begin(), sample.end(), below)), n, p,
                     "lower tail");
        expect_count(static_cast<double>(std::count_if(sample.begin(), sample.end(), above)), n, p,
                     "upper tail");
    }
}

// 3 * 2^62: taking the remainder of a word would give the lowest third twice its share.
TEST(SecureStream, BelowHasNoModuloBias)
{
    auto stream = stream_of(12);
    std::vector<std::size_t> thirds(3), small(7);
    for (int i = 0; i < 1 << 18; ++i) {
        ++thirds[stream.below(std::uint64_t{3} << 62) >> 62];
        ++small[stream.below(7)];
    }
    expect_equal_chances(thirds, "3 * 2^62");
    expect_equal_chances(small, "7");
    EXPECT_EQ(stream.below(1), 0U);
    EXPECT_LT(stream.below(std::numeric_limits<std::uint64_t>::max()),
              std::numeric_limits<std::uint64_t>::max());
    EXPECT_DEATH(stream_of(12).below(0), "bound > 0");
}

TEST(SecureStream, NormalsAreNormal)
{
    auto stream = stream_of(13);
    std::vector<double> z(1 << 21);
    for (double& value : z)
        value = stream.normal();
    expect_distribution(z, test::phi, "normal");

    constexpr std::size_t kCells = 128;
    std::vector<std::size_t> cells(kCells), pairs(16 * 16), lagged(16 * 16);
    const auto cell = [](double value, std::size_t n) {
        return std::min(n - 1, static_cast<std::size_t>(test::phi(value) * static_cast<double>(n)));
    };
    for (std::size_t i = 0; i < z.size(); i += 2) {
        ++cells[cell(z[i], kCells)];
        ++cells[cell(z[i + 1], kCells)];
        ++pairs[16 * cell(z[i], 16) + cell(z[i + 1], 16)]; // the two of one pair of words
        ++lagged[16 * cell(z[i], 16) + cell(z[(i + 2) % z.size()], 16)];
    }
    expect_equal_chances(cells, "cells of equal chance");
    expect_equal_chances(pairs, "sine and cosine");
    expect_equal_chances(lagged, "next pair");
}

TEST(SecureStream, NormalsHaveTheTailsOfTheNormal)
{
    auto stream = stream_of(14);
    constexpr double kCount = 1 << 22;
    std::array<double, 4> above{}, under{};
    constexpr std::array<double, 4> kLevels{3.0, 4.0, 4.5, 5.0};
    for (int i = 0; i < static_cast<int>(kCount); ++i) {
        const double z = stream.normal();
        ASSERT_TRUE(std::isfinite(z));
        for (std::size_t k = 0; k < kLevels.size(); ++k) {
            above[k] += z > kLevels[k] ? 1 : 0;
            under[k] += z < -kLevels[k] ? 1 : 0;
        }
    }
    for (std::size_t k = 0; k < kLevels.size(); ++k) {
        expect_count(above[k], kCount, test::phi(-kLevels[k]), "upper tail");
        expect_count(under[k], kCount, test::phi(-kLevels[k]), "lower tail");
    }
}

// Oracle: sqrt(2 ln 2^53), the radius of the smallest u.
TEST(NormalPair, IsFiniteAtTheEndsOfItsWords)
{
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
    const double last = std::sqrt(106.0 * std::numbers::ln2);
    EXPECT_NEAR(normal_pair(kMost, 0)[0], last, 1e-12);
    EXPECT_NEAR(last, 8.5717, 1e-4);
    EXPECT_NEAR(std::erfc(last / std::numbers::sqrt2), 1.0e-17, 0.05e-17);
    for (const std::uint64_t r :
         {std::uint64_t{0}, std::uint64_t{2047}, std::uint64_t{2048}, kMost})
        for (const std::uint64_t s : {std::uint64_t{0}, kMost / 4, kMost / 2, kMost})
            for (const double z : normal_pair(r, s)) {
                EXPECT_TRUE(std::isfinite(z)) << r << " " << s;
                EXPECT_LE(std::abs(z), last);
            }
    EXPECT_EQ(normal_pair(0, kMost)[0], 0.0); // u = 1
}

TEST(SecureStream, MovingLeavesNothingToRepeat)
{
    GTEST_FLAG_SET(death_test_style, "threadsafe"); // a forked child would die of the fork itself
    StreamKey key = StreamKey::reproducible(1);
    SecureStream stream(key, 0, 0);
    stream.normal(); // leaves a spare behind
    SecureStream twin(key, 0, 0);
    twin.normal();
    SecureStream moved(std::move(stream));
    EXPECT_EQ(moved.normal(), twin.normal());
    EXPECT_EQ(moved.next_u64(), twin.next_u64());
    EXPECT_DEATH(stream.normal(), "process_ == process_mark"); // NOLINT(bugprone-use-after-move)
    const StreamKey taken(std::move(key));
    EXPECT_DEATH(static_cast<void>(key.bytes()), // NOLINT(bugprone-use-after-move)
                 "process_ == process_mark");
    StreamKey assigned = StreamKey::fresh();
    StreamKey other = StreamKey::reproducible(1);
    assigned = std::move(other);
    EXPECT_TRUE(std::ranges::equal(assigned.bytes(), taken.bytes()));
    stream = SecureStream(assigned, 7, 0); // a moved-from stream can be filled anew
    EXPECT_EQ(stream.next_u64(), SecureStream(taken, 7, 0).next_u64());
}

TEST(ForkedProcess, DrawsFreshKeysOfItsOwn)
{
    const auto draw = [] { return SecureStream(StreamKey::fresh(), 0, 0).next_u64(); };
    std::set<std::uint64_t> words{draw()};
    for (int i = 0; i < 4; ++i)
        for (const std::uint64_t word : in_child(draw))
            words.insert(word);
    words.insert(draw());
    EXPECT_EQ(words.size(), 6U);
}

// The child must not live to draw: neither by handler nor behind its back.
TEST(ForkedProcess, CannotUseTheKeyOrTheStreamOfItsParent)
{
    const StreamKey key = StreamKey::fresh();
    SecureStream unused(key, 0, 0);
    SecureStream used(key, 1, 0); // with words and a normal left over
    used.normal();
    for (const How how : {How::Fork, How::BareClone}) {
        EXPECT_TRUE(in_child([&] { return unused.next_u64(); }, how).empty());
        EXPECT_TRUE(in_child([&] { return used.next_u64(); }, how).empty());
        EXPECT_TRUE(
            in_child([&] { return std::bit_cast<std::uint64_t>(used.normal()); }, how).empty());
        EXPECT_TRUE(in_child([&] { return std::uint64_t{key.bytes()[0]}; }, how).empty());
        EXPECT_TRUE(in_child([&] { return SecureStream(key, 2, 0).next_u64(); }, how).empty());
        EXPECT_TRUE(
            in_child([&] { return std::uint64_t{key.derive(StreamPurpose::Noise).bytes()[0]}; },
                     how)
                .empty());
        EXPECT_EQ(in_child([] { return std::uint64_t{7}; }, how).size(), 1U); // the way it is told
    }
}

TEST(ForkedProcess, CannotUseTheKeyOfItsGrandparent)
{
    const StreamKey key = StreamKey::fresh();
    const auto words = in_child([&] {
        const StreamKey own = StreamKey::fresh(); // the child's mark exists before it forks
        return std::uint64_t{in_child([&] { return std::uint64_t{own.bytes()[0]}; }).empty()
                             && in_child([&] { return std::uint64_t{key.bytes()[0]}; }).empty()};
    });
    EXPECT_EQ(words, std::vector<std::uint64_t>{1});
}

TEST(ForkedProcess, LeavesItsParentsStreamAsItWas)
{
    auto stream = stream_of(3);
    auto undisturbed = stream_of(3);
    stream.normal();
    undisturbed.normal();
    in_child([&] { return SecureStream(StreamKey::fresh(), 0, 0).next_u64(); });
    EXPECT_EQ(stream.normal(), undisturbed.normal());
    EXPECT_EQ(stream.next_u64(), undisturbed.next_u64());
}

} // namespace
} // namespace velamen::core
