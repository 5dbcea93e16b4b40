// SPDX-License-Identifier: GPL-3.0-or-later
//
// Fonts of the machine are used where it has any of the free list; the other tests need none.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/archive/zip.h"
#include "engine/core/file.h"
#include "engine/data/free_fonts.h"
#include "engine/data/letter_pen.h"
#include "engine/data/letters.h"
#include "engine/data/skeleton.h"
#include "engine/data/source.h"
#include "tests/support/temp_dir.h"

namespace velamen::data {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

Bitmap bitmap_of(const std::vector<std::string>& rows)
{
    Bitmap bitmap{.width = static_cast<int>(rows[0].size()),
                  .height = static_cast<int>(rows.size())};
    for (const auto& row : rows)
        for (const char c : row)
            bitmap.ink.push_back(c == '#');
    return bitmap;
}

int ink_of(const Bitmap& bitmap)
{
    return static_cast<int>(std::count(bitmap.ink.begin(), bitmap.ink.end(), 1));
}

// Connected pieces, diagonals included: what thinning must not change.
int pieces_of(Bitmap bitmap)
{
    int pieces = 0;
    for (int start = 0; start < static_cast<int>(bitmap.ink.size()); ++start) {
        if (bitmap.ink[static_cast<std::size_t>(start)] != 1) continue;
        ++pieces;
        std::vector<int> open{start};
        while (!open.empty()) {
            const int at = open.back();
            open.pop_back();
            if (bitmap.ink[static_cast<std::size_t>(at)] != 1) continue;
            bitmap.ink[static_cast<std::size_t>(at)] = 0;
            for (int dy = -1; dy <= 1; ++dy)
                for (int dx = -1; dx <= 1; ++dx) {
                    const int x = at % bitmap.width + dx, y = at / bitmap.width + dy;
                    if (x >= 0 && x < bitmap.width && y >= 0 && y < bitmap.height)
                        open.push_back(y * bitmap.width + x);
                }
        }
    }
    return pieces;
}

TEST(Skeleton, OfABarIsALine)
{
    const Bitmap line = thinned(bitmap_of(
        {"............", ".##########.", ".##########.", ".##########.", "............"}));
    EXPECT_GE(ink_of(line), 7);
    EXPECT_LE(ink_of(line), 10);
    for (int x = 0; x < 12; ++x) {
        EXPECT_EQ(line.ink[static_cast<std::size_t>(x)], 0);
        EXPECT_EQ(line.ink[static_cast<std::size_t>(12 + x)], 0);
        EXPECT_EQ(line.ink[static_cast<std::size_t>(36 + x)], 0);
    }
}

TEST(Skeleton, KeepsPiecesAndHoles)
{
    std::vector<std::string> rows(30, std::string(40, '.'));
    for (int y = 0; y < 30; ++y)
        for (int x = 0; x < 40; ++x) {
            const double ring = std::hypot(x - 12, y - 15);
            if ((ring > 5 && ring < 10) || (x > 28 && x < 36 && y > 3 && y < 26))
                rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)] = '#';
        }
    const Bitmap before = bitmap_of(rows);
    const Bitmap after = thinned(before);
    EXPECT_EQ(pieces_of(before), 2);
    EXPECT_EQ(pieces_of(after), 2);
    EXPECT_LT(ink_of(after), ink_of(before) / 3);
    // The ring is still closed: going right from its middle meets ink.
    int met = 0;
    for (int x = 12; x < 26; ++x)
        met += after.ink[static_cast<std::size_t>(15 * 40 + x)];
    EXPECT_GE(met, 1);
}

TEST(Skeleton, LeavesLinesAlone)
{
    const Bitmap line = bitmap_of({"......", ".####.", "......"});
    EXPECT_EQ(thinned(line).ink, line.ink);
    EXPECT_EQ(thinned(bitmap_of({"...", "..."})).ink, std::vector<std::uint8_t>(6, 0));
}

GlyphShape cross()
{
    GlyphShape shape;
    for (std::uint8_t i = 12; i < 84; ++i) {
        shape.skeleton.push_back({i, 48});
        shape.skeleton.push_back({48, i});
        for (std::uint8_t w = 44; w < 52; ++w) {
            shape.area.push_back({i, w});
            shape.area.push_back({w, i});
        }
    }
    return shape;
}

// MNIST's rule: the centre of mass within a pixel of the middle, nothing on the outer two pixels.
TEST(LetterPen, FollowsMnistsRule)
{
    const GlyphShape shape = cross();
    for (std::uint64_t i = 0; i < 300; ++i) {
        PenRandom random(1, i);
        const auto image = draw_letter(shape, random);
        ASSERT_TRUE(image);
        double total = 0.0, x_sum = 0.0, y_sum = 0.0;
        for (int y = 0; y < 32; ++y)
            for (int x = 0; x < 32; ++x) {
                const double ink = image->pixels[static_cast<std::size_t>(y * 32 + x)];
                if (x < 2 || x > 29 || y < 2 || y > 29) {
                    ASSERT_EQ(ink, 0.0);
                }
                total += ink;
                x_sum += ink * x;
                y_sum += ink * y;
            }
        EXPECT_NEAR(x_sum / total, 15.5, 1.0);
        EXPECT_NEAR(y_sum / total, 15.5, 1.0);
        EXPECT_GT(*std::max_element(image->pixels.begin(), image->pixels.end()), 120);
    }
}

