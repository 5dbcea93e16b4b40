// SPDX-License-Identifier: GPL-3.0-or-later
//
// Fixtures are written by libvips' own encoders here and, for what those cannot write, lie in
// tests/engine/image/samples (see make_samples.py there).

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/image/codec.h"

namespace velamen::image {
namespace {

Image picture(int width, int height, int channels)
{
    Image image{.width = width, .height = height, .channels = channels};
    for (int i = 0; i < width * height * channels; ++i)
        image.pixels.push_back(static_cast<std::uint8_t>(i * 37 + i / 7));
    return image;
}

std::vector<std::byte> sample(const std::string& name)
{
    const auto text =
        core::read_file(std::string(VELAMEN_SOURCE_DIR) + "/tests/engine/image/samples/" + name);
    if (!text) return {};
    const auto* bytes = reinterpret_cast<const std::byte*>(text->data());
    return {bytes, bytes + text->size()};
}

int at(const Image& image, int x, int y, int c = 0)
{
    return image.pixels[static_cast<std::size_t>((y * image.width + x) * image.channels + c)];
}

TEST(Codec, GivesBackEveryPixelOfAPng)
{
    for (int channels : {1, 3}) {
        const Image image = picture(32, 32, channels);
        const auto file = encode_png(image);
        ASSERT_TRUE(file) << file.error().message;
        const auto back = decode(*file, {.size = 32, .channels = channels});
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(back->pixels, image.pixels) << channels;
    }
}

TEST(Codec, CutsTheCentreOutOfAnImageOfTheRightHeight)
{
    const Image image = picture(40, 32, 1);
    const auto back = decode(*encode_png(image), {.size = 32, .channels = 1});
    ASSERT_TRUE(back);
    ASSERT_EQ(back->width, 32);
    for (int x = 0; x < 32; ++x)
        EXPECT_EQ(at(*back, x, 5), at(image, x + 4, 5));
}

TEST(Codec, AlwaysGivesTheSizeAskedFor)
{
    for (const auto& [width, height] : {std::pair{8, 8}, {9, 700}, {33, 31}, {64, 65}, {999, 100}})
        for (int channels : {1, 3}) {
            const auto file = encode_png(picture(width, height, 3));
            const auto image = decode(*file, {.size = 32, .channels = channels});
            ASSERT_TRUE(image) << width << "x" << height << " " << image.error().message;
            EXPECT_EQ(image->width, 32);
            EXPECT_EQ(image->height, 32);
            EXPECT_EQ(image->pixels.size(), static_cast<std::size_t>(32 * 32 * channels));
        }
}

TEST(Codec, RefusesImagesThatAreMostlyLong)
{
    const auto file = encode_png(picture(8, 900, 1));
    EXPECT_EQ(decode(*file, {}).error().code, ErrorCode::Unsupported);
}

TEST(Codec, ReadsSizesFromTheHeader)
{
    const auto file = encode_png(picture(40, 30, 3));
    const auto size = probe(*file);
    ASSERT_TRUE(size);
    EXPECT_EQ(size->width, 40);
    EXPECT_EQ(size->height, 30);
}

// Oracle: the samples are 64 x 64 with a red left and a blue right half, written by Pillow.
TEST(Codec, ReadsEveryFormatItNames)
{
    for (const char* name :
         {"halves.png", "halves.jpg", "halves.tif", "halves.webp", "halves.gif", "palette.png"}) {
        const auto image = decode(sample(name), {.size = 32, .channels = 3});
        ASSERT_TRUE(image) << name << ": " << image.error().message;
        EXPECT_NEAR(at(*image, 4, 16, 0), 254, 3) << name;
        EXPECT_NEAR(at(*image, 4, 16, 2), 0, 3) << name;
        EXPECT_NEAR(at(*image, 28, 16, 0), 0, 3) << name;
        EXPECT_NEAR(at(*image, 28, 16, 2), 254, 3) << name;
    }
}

TEST(Codec, BringsSixteenBitsToEight)
{
    // Left half 0x4000, right half 0xc000.
    for (const char* name : {"deep.png", "deep.tif"}) {
        const auto image = decode(sample(name), {.size = 32, .channels = 1});
        ASSERT_TRUE(image) << name;
        EXPECT_NEAR(at(*image, 4, 16), 0x40, 1) << name;
        EXPECT_NEAR(at(*image, 28, 16), 0xc0, 1) << name;
    }
}

TEST(Codec, LaysTransparencyOnBlack)
{
    // White with alpha 0 on the left, 255 on the right.
    for (int size : {32, 64}) {
        const auto image = decode(sample("alpha.png"), {.size = size, .channels = 1});
        ASSERT_TRUE(image);
        EXPECT_EQ(at(*image, size / 8, size / 2), 0);
        EXPECT_EQ(at(*image, size - size / 8, size / 2), 255);
    }
}

TEST(Codec, ConvertsCmyk)
{
    // Left no ink at all, right pure black ink.
    const auto image = decode(sample("cmyk.jpg"), {.size = 32, .channels = 3});
    ASSERT_TRUE(image) << image.error().message;
    for (int c = 0; c < 3; ++c) {
        EXPECT_GT(at(*image, 4, 16, c), 240);
        EXPECT_LT(at(*image, 28, 16, c), 70);
    }
}

TEST(Codec, AppliesTheRotationOfTheCamera)
{
    // Stored 64 x 48 with a white top, orientation 6: shown 48 x 64 with a white right side.
    const auto file = sample("turned.jpg");
    const auto size = probe(file);
    ASSERT_TRUE(size);
    EXPECT_EQ(size->width, 48);
    EXPECT_EQ(size->height, 64);
    for (int target : {32, 48}) {
        const auto image = decode(file, {.size = target, .channels = 1});
        ASSERT_TRUE(image);
        EXPECT_LT(at(*image, target / 4, target / 2), 20) << target;
        EXPECT_GT(at(*image, target - target / 4, target / 2), 235) << target;
    }
}

TEST(Codec, CallsHalfAFileCorrupt)
{
    for (const char* name : {"halves.png", "halves.jpg", "halves.tif", "halves.webp", "halves.gif",
                             "tall.png", "tall.jpg"}) {
        auto file = sample(name);
        ASSERT_FALSE(file.empty()) << name;
        ASSERT_TRUE(decode(file, {.size = 16, .channels = 3})) << name;
        EXPECT_TRUE(verify(file)) << name;
        for (const double share : {0.5, 0.9}) {
            auto half = file;
            half.resize(static_cast<std::size_t>(static_cast<double>(file.size()) * share));
            for (const int size : {16, 32, 64}) {
                const auto image = decode(half, {.size = size, .channels = 3});
                ASSERT_FALSE(image) << name << " " << share << " at " << size;
                EXPECT_FALSE(verify(half)) << name << " " << share;
                EXPECT_EQ(image.error().code, ErrorCode::Corrupt) << name;
            }
        }
    }
}

TEST(Codec, CallsOtherFilesUnsupported)
{
    for (const char* content : {"", "hello", "<svg xmlns='http://www.w3.org/2000/svg'/>",
                                "%PDF-1.4", "BM......", "P5 1 1 255 x"}) {
        const auto image = decode(std::as_bytes(std::span(content, std::strlen(content))), {});
        ASSERT_FALSE(image) << content;
        EXPECT_EQ(image.error().code, ErrorCode::Unsupported) << content;
    }
}

TEST(Codec, NeverNamesContentInAnError)
{
    auto file = sample("halves.png");
    file.resize(file.size() / 2);
    const auto image = decode(file, {});
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error().message, "the image cannot be decoded to its last row");
}

TEST(Codec, GivesEqualResultsOnEveryThread)
{
    const auto file = sample("halves.jpg");
    const Image expected = *decode(file, {.size = 24, .channels = 3});
    std::vector<int> differing(4, 0);
    {
        std::vector<std::jthread> threads;
        for (auto& count : differing)
            threads.emplace_back([&] {
                for (int i = 0; i < 50; ++i)
                    count += decode(file, {.size = 24, .channels = 3})->pixels != expected.pixels;
            });
    }
    EXPECT_EQ(differing, std::vector<int>(4, 0));
}

TEST(Png, CarriesTextAndXmp)
{
    const std::map<std::string, std::string> text{{"velamen", "1"},
                                                  {"prompt", "a glass of water, 3 - 4"},
                                                  {"Comment", std::string(5000, 'x')}};
    const std::string xmp = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>synthetic</x:xmpmeta>";
    const auto file = encode_png(picture(8, 8, 3), text, xmp);
    ASSERT_TRUE(file) << file.error().message;
    const auto back = png_text(*file);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, text);
    const std::string bytes(reinterpret_cast<const char*>(file->data()), file->size());
    EXPECT_NE(bytes.find("XML:com.adobe.xmp"), std::string::npos);
    EXPECT_NE(bytes.find(xmp), std::string::npos);
    EXPECT_EQ(decode(*file, {.size = 8, .channels = 3})->pixels, picture(8, 8, 3).pixels);
}

