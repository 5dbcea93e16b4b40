// SPDX-License-Identifier: GPL-3.0-or-later
//
// The audit passes the real step and finds sabotaged ones. A sabotaged step is the real one with
// other numbers than it claims. False-alarm rate of each honest check: below 1 in 1,000.

#include "engine/evaluate/engine_audit.h"

#include <cmath>

#include <gtest/gtest.h>

namespace velamen::evaluate {
namespace {

EngineVerdict verdict_on(const EngineAudit& audit, const StepUnderAudit& step)
{
    const auto verdict = audit_engine(audit, step);
    EXPECT_TRUE(verdict) << (verdict ? "" : verdict.error().message);
    return verdict.value_or(EngineVerdict{});
}

TEST(EngineAudit, PassesTheRealStep)
{
    const EngineVerdict verdict = verdict_on({}, engine_step);
    EXPECT_FALSE(verdict.is_refuted()) << verdict.refuted << " against " << verdict.claimed;
    // The attack is a strong one: it guesses far better than chance all the same.
    EXPECT_GT(verdict.guesses.correct, 780);
    EXPECT_GT(verdict.refuted, 1.0);
}

TEST(EngineAudit, AccusesHonestStepsNoMoreOftenThanItsSignificance)
{
    EngineAudit audit;
    audit.canaries = 10'000;
    audit.guesses = 200;
    int accused = 0;
    for (int run = 0; run < 100; ++run)
        accused += verdict_on(audit, engine_step).is_refuted() ? 1 : 0;
    EXPECT_LE(accused, 13); // 99.9 % quantile of Bin(100, 0.05)
}

TEST(EngineAudit, FindsHalfOfTheNoise)
{
    const auto verdict = verdict_on({}, [](EngineAudit audit, auto included) {
        audit.noise /= 2.0;
        return engine_step(audit, included);
    });
    EXPECT_TRUE(verdict.is_refuted()) << verdict.refuted << " against " << verdict.claimed;
}

TEST(EngineAudit, FindsAClipThatIsSkipped)
{
    const auto verdict = verdict_on({}, [](EngineAudit audit, auto included) {
        audit.clip *= 10.0; // the canaries pass whole; the noise stays that of the old norm
        audit.noise /= 10.0;
        return engine_step(audit, included);
    });
    EXPECT_TRUE(verdict.is_refuted()) << verdict.refuted << " against " << verdict.claimed;
}

TEST(EngineAudit, FindsNoiseThatIsDividedByTheBatchTwice)
{
    const auto verdict = verdict_on({}, [](EngineAudit audit, auto included) {
        audit.noise /= static_cast<double>(included.size());
        return engine_step(audit, included);
    });
    EXPECT_TRUE(verdict.is_refuted()) << verdict.refuted << " against " << verdict.claimed;
}

TEST(EngineAudit, FindsNoiseThatIsUsedAgain)
{
    EngineAudit audit;
    const double limit = 5.0 / std::sqrt(static_cast<double>(audit.canaries));
    const auto honest = noise_correlation(audit, engine_step);
    ASSERT_TRUE(honest);
    EXPECT_LT(std::abs(*honest), limit);

    std::vector<float> kept;
    const auto lazy = noise_correlation(
        audit, [&kept](const EngineAudit& a, auto included) -> Result<std::vector<float>> {
            if (kept.empty()) {
                VELAMEN_ASSIGN(kept, engine_step(a, included));
            }
            return kept;
        });
    ASSERT_TRUE(lazy);
    EXPECT_GT(*lazy, limit);
}

/// Units of three images with two noise draws each.
EngineAudit several_rows()
{
    EngineAudit audit;
    audit.images = 3;
    audit.draws = 2;
    return audit;
}

TEST(EngineAudit, PassesTheRealStepForUnitsOfSeveralImagesAndDraws)
{
    const EngineVerdict verdict = verdict_on(several_rows(), engine_step);
    EXPECT_FALSE(verdict.is_refuted()) << verdict.refuted << " against " << verdict.claimed;
    EXPECT_GT(verdict.guesses.correct, 780);
    EXPECT_GT(verdict.refuted, 1.0);
}

TEST(EngineAudit, FindsHalfOfTheNoiseForUnitsOfSeveralImagesAndDraws)
{
    const auto verdict = verdict_on(several_rows(), [](EngineAudit audit, auto included) {
        audit.noise /= 2.0;
        return engine_step(audit, included);
    });
    EXPECT_TRUE(verdict.is_refuted()) << verdict.refuted << " against " << verdict.claimed;
}

// What a unit is made of is clipped row by row and summed: it moves the sum by 6 C.
TEST(EngineAudit, FindsAClipOfRowsInsteadOfUnits)
{
    const auto verdict = verdict_on(several_rows(), [](EngineAudit audit, auto included) {
        std::vector<std::int64_t> rows;
        for (const std::int64_t unit : included)
            rows.insert(rows.end(), static_cast<std::size_t>(audit.images * audit.draws), unit);
        audit.images = audit.draws = 1;
        return engine_step(audit, rows);
    });
    EXPECT_TRUE(verdict.is_refuted()) << verdict.refuted << " against " << verdict.claimed;
}

TEST(EngineAudit, RefusesNumbersThatDoNotFit)
{
    for (const std::int64_t bad : {0, -1, 65}) {
        EngineAudit audit;
        audit.images = bad;
        EXPECT_FALSE(audit_engine(audit)) << bad;
        audit = {};
        audit.draws = bad;
        EXPECT_FALSE(audit_engine(audit)) << bad;
    }
    for (const auto& [canaries, guesses] : {std::pair<std::int64_t, std::int64_t>{1, 1},
                                            {100, 3},
                                            {100, 102},
                                            {1'000'000'000, 2},
                                            {100, 0}}) {
        EngineAudit audit;
        audit.canaries = canaries;
        audit.guesses = guesses;
        EXPECT_FALSE(audit_engine(audit)) << canaries << " " << guesses;
    }
    for (const double bad : {0.0, -1.0, std::nan("")}) {
        EngineAudit audit;
        audit.noise = bad;
        EXPECT_FALSE(audit_engine(audit));
        audit = {};
        audit.clip = bad;
        EXPECT_FALSE(audit_engine(audit));
        audit = {};
        audit.delta = bad;
        EXPECT_FALSE(audit_engine(audit));
    }
}

} // namespace
} // namespace velamen::evaluate
