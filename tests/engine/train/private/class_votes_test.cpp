// SPDX-License-Identifier: GPL-3.0-or-later
//
// Votes of private units for public classes: what one unit moves, and what is made of the released
// counts. The oracle of the sums is counting by hand.

#include "engine/train/private/class_votes.h"

#include <cmath>
#include <limits>
#include <numeric>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/core/file.h"
#include "engine/train/private/public_classifier.h"
#include "engine/train/private/warm_start_file.h"
#include "tests/support/temp_dir.h"

namespace velamen::privacy {

struct StatisticsSeam {
    static const std::vector<std::int64_t>& sums(const VoteSum& sum) { return sum.sums_; }
};

} // namespace velamen::privacy

namespace velamen::train {
namespace {

constexpr double kGrid = 68'719'476'736.0; // 2^36, the grid of the sums

/// Two classes; the units' images and their classes as given.
Dataset dataset_of(std::vector<data::Unit> units, std::vector<std::int64_t> classes)
{
    Dataset dataset;
    dataset.units = std::move(units);
    dataset.latents.channels = dataset.latents.height = dataset.latents.width = 1;
    dataset.latents.values.assign(classes.size(), 0.0F);
    dataset.latents.class_index = std::move(classes);
    return dataset;
}

std::vector<double> counts(const Dataset& dataset, const std::vector<std::int64_t>& answers,
                           std::int64_t classes, std::int64_t publics)
{
    const auto sum = class_vote_sum(dataset, answers, classes, publics);
    EXPECT_TRUE(sum) << sum.error().message;
    std::vector<double> out;
    for (const std::int64_t steps : privacy::StatisticsSeam::sums(*sum))
        out.push_back(static_cast<double>(steps) / kGrid);
    return out;
}

TEST(ClassVotes, AUnitOfManyImagesHasOneVoteThatTheyShare)
{
    const auto dataset = dataset_of({{{0}}, {{1, 2, 3, 4}}}, {0, 1, 1, 1, 0});
    const auto found = counts(dataset, {2, 0, 0, 1, 2}, 2, 3);
    const std::vector<double> wanted{0.0, 0.0, 1.25, 0.5, 0.25, 0.0};
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
        EXPECT_NEAR(found[i], wanted[i], 1e-6) << i;
}

// The sensitivity that is charged for is 1: whatever a unit's images answer, and however their
// thirds and sevenths are rounded, all that it adds is at most that.
TEST(ClassVotes, NoUnitAddsMoreThanOne)
{
    for (std::int64_t images = 1; images <= 64; ++images) {
        data::Unit unit;
        std::vector<std::int64_t> classes, answers;
        for (std::int64_t i = 0; i < images; ++i) {
            unit.images.push_back(i);
            classes.push_back(i % 2);
            answers.push_back((i * i) % 5);
        }
        const auto found = counts(dataset_of({unit}, classes), answers, 2, 5);
        const double total = std::accumulate(found.begin(), found.end(), 0.0);
        EXPECT_LE(total, 1.0) << images;
        EXPECT_GT(total, 1.0 - 1e-5) << images;
    }
}

TEST(ClassVotes, RefusesAnswersThatAreNotOneAnImage)
{
    EXPECT_FALSE(
        class_vote_sum(dataset_of({{{0, 1}}}, {0, 1}), std::vector<std::int64_t>{0}, 2, 2));
}

TEST(ClassShares, KeepsTheThreeLargestCellsThatStandAboveTheNoise)
{
    // Noise 10: cells below 40 are noise.
    const std::vector<double> noisy{500.0, 300.0, 200.0, 100.0, -35.0, //
                                    39.0,  -39.0, 20.0,  0.0,   10.0,  //
                                    0.0,   30.0,  60.0,  39.9,  20.0};
    const auto shares = class_shares(noisy, 5, 10.0);
    EXPECT_THAT(shares,
                testing::ElementsAre(0.5, 0.3, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
                                     1.0, 0.0, 0.0));
    const auto mapping = class_mapping(shares, {"0", "1", "2"}, {"a", "b", "c", "d", "e"});
    EXPECT_EQ(to_text(mapping),
              "0 from a (50 %), b (30 %), c (20 %); 1 from the mean of all; 2 from c (100 %)");
    EXPECT_EQ(to_json(mapping).dump(),
              R"({"event":"class_votes","rows":[{"class":"0","from":[["a",0.5],["b",0.3],)"
              R"(["c",0.2]]},{"class":"1","from":[]},{"class":"2","from":[["c",1.0]]}]})");
}

TEST(ClassShares, TakesEverythingWhereThereAreFewPublicClasses)
{
    EXPECT_THAT(class_shares(std::vector<double>{30.0, 10.0}, 2, 1.0),
                testing::ElementsAre(0.75, 0.25));
    EXPECT_THAT(class_shares(std::vector<double>{30.0}, 1, 100.0), testing::ElementsAre(0.0));
}

TEST(WarmStartFile, ReadsBackExactlyWhatWasReleased)
{
    const test::TempDir dir;
    const auto none = read_warm_start(dir.path(), 2, 2);
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->votes || none->moments);
    WarmStartReleases releases;
    releases.votes = std::vector<double>{1.0 / 3.0, -1e-17, 4.0, 2.5e9};
    ASSERT_TRUE(write_warm_start(dir.path(), releases));
    releases.moments = privacy::ClassMoments{
        .shares = {0.25, 0.75}, .means = {0.1, -0.7}, .covariance = {2.0 / 7.0}, .dimensions = 1};
    ASSERT_TRUE(write_warm_start(dir.path(), releases));
    const auto again = read_warm_start(dir.path(), 2, 2);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->votes, releases.votes);
    ASSERT_TRUE(again->moments);
    EXPECT_EQ(again->moments->shares, releases.moments->shares);
    EXPECT_EQ(again->moments->means, releases.moments->means);
    EXPECT_EQ(again->moments->covariance, releases.moments->covariance);
}

