// SPDX-License-Identifier: GPL-3.0-or-later
//
// The words for epsilon and delta. Oracle: the table a clinician is shown, worked out by hand from
// p e^eps / (1 + p (e^eps - 1)); every figure rounds towards less privacy.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/privacy/explain.h"

namespace velamen::privacy {
namespace {

Epsilon eps(double value) { return Epsilon::create(value).value(); }

const Epsilon kUnbounded = eps(std::numeric_limits<double>::infinity());

TEST(Explain, PosteriorsAreThoseOfTheTable)
{
    struct Row {
        double epsilon;
        const char *one, *ten, *half;
    };
    for (const Row& row : {Row{0.1, "1.2 %", "11 %", "53 %"},
                           {0.5, "1.7 %", "16 %", "63 %"},
                           {1, "2.7 %", "24 %", "74 %"},
                           {2, "7 %", "46 %", "89 %"},
                           {4, "36 %", "86 %", "99 %"},
                           {8, "97 %", "99.7 %", "99.97 %"},
                           {10, "99.56 %", "99.96 %", "100 %"},
                           {0, "1 %", "10 %", "50 %"}}) {
        EXPECT_EQ(posterior_text(0.01, eps(row.epsilon)), row.one);
        EXPECT_EQ(posterior_text(0.1, eps(row.epsilon)), row.ten);
        EXPECT_EQ(posterior_text(0.5, eps(row.epsilon)), row.half);
    }
}

TEST(Explain, PosteriorIsTotal)
{
    EXPECT_EQ(posterior(0.0, kUnbounded), 0.0);
    EXPECT_EQ(posterior(1e-300, kUnbounded), 1.0);
    EXPECT_EQ(posterior(1.0, eps(0)), 1.0);
    EXPECT_EQ(posterior(0.25, eps(1e6)), 1.0);
    EXPECT_EQ(posterior(-1.0, eps(1)), 0.0);
    EXPECT_EQ(posterior(NAN, eps(1)), 0.0);
    EXPECT_NEAR(posterior(0.3, eps(1)), 0.3 * std::exp(1) / (1 + 0.3 * std::expm1(1)), 1e-15);
}

TEST(Explain, ShownPosteriorNeverLiesBelowTheTrueOne)
{
    for (double prior : {1e-6, 1e-4, .01, .1, .5, .9})
        for (double epsilon = 0.0; epsilon < 15.0; epsilon += 0.037) {
            const double shown = std::stod(posterior_text(prior, eps(epsilon)));
            EXPECT_GE(shown * (1 + 1e-8), 100 * posterior(prior, eps(epsilon)));
        }
}

TEST(Explain, OddsAreASentenceAboutTheUnit)
{
    EXPECT_EQ(
        odds_sentence(eps(2)),
        "A 1-in-100 suspicion that an image is in the folder can rise to at most about 7 in 100.");
    EXPECT_EQ(
        odds_sentence(eps(10), "patient"),
        "A 1-in-100 suspicion that a patient is in the folder can rise to at most about 99.56 in "
        "100.");
    EXPECT_NE(odds_sentence(kUnbounded).find("100 in 100"), std::string::npos);
}

TEST(Explain, DeltaIsAChance)
{
    EXPECT_EQ(delta_sentence(Delta::literal(1e-5)),
              "The sentence above may fail with a chance of about 1 in 100 000.");
}

TEST(Explain, ChancesAreGeneratedFromTheNumber)
{
    EXPECT_EQ(one_in(1e-5), "1 in 100 000");
    EXPECT_EQ(one_in(1e-6), "1 in 1 000 000");
    EXPECT_EQ(one_in(1e-7), "1 in 10 000 000");
    EXPECT_EQ(one_in(3e-6), "1 in 330 000"); // 333 333: a smaller count is a larger chance
    EXPECT_EQ(one_in(0.004), "1 in 250");
    EXPECT_EQ(one_in(0.3), "1 in 3");
    EXPECT_EQ(one_in(0.7), "1 in 1");
    EXPECT_EQ(one_in(1.0), "1 in 1");
}

TEST(Explain, LabelsFollowTheTable)
{
    const std::pair<double, const char*> expected[] = {{0.1, "very strong"},
                                                       {0.5, "strong"},
                                                       {1, "strong"},
                                                       {2, "moderate"},
                                                       {4, "weak"},
                                                       {8, "very weak worst case"},
                                                       {10, "very weak worst case"}};
    for (const auto& [epsilon, label] : expected)
        EXPECT_EQ(strength_label(eps(epsilon)), label) << epsilon;
    EXPECT_EQ(strength_label(eps(1.01)), "moderate");
    EXPECT_EQ(strength_label(kUnbounded), "very weak worst case");
}

TEST(Explain, EpsilonRoundsUp)
{
    EXPECT_EQ(epsilon_text(eps(10)), "10.00");
    EXPECT_EQ(epsilon_text(eps(0.1501)), "0.16");
    EXPECT_EQ(epsilon_text(eps(0.29)), "0.29"); // 28.999999999999996 hundredths in doubles
    EXPECT_EQ(epsilon_text(eps(0)), "0.00");
    EXPECT_EQ(epsilon_text(eps(1e-6)), "0.01");
    EXPECT_EQ(epsilon_text(eps(9.9999)), "10.00");
    EXPECT_EQ(epsilon_text(kUnbounded), "unbounded");
    EXPECT_GE(std::stod(epsilon_text(eps(1.23456e20))), 1.23456e20);
}

TEST(Explain, DefaultDeltaIsAPowerOfTenBelowATenthOfAUnit)
{
    const std::pair<std::int64_t, double> expected[] = {
        {1, 1e-6},
        {1000, 1e-6},
        {100'000, 1e-6},
        {100'001, 1e-7},
        {1'000'000, 1e-7},
        {1'000'001, 1e-8},
        {std::numeric_limits<std::int64_t>::max(), 1e-20}};
    for (const auto& [units, delta] : expected)
        EXPECT_EQ(default_delta(units).value(), delta) << units;
}

} // namespace
} // namespace velamen::privacy