TEST(LetterPen, DependsOnSeedAndIndexOnly)
{
    const auto draw = [](std::uint64_t seed, std::uint64_t index) {
        PenRandom random(seed, index);
        return draw_letter(cross(), random)->pixels;
    };
    EXPECT_EQ(draw(1, 2), draw(1, 2));
    EXPECT_NE(draw(1, 2), draw(1, 3));
    EXPECT_NE(draw(1, 2), draw(2, 2));
}

// Mean and variance of 100,000 draws within five standard errors (about 1e-6 each).
TEST(PenRandom, HasTheMomentsOfANormal)
{
    PenRandom random(3, 4);
    double sum = 0.0, squares = 0.0;
    constexpr int count = 100'000;
    for (int i = 0; i < count; ++i) {
        const double z = random.normal();
        sum += z;
        squares += z * z;
    }
    EXPECT_NEAR(sum / count, 0.0, 5.0 / std::sqrt(count));
    EXPECT_NEAR(squares / count, 1.0, 5.0 * std::sqrt(2.0 / count));
}

TEST(FreeFonts, AreSortedAndEachHasALicence)
{
    const auto families = free_families();
    EXPECT_GE(families.size(), 60u);
    std::set<std::string_view> names;
    for (const auto& family : families) {
        EXPECT_TRUE(names.empty() || *names.rbegin() < family.family) << family.family;
        names.insert(family.family);
        EXPECT_TRUE(family.package.starts_with("fonts-"));
        EXPECT_FALSE(family.licence.empty());
    }
    EXPECT_EQ(free_family("Comic Sans MS"), nullptr);
}

// packaging/letters-fonts.txt is what people install; the table is what is used.
TEST(FreeFonts, ComeFromThePackagesThatAreInstalled)
{
    const auto text =
        core::read_file(std::string(VELAMEN_SOURCE_DIR) + "/packaging/letters-fonts.txt");
    ASSERT_TRUE(text);
    std::set<std::string> wanted;
    for (const auto& family : free_families())
        wanted.insert(std::string(family.package));
    std::string expected;
    for (const auto& package : wanted)
        expected += package + "\n";
    EXPECT_EQ(*text, expected);
}

TEST(Letters, AreTheSameOnOneThreadAndOnThree)
{
    const auto fonts = find_free_fonts();
    if (fonts.empty()) GTEST_SKIP() << "no free fonts installed";
    const TempDir dir;
    LettersPlan plan{.fonts = {fonts.front(), fonts.back()},
                     .images = 150,
                     .seed = 5,
                     .threads = 1,
                     .out = dir.path() / "1.zip"};
    const auto one = make_letters(plan, {});
    ASSERT_TRUE(one) << one.error().message;
    plan.threads = 3;
    plan.out = dir.path() / "3.zip";
    ASSERT_TRUE(make_letters(plan, {}));
    EXPECT_EQ(*core::read_file(dir.path() / "1.zip"), *core::read_file(dir.path() / "3.zip"));
    plan.seed = 6;
    ASSERT_TRUE(make_letters(plan, {}));
    EXPECT_NE(*core::read_file(dir.path() / "1.zip"), *core::read_file(dir.path() / "3.zip"));
    EXPECT_EQ(one->images, 150);
    for (const auto& family : one->families)
        EXPECT_FALSE(family.package.empty());
}

TEST(Letters, AreFiftyTwoClassesThatAScanFinds)
{
    const auto fonts = find_free_fonts();
    if (fonts.empty()) GTEST_SKIP() << "no free fonts installed";
    const TempDir dir;
    for (const char* out : {"letters", "letters.zip"}) {
        ASSERT_TRUE(
            make_letters({.fonts = {fonts.front()}, .images = 104, .out = dir.path() / out}, {}));
        const auto manifest = (*Source::open(dir.path() / out))->scan({});
        ASSERT_TRUE(manifest) << manifest.error().message;
        ASSERT_EQ(manifest->classes.size(), 52u);
        EXPECT_EQ(manifest->classes.front(), "lower_a");
        EXPECT_EQ(manifest->classes.back(), "upper_z");
        for (const auto count : manifest->class_counts)
            EXPECT_EQ(count, 2);
        EXPECT_TRUE(manifest->problems.empty());
    }
}

TEST(Letters, SayWhatIsMissing)
{
    const TempDir dir;
    EXPECT_EQ(make_letters({.out = dir.path() / "a.zip"}, {}).error().code, ErrorCode::NotFound);
    ASSERT_TRUE(core::write_file(dir.path() / "bad.ttf", "not a font"));
    EXPECT_EQ(make_letters({.fonts = {dir.path() / "bad.ttf"}, .out = dir.path() / "a.zip"}, {})
                  .error()
                  .code,
              ErrorCode::NotFound);
    EXPECT_FALSE(fs::exists(dir.path() / "a.zip"));
}

TEST(Letters, LeaveNothingWhenStopped)
{
    const auto fonts = find_free_fonts();
    if (fonts.empty()) GTEST_SKIP() << "no free fonts installed";
    const TempDir dir;
    std::stop_source stop;
    const auto outcome =
        make_letters({.fonts = {fonts.front()}, .images = 10'000, .out = dir.path() / "a.zip"},
                     stop.get_token(), [&](std::int64_t, std::int64_t) { stop.request_stop(); });
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::Cancelled);
    EXPECT_TRUE(fs::is_empty(dir.path()));
}

} // namespace
} // namespace velamen::data
