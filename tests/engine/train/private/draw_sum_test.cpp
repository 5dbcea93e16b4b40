// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/draw_sum.h"

#include <new>

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/dpsgd/private_parts.h"
#include "tests/support/draw_sums.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"
#include "tests/support/watched_allocator.h"

namespace velamen::train {
namespace {

using dpsgd::ClippedSumSeam;
using dpsgd::testing::relative_error;
using test::DrawSums;

constexpr std::int64_t kUnits = 40;

class DrawSumTest : public ::testing::Test {
protected:
    void SetUp() override
    {
        ASSERT_TRUE(test::write_tiny_checkpoint(dir_.path() / "base"));
        TrainingPlan plan = test::tiny_plan(dir_.path() / "base", {}, 120);
        plan.optimiser.noise_multiplicity = 2;
        auto made = DrawSums::create(plan, kUnits);
        ASSERT_TRUE(made) << made.error().message;
        parts_ = std::move(*made);
    }

    /// Fails where the sum fails.
    dpsgd::ClippedSum sum(DrawSum& draws, std::int64_t units)
    {
        passes_ = 0;
        auto done = draws.sum(DrawSums::draw_of(units), 3, [this]() -> Result<> {
            ++passes_;
            return {};
        });
        EXPECT_TRUE(done) << done.error().message;
        return std::move(done).value();
    }
    dpsgd::ClippedSum sum(std::int64_t micro_batch, std::int64_t units)
    {
        DrawSum draws = parts_->with_micro_batch(micro_batch);
        return sum(draws, units);
    }

    test::TempDir dir_;
    std::unique_ptr<DrawSums> parts_;
    int passes_ = 0;
};

// Oracle: all units in one pass that is exactly full.
TEST_F(DrawSumTest, DoesNotDependOnTheMicroBatch)
{
    const auto whole = sum(19, 19);
    for (const std::int64_t micro_batch : {1, 3, 8, 64}) {
        const auto split = sum(micro_batch, 19);
        EXPECT_EQ(passes_, (19 + micro_batch - 1) / micro_batch);
        EXPECT_LE(relative_error(ClippedSumSeam::sums(split), ClippedSumSeam::sums(whole)), 1e-6)
            << micro_batch;
        EXPECT_NEAR(ClippedSumSeam::loss_sum(split), ClippedSumSeam::loss_sum(whole), 1e-5);
    }
}

TEST_F(DrawSumTest, OfNoUnitIsOnePassAndNothing)
{
    const auto nothing = sum(8, 0);
    EXPECT_EQ(passes_, 1);
    for (const at::Tensor& one : ClippedSumSeam::sums(nothing))
        EXPECT_EQ(one.abs().max().item<float>(), 0.0F);
    EXPECT_EQ(ClippedSumSeam::loss_sum(nothing), 0.0);
}

// From the second pass on the sum is there too, which does not grow.
TEST_F(DrawSumTest, TakesNoMoreMemoryForALargeDraw)
{
    sum(8, 16); // what is made once is made
    test::WatchedAllocator allocator;
    const auto peak_of = [&](std::int64_t units) {
        allocator.restart_peak();
        sum(8, units);
        return static_cast<double>(allocator.peak());
    };
    const double one = peak_of(8), several = peak_of(16);
    for (const std::int64_t units : {0, 1, 7})
        EXPECT_NEAR(peak_of(units) / one, 1.0, 0.01) << units;
    for (const std::int64_t units : {9, 15, 24, 39})
        EXPECT_NEAR(peak_of(units) / several, 1.0, 0.01) << units;
}

// A failure at any allocation of any pass: what was added before it is not added twice.
TEST_F(DrawSumTest, GoesOnWithHalfTheMicroBatchWhereMemoryEnds)
{
    const auto whole = sum(8, 19);
    test::WatchedAllocator allocator;
    sum(8, 19);
    const std::int64_t all = allocator.allocations;
    ASSERT_GT(all, 100);
    int unnoticed = 0; // oneDNN does without some memory: it takes another way by itself
    for (std::int64_t number = 1; number <= all; number += all / 23) {
        DrawSum draws = parts_->with_micro_batch(8);
        allocator.at(number, [number] {
            if (number % 2 == 0) throw std::bad_alloc();
            TORCH_CHECK(false, "DefaultCPUAllocator: can't allocate memory: you tried to allocate");
        });
        const auto after = sum(draws, 19);
        EXPECT_FALSE(allocator.is_waiting()) << number;
        if (draws.micro_batch() == 8)
            ++unnoticed;
        else
            EXPECT_EQ(draws.micro_batch(), 4) << number;
        EXPECT_LE(relative_error(ClippedSumSeam::sums(after), ClippedSumSeam::sums(whole)), 1e-6)
            << number;
        EXPECT_NEAR(ClippedSumSeam::loss_sum(after), ClippedSumSeam::loss_sum(whole), 1e-5);
    }
    EXPECT_LE(unnoticed, 2);
}

// Memory ends until a pass has one row of the two that each unit has.
TEST_F(DrawSumTest, SplitsAUnitThatAloneDoesNotFit)
{
    const auto whole = sum(8, 19), nothing = sum(8, 0);
    for (const std::int64_t units : {19, 0}) {
        DrawSum draws = parts_->with_micro_batch(8);
        test::WatchedAllocator allocator;
        int failures = 4; // 8, 4, 2, 1 units
        std::function<void()> again;
        again = [&] {
            if (--failures > 0) allocator.at(30, again);
            throw std::bad_alloc();
        };
        allocator.at(30, again);
        const auto split = sum(draws, units);
        EXPECT_EQ(failures, 0);
        EXPECT_EQ(draws.micro_batch(), 1);
        EXPECT_EQ(draws.pass_rows(), 1);
        const auto& expected = units > 0 ? whole : nothing;
        EXPECT_LE(relative_error(ClippedSumSeam::sums(split), ClippedSumSeam::sums(expected)),
                  1e-6);
        EXPECT_NEAR(ClippedSumSeam::loss_sum(split), ClippedSumSeam::loss_sum(expected), 1e-5);
    }
}

TEST_F(DrawSumTest, SaysThatOneImageAloneDoesNotFit)
{
    DrawSum draws = parts_->with_micro_batch(8);
    test::WatchedAllocator allocator;
    const std::function<void()> always = [&] {
        allocator.at(30, always);
        throw std::bad_alloc();
    };
    allocator.at(30, always);
    const auto none = draws.sum(DrawSums::draw_of(19), 3, [] { return Result<>{}; });
    allocator.at(0, {});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::OutOfMemory);
    EXPECT_THAT(none.error().message, ::testing::HasSubstr("one image alone"));
    EXPECT_EQ(draws.pass_rows(), 1);
    sum(8, 19); // nothing of it is left behind
}

TEST_F(DrawSumTest, ThatIsStoppedLeavesNothingBehind)
{
    const auto whole = sum(8, 19);
    DrawSum draws = parts_->with_micro_batch(8);
    int passes = 0;
    const auto stopped = draws.sum(DrawSums::draw_of(19), 3, [&passes]() -> Result<> {
        if (++passes == 3) return fail(ErrorCode::Cancelled, "stopped");
        return {};
    });
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::Cancelled);
    EXPECT_EQ(relative_error(ClippedSumSeam::sums(sum(draws, 19)), ClippedSumSeam::sums(whole)),
              0.0);
}

} // namespace
} // namespace velamen::train
