// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/micro_batch_search.h"

#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace velamen::train {
namespace {

/// A machine whose passes take what `memory` says; keeps what was tried.
struct Machine {
    std::function<Result<double>(std::int64_t)> memory;
    std::map<std::int64_t, double> tried{};
    std::int64_t most_fitted = 1;

    Result<std::int64_t> search(std::int64_t most, double limit)
    {
        return largest_micro_batch(most, limit, [&, limit](std::int64_t units) -> Result<double> {
            EXPECT_LE(units, 8 * most_fitted);
            VELAMEN_ASSIGN(const double taken, memory(units));
            tried[units] = taken;
            if (taken <= limit) most_fitted = std::max(most_fitted, units);
            return taken;
        });
    }
};

TEST(MicroBatchSearch, FindsTheLargestOfAStraightLineInAFewRuns)
{
    Machine machine{[](std::int64_t units) { return 1.0 + 0.01 * static_cast<double>(units); }};
    const auto found = machine.search(256, 2.001);
    ASSERT_TRUE(found);
    EXPECT_GE(*found, 94);
    EXPECT_LE(*found, 100);
    EXPECT_LE(machine.tried.at(*found), 2.001);
    EXPECT_LE(machine.tried.size(), 6U);
}

TEST(MicroBatchSearch, NeverGoesBeyondWhatWasAskedFor)
{
    Machine machine{[](std::int64_t) { return 0.5; }};
    EXPECT_EQ(machine.search(48, 64.0).value_or(0), 48);
    EXPECT_EQ(machine.search(1, 64.0).value_or(0), 1);
}

TEST(MicroBatchSearch, BelievesMeasurementsAndNoFormula)
{
    for (const std::int64_t jump : {2, 5, 17, 50, 200}) { // where memory doubles at once
        Machine machine{[jump](std::int64_t units) {
            return (units < jump ? 1.0 : 2.0) + 0.001 * static_cast<double>(units);
        }};
        const auto found = machine.search(256, 1.9);
        ASSERT_TRUE(found);
        EXPECT_LT(*found, jump);
        EXPECT_GE(*found, (jump - 1) * 15 / 16) << jump;
        EXPECT_LE(machine.tried.at(*found), 1.9);
        EXPECT_LE(machine.tried.size(), 14U) << jump;
    }
}

TEST(MicroBatchSearch, TakesAPassThatDidNotFitAtAllForTooLarge)
{
    Machine machine{[](std::int64_t units) -> Result<double> {
        if (units > 37) return fail(ErrorCode::OutOfMemory, "no memory");
        return 0.1;
    }};
    const auto found = machine.search(256, 16.0);
    ASSERT_TRUE(found);
    EXPECT_LE(*found, 37);
    EXPECT_GE(*found, 34);
}

TEST(MicroBatchSearch, SaysWhatOneUnitNeeds)
{
    Machine machine{[](std::int64_t units) { return 3.25 * static_cast<double>(units); }};
    const auto none = machine.search(256, 2.0);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::Refused);
    EXPECT_THAT(none.error().message, ::testing::HasSubstr("2.00 GiB"));
    EXPECT_THAT(none.error().message, ::testing::HasSubstr("3.25 GiB"));

    Machine hopeless{
        [](std::int64_t) -> Result<double> { return fail(ErrorCode::OutOfMemory, "no memory"); }};
    EXPECT_EQ(hopeless.search(256, 2.0).error().code, ErrorCode::Refused);
}

TEST(MicroBatchSearch, HandsOnWhatElseGoesWrong)
{
    Machine machine{
        [](std::int64_t) -> Result<double> { return fail(ErrorCode::Corrupt, "damaged"); }};
    EXPECT_EQ(machine.search(256, 2.0).error().code, ErrorCode::Corrupt);
}

} // namespace
} // namespace velamen::train
