// SPDX-License-Identifier: GPL-3.0-or-later
//
// The public checkpoints that come with Velamen open, draw and stay small.

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/generate/generation.h"

namespace velamen::generate {
namespace {

namespace fs = std::filesystem;

fs::path embedded(const std::string& name)
{
    return fs::path(VELAMEN_SOURCE_DIR) / "resources/checkpoints" / name;
}

std::vector<image::Image> drawn(const std::string& name, const GenerationRequest& request)
{
    std::vector<image::Image> images;
    const auto session = GenerationSession::open(embedded(name));
    EXPECT_TRUE(session) << session.error().message;
    if (!session) return images;
    const auto done = (*session)->run(
        request, {}, [&](const GeneratedImage& one) { images.push_back(one.image); });
    EXPECT_TRUE(done) << done.error().message;
    return images;
}

TEST(EmbeddedCheckpoints, LettersDrawByClass)
{
    const auto images = drawn("letters", {.classes = {0, 51}, .steps = 2});
    ASSERT_EQ(images.size(), 2U);
    EXPECT_EQ(images[0].width, 32);
    EXPECT_EQ(images[0].channels, 1);
}

TEST(EmbeddedCheckpoints, EmojiDrawByPrompt)
{
    const auto images = drawn(
        "emoji",
        {.classes = {0, 1}, .prompts = {"red apple", "blue heart"}, .guidance = 3.0, .steps = 20});
    ASSERT_EQ(images.size(), 2U);
    EXPECT_EQ(images[0].width, 64);
    ASSERT_EQ(images[0].channels, 3);
    // Of an apple red is the larger part, of a blue heart blue: sums over all pixels.
    const auto sum = [](const image::Image& one, std::size_t channel) {
        double total = 0.0;
        for (std::size_t i = channel; i < one.pixels.size(); i += 3)
            total += one.pixels[i];
        return total;
    };
    EXPECT_GT(sum(images[0], 0), sum(images[0], 2));
    EXPECT_GT(sum(images[1], 2), sum(images[1], 0));
}

TEST(EmbeddedCheckpoints, TakeAtMost25Megabytes)
{
    for (const char* name : {"letters", "emoji"}) {
        std::uintmax_t bytes = 0;
        for (const auto& entry : fs::recursive_directory_iterator(embedded(name)))
            if (entry.is_regular_file()) bytes += entry.file_size();
        EXPECT_LE(bytes, 25'000'000U) << name;
        EXPECT_GT(bytes, 1'000'000U) << name;
    }
}

} // namespace
} // namespace velamen::generate