TEST(WarmStartFile, RefusesOneOfAnotherRunOrADamagedOne)
{
    const test::TempDir dir;
    ASSERT_TRUE(
        write_warm_start(dir.path(), {.votes = std::vector<double>{1.0, 2.0}, .moments = {}}));
    EXPECT_FALSE(read_warm_start(dir.path(), 2, 2));
    for (const char* text : {"", "{", "[]", R"({"schema":2})", R"({"schema":1,"votes":[1,"x"]})",
                             R"({"schema":1,"moments":{"dimensions":-1}})"}) {
        ASSERT_TRUE(core::write_file(dir.path() / "warm_start.json", std::string_view(text)));
        const auto read = read_warm_start(dir.path(), 1, 2);
        ASSERT_FALSE(read) << text;
        EXPECT_THAT(read.error().message, testing::HasSubstr("warm_start.json"));
        EXPECT_FALSE(read.error().hint.empty());
    }
}

/// Latents of three classes around centres far apart; `side` numbers a row.
DrawnLatents clusters(std::int64_t each, std::int64_t side, std::uint64_t seed)
{
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    const at::Tensor classes = torch::arange(3 * each).remainder(3);
    const at::Tensor centres = torch::tensor({-2.0F, 0.0F, 2.0F});
    return {torch::randn({3 * each, 2, side, side}, generator)
                + centres.index_select(0, classes).view({-1, 1, 1, 1}),
            classes};
}

TEST(PublicClassifier, TellsPublicClassesApart)
{
    for (const std::int64_t side : {4, 40}) { // 40: 3,200 numbers are averaged first
        const auto made = PublicClassifier::fit(clusters(20, side, 1), {"a", "b", "c"});
        ASSERT_TRUE(made) << made.error().message;
        const DrawnLatents fresh = clusters(100, side, 2);
        const at::Tensor values = fresh.latents.contiguous();
        const auto answers = made->classify(
            {values.const_data_ptr<float>(), static_cast<std::size_t>(values.numel())});
        ASSERT_EQ(answers.size(), 300U);
        int right = 0;
        for (std::size_t i = 0; i < answers.size(); ++i)
            right += answers[i] == static_cast<std::int64_t>(i % 3) ? 1 : 0;
        EXPECT_GE(right, 297) << side;
    }
}

TEST(PublicClassifier, AnswersALatentThatIsNotFiniteWithSomeClass)
{
    const auto made = PublicClassifier::fit(clusters(20, 4, 1), {"a", "b", "c"});
    ASSERT_TRUE(made);
    std::vector<float> latents(64, std::numeric_limits<float>::quiet_NaN());
    latents[40] = std::numeric_limits<float>::infinity();
    for (const std::int64_t answer : made->classify(latents))
        EXPECT_TRUE(answer >= 0 && answer < 3);
    EXPECT_TRUE(made->classify({}).empty());
}

} // namespace
} // namespace velamen::train