TEST(Png, GivesEqualBytesForEqualInput)
{
    EXPECT_EQ(*encode_png(picture(20, 20, 1), {{"a", "b"}}, "x"),
              *encode_png(picture(20, 20, 1), {{"a", "b"}}, "x"));
}

TEST(Png, RefusesKeywordsThatTheFormatForbids)
{
    EXPECT_FALSE(encode_png(picture(8, 8, 1), {{"", "x"}}));
    EXPECT_FALSE(encode_png(picture(8, 8, 1), {{std::string(80, 'k'), "x"}}));
    EXPECT_FALSE(encode_png(picture(8, 8, 1), {{"k", std::string("a\0b", 3)}}));
    EXPECT_TRUE(encode_png(picture(8, 8, 1), {{"k", ""}}));
}

TEST(Png, TextOfACutFileIsCorrupt)
{
    auto file = *encode_png(picture(8, 8, 1), {{"a", "b"}});
    file.resize(file.size() - 6);
    EXPECT_EQ(png_text(file).error().code, ErrorCode::Corrupt);
    EXPECT_EQ(png_text({}).error().code, ErrorCode::Unsupported);
}

TEST(ContactSheet, PutsImagesInRows)
{
    const std::vector<Image> images(5, picture(4, 3, 3));
    const Image sheet = contact_sheet(images, 2, 1);
    EXPECT_EQ(sheet.width, 9);
    EXPECT_EQ(sheet.height, 11);
    EXPECT_EQ(at(sheet, 4, 0), 128);
    EXPECT_EQ(at(sheet, 5, 4, 2), at(images[3], 0, 0, 2));
    EXPECT_EQ(at(sheet, 3, 10, 1), at(images[4], 3, 2, 1));
    EXPECT_EQ(at(sheet, 6, 9), 128);
}

// Oracle: the mean over the window, in two passes with rounding.
TEST(Blur, IsTheMeanOfTheNeighbourhood)
{
    Image dot{.width = 7, .height = 7, .channels = 1};
    dot.pixels.assign(49, 0);
    dot.pixels[24] = 225;
    const Image soft = blurred(dot, 1);
    for (int y = 0; y < 7; ++y)
        for (int x = 0; x < 7; ++x)
            EXPECT_EQ(at(soft, x, y), std::abs(x - 3) <= 1 && std::abs(y - 3) <= 1 ? 25 : 0);
    Image flat = picture(6, 5, 3);
    std::fill(flat.pixels.begin(), flat.pixels.end(), 77);
    EXPECT_EQ(blurred(flat, 9).pixels, flat.pixels);
    EXPECT_EQ(blurred(dot, 0).pixels, dot.pixels);
}

} // namespace
} // namespace velamen::image
