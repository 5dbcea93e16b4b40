// SPDX-License-Identifier: GPL-3.0-or-later
//
// The rows of units that hold several images: which images, how often, from whose randomness.

#include "engine/train/private/unit_rows.h"

#include <map>
#include <numeric>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "tests/support/statistics.h"

namespace velamen::train {
namespace {

using Indices = std::vector<std::int64_t>;

constexpr std::int64_t kTimes = 1000;
constexpr std::int64_t kNull = 99;

/// Units of the given sizes. Image i has the latent (i, i, i, i) and the class i mod 5.
Dataset dataset_of(const Indices& sizes)
{
    Dataset dataset;
    dataset.latents = {.channels = 1, .height = 2, .width = 2, .values = {}, .class_index = {}};
    for (const std::int64_t size : sizes) {
        data::Unit unit;
        for (std::int64_t i = 0; i < size; ++i) {
            const std::int64_t image = dataset.latents.count();
            unit.images.push_back(image);
            dataset.latents.values.insert(dataset.latents.values.end(), 4,
                                          static_cast<float>(image));
            dataset.latents.class_index.push_back(image % 5);
        }
        dataset.units.push_back(unit);
    }
    return dataset;
}

TrainingPlan plan_of(std::int64_t images, std::int64_t draws, double dropout = 0.0)
{
    TrainingPlan plan;
    plan.privacy.images_per_unit = images;
    plan.optimiser.noise_multiplicity = draws;
    plan.optimiser.class_dropout = dropout;
    return plan;
}

Rows rows_of(const Dataset& dataset, const Indices& units, const TrainingPlan& plan,
             std::uint64_t step = 0)
{
    const auto key = core::StreamKey::reproducible(5);
    return unit_rows(dataset, units, plan, kTimes, kNull, key, step);
}

Indices images_of(const Rows& rows)
{
    Indices images;
    for (std::int64_t row = 0; row < rows.latents.size(0); ++row)
        images.push_back(static_cast<std::int64_t>(rows.latents[row].mean().item<float>()));
    return images;
}

TEST(PickImages, AreDistinctWhereAUnitHasEnoughAndShareTheRowsEvenlyWhereNot)
{
    const auto key = core::StreamKey::reproducible(1);
    for (const std::int64_t all : {1, 2, 3, 4, 5, 7, 23})
        for (const std::int64_t wanted : {1, 2, 4, 7, 16}) {
            data::Unit unit;
            unit.images.resize(static_cast<std::size_t>(all));
            std::iota(unit.images.begin(), unit.images.end(), 100);
            for (std::uint64_t step = 0; step < 20; ++step) {
                core::SecureStream stream(key, step, static_cast<std::uint32_t>(all * 32 + wanted));
                std::map<std::int64_t, std::int64_t> counts;
                for (const std::int64_t image : pick_images(unit, wanted, stream))
                    ++counts[image];
                std::int64_t total = 0;
                for (const auto& [image, count] : counts) {
                    EXPECT_TRUE(image >= 100 && image < 100 + all);
                    EXPECT_GE(count, wanted / all);
                    EXPECT_LE(count, (wanted + all - 1) / all);
                    total += count;
                }
                EXPECT_EQ(total, wanted);
                EXPECT_EQ(static_cast<std::int64_t>(counts.size()), std::min(all, wanted));
            }
        }
}

// Pearson's test over all ordered picks of what is random; false-alarm rate 1e-6 for each of the
// four (statistics.h).
TEST(PickImages, AreUniformOverAllOrderedPicks)
{
    struct Case {
        std::int64_t all, wanted;
        std::size_t random; ///< so many of the picks, the last ones
        std::size_t outcomes;
    };
    const auto key = core::StreamKey::reproducible(2);
    for (const Case& c :
         {Case{5, 2, 2, 20}, Case{6, 3, 3, 120}, Case{3, 4, 1, 3}, Case{4, 6, 2, 12}}) {
        data::Unit unit;
        unit.images.resize(static_cast<std::size_t>(c.all));
        std::iota(unit.images.begin(), unit.images.end(), 0);
        std::map<Indices, std::size_t> seen;
        for (std::uint64_t step = 0; step < 20'000; ++step) {
            core::SecureStream stream(key, step, static_cast<std::uint32_t>(c.all));
            const auto picks = pick_images(unit, c.wanted, stream);
            ++seen[Indices(picks.end() - static_cast<std::ptrdiff_t>(c.random), picks.end())];
        }
        ASSERT_EQ(seen.size(), c.outcomes);
        std::vector<std::size_t> counts;
        for (const auto& [picks, count] : seen)
            counts.push_back(count);
        test::expect_equal_chances(counts, "ordered picks");
    }
}

TEST(UnitRows, AreAsManyForEveryUnit)
{
    const Dataset dataset = dataset_of({1, 2, 3, 4, 9});
    for (const std::int64_t images : {1, 3, 4})
        for (const std::int64_t draws : {1, 4}) {
            const Rows rows = rows_of(dataset, {0, 1, 2, 3, 4}, plan_of(images, draws));
            const std::int64_t of_unit = images * draws;
            ASSERT_EQ(rows.latents.size(0), 5 * of_unit);
            ASSERT_EQ(rows.noise.sizes(), rows.latents.sizes());
            ASSERT_EQ(rows.times.size(0), 5 * of_unit);
            const Indices found = images_of(rows);
            for (std::size_t unit = 0; unit < 5; ++unit) {
                const auto& members = dataset.units[unit].images;
                for (std::size_t row = 0; row < static_cast<std::size_t>(of_unit); ++row) {
                    const std::int64_t image =
                        found[unit * static_cast<std::size_t>(of_unit) + row];
                    EXPECT_TRUE(image >= members.front() && image <= members.back());
                }
            }
        }
}

TEST(UnitRows, DrawTimeAndNoiseAnewForEachRow)
{
    const Dataset dataset = dataset_of({1, 3});
    const Rows rows = rows_of(dataset, {0, 1}, plan_of(4, 3));
    const Indices images = images_of(rows);
    std::set<float> noise;
    std::set<std::int64_t> times;
    for (std::int64_t row = 0; row < 24; ++row) {
        if (row % 3 != 0) { // the draws of one pick
            EXPECT_EQ(images[static_cast<std::size_t>(row)],
                      images[static_cast<std::size_t>(row - 1)]);
        }
        for (std::int64_t i = 0; i < 4; ++i)
            noise.insert(rows.noise[row].flatten()[i].item<float>());
        const auto time = rows.times[row].item<std::int64_t>();
        EXPECT_TRUE(time >= 0 && time < kTimes);
        times.insert(time);
    }
    EXPECT_EQ(noise.size(), 96U);
    EXPECT_GT(times.size(), 18U); // of 24 out of 1000: fewer by chance once in 1e9
}

TEST(UnitRows, LabelEachImageByItself)
{
    const Dataset dataset = dataset_of({6, 6});
    const Rows rows = rows_of(dataset, {0, 1}, plan_of(6, 2, 0.5));
    const Indices images = images_of(rows);
    std::set<std::int64_t> labels;
    for (std::size_t row = 0; row < images.size(); ++row) {
        const auto label = rows.classes[static_cast<std::int64_t>(row)].item<std::int64_t>();
        if (label != kNull) {
            EXPECT_EQ(label, images[row] % 5);
        }
        labels.insert(label);
    }
    EXPECT_GT(labels.size(), 3U);
    EXPECT_TRUE(labels.contains(kNull));
    EXPECT_TRUE(rows_of(dataset, {0, 1}, plan_of(6, 2, 1.0)).classes.eq(kNull).all().item<bool>());
}

TEST(UnitRows, AreTheSameWhateverTheMicroBatchAndTheCompany)
{
    const Dataset dataset = dataset_of({1, 5, 2, 9, 3, 3});
    const TrainingPlan plan = plan_of(3, 2, 0.3);
    const std::int64_t of_unit = rows_per_unit(plan);
    const Rows whole = rows_of(dataset, {0, 1, 2, 3, 4, 5}, plan, 7);
    const auto expect_equal = [&](const Rows& other, std::int64_t at, std::int64_t unit) {
        for (const auto tensor : {&Rows::latents, &Rows::noise, &Rows::times, &Rows::classes})
            EXPECT_TRUE(torch::equal((other.*tensor).narrow(0, at * of_unit, of_unit),
                                     (whole.*tensor).narrow(0, unit * of_unit, of_unit)))
                << unit;
    };
    for (std::int64_t unit = 0; unit < 6; ++unit)
        expect_equal(rows_of(dataset, {unit}, plan, 7), 0, unit);
    const Indices order{5, 1, 3};
    const Rows others = rows_of(dataset, order, plan, 7);
    for (std::size_t i = 0; i < order.size(); ++i)
        expect_equal(others, static_cast<std::int64_t>(i), order[i]);
    EXPECT_FALSE(torch::equal(rows_of(dataset, {3}, plan, 8).latents,
                              rows_of(dataset, {3}, plan, 7).latents)); // picked anew each step
    EXPECT_EQ(rows_of(dataset, {}, plan).latents.size(0), 0);
}

} // namespace
} // namespace velamen::train
