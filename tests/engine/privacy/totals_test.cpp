// SPDX-License-Identifier: GPL-3.0-or-later
//
// Totals over runs and the filter below a ceiling. Oracles: the accountant on segments written down
// by hand; for groups the hockey-stick divergence of the exact mixture of Gaussians, summed on a
// fine grid; for the filter the closed form of the Gaussian, r = alpha / (2 sigma^2) a step.

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/privacy/totals.h"
#include "tests/support/temp_dir.h"

namespace velamen::privacy {
namespace {

using test::TempDir;
using ::testing::HasSubstr;

constexpr auto kDelta = Delta::literal(1e-5);
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

LedgerEntry entry(double rate, double noise, std::int64_t steps = 1, const std::string& run = "a",
                  const std::string& unit = "image", Neighbours relation = Neighbours::ZeroOut)
{
    LedgerEntry made;
    made.run = run;
    made.unit = unit;
    made.neighbours = relation;
    made.event = TrainingSteps{
        .rate = rate, .noise_gradient = noise, .noise_effective = noise, .steps = steps};
    return made;
}

SubsampledGaussian event_of(double rate, double noise)
{
    return {SamplingRate::create(rate).value(), NoiseMultiplier::create(noise).value()};
}

Segment segment(double rate, double noise, std::int64_t steps)
{
    return {event_of(rate, noise), Steps::create(steps).value()};
}

Ceiling ceiling(double epsilon, double order, Claim claim = {})
{
    return {.claim = claim,
            .epsilon = Epsilon::create(epsilon).value(),
            .delta = kDelta,
            .order = order};
}

TEST(Charge, IsTheEventItselfForItsOwnUnitAndRelation)
{
    for (const auto relation : {Neighbours::ZeroOut, Neighbours::AddRemove})
        for (const char* unit : {"image", "patient", "lesion"}) {
            const auto charged = charge_of(entry(0.01, 2.0, 3, "a", unit, relation),
                                           {.unit = unit, .neighbours = relation});
            ASSERT_TRUE(charged);
            EXPECT_EQ(*charged, (Charge{event_of(0.01, 2.0)}));
        }
}

TEST(Charge, HoldsAnAddRemoveEventUnderZeroOutButNotTheOtherWay)
{
    const auto weaker = charge_of(entry(0.01, 2.0, 1, "a", "image", Neighbours::AddRemove),
                                  {.neighbours = Neighbours::ZeroOut});
    ASSERT_TRUE(weaker);
    EXPECT_EQ(*weaker, (Charge{event_of(0.01, 2.0)}));
    const auto stronger = charge_of(entry(0.01, 2.0), {.neighbours = Neighbours::AddRemove});
    EXPECT_EQ(stronger.error().code, ErrorCode::Refused);
    EXPECT_THAT(stronger.error().message, HasSubstr("number of units as public"));
}

TEST(Charge, IsNeverMadeForAReplacedUnitWhichWouldCostMore)
{
    EXPECT_FALSE(charge_of(entry(0.01, 2.0), {.neighbours = Neighbours::ReplaceOne}));
    const TempDir root;
    std::filesystem::create_directories(root.path() / "set");
    auto ledger = Ledger::open(root.path() / "set");
    ASSERT_TRUE(ledger);
    EXPECT_FALSE(ledger->reserve("a", 1, "image", Neighbours::ReplaceOne,
                                 std::get<TrainingSteps>(entry(0.01, 2.0).event)));
    EXPECT_TRUE(ledger->entries().empty());
}

TEST(Charge, RefusesUnitsThatHaveNoCommonClaimWithAReason)
{
    const auto image = charge_of(entry(0.01, 2.0), {.unit = "patient"});
    EXPECT_EQ(image.error().code, ErrorCode::Refused);
    EXPECT_THAT(image.error().message, HasSubstr("only by group privacy"));
    const auto patient =
        charge_of(entry(0.01, 2.0, 1, "a", "patient"), {.unit = "image", .images_per_unit = 3});
    EXPECT_EQ(patient.error().code, ErrorCode::Refused);
    EXPECT_THAT(patient.error().message, HasSubstr("patient event has no place"));
    for (const std::int64_t size : {std::int64_t{-1}, std::int64_t{0}, INT64_MAX})
        EXPECT_EQ(
            charge_of(entry(0.01, 2.0), {.unit = "patient", .images_per_unit = size}).error().code,
            ErrorCode::InvalidArgument);
    EXPECT_FALSE(charge_of(entry(0.01, 2.0), {.unit = "../patient"}));
    EXPECT_FALSE(charge_of(entry(kNaN, 2.0), {}));
    EXPECT_FALSE(charge_of(entry(0.01, 0.0), {}));
}

TEST(Charge, OfAGroupHasTheChanceThatAnyIsDrawnAndTheNoiseOfAll)
{
    for (const double q : {1e-9, 0.01, 0.5, 1.0})
        for (const std::int64_t k : {1, 2, 7, 1'000'000}) {
            const auto group = charge_of(entry(q, 3.0), {.unit = "patient", .images_per_unit = k});
            ASSERT_TRUE(group);
            const auto step = std::get<SubsampledGaussian>(dominating(*group));
            const double size = static_cast<double>(k);
            const auto rate = static_cast<double>(1.0L - std::pow(1.0L - q, k));
            EXPECT_NEAR(step.rate.value(), rate, 1e-10 * std::min(1.0, size * q));
            EXPECT_LE(step.noise.value(), 3.0 / size);
            EXPECT_NEAR(step.noise.value(), 3.0 / size, 1e-11 * 3.0 / size);
        }
    EXPECT_GT(dominating(event_of(0.01, 1e-320), 1'000'000).noise.value(), 0.0);
}

// What a group of k images can change: the number of drawn ones is Binomial(k, q), each shifts the
// sum by 1. Hockey-stick divergences of the mixture and of pure noise, both directions.
std::pair<double, double> mixture_delta(double q, double sigma, int k, double epsilon)
{
    const double low = -12.0 * sigma, high = k + 12.0 * sigma;
    constexpr int kCells = 20'000;
    const double h = (high - low) / kCells, scale = std::exp(epsilon);
    double remove = 0.0, add = 0.0;
    for (int i = 0; i < kCells; ++i) {
        const double x = low + (i + 0.5) * h;
        double mixture = 0.0;
        for (int j = 0; j <= k; ++j) {
            const double chance =
                std::exp(std::lgamma(k + 1.0) - std::lgamma(j + 1.0) - std::lgamma(k - j + 1.0))
                * std::pow(q, j) * std::pow(1.0 - q, k - j);
            mixture += chance * std::exp(-0.5 * (x - j) * (x - j) / (sigma * sigma));
        }
        const double noise = std::exp(-0.5 * x * x / (sigma * sigma));
        remove += std::max(0.0, mixture - scale * noise);
        add += std::max(0.0, noise - scale * mixture);
    }
    const double density = h / (sigma * std::sqrt(2.0 * M_PI));
    return {remove * density, add * density};
}

TEST(Charge, OfAGroupIsNeverLessThanTheExactMixtureOfGaussians)
{
    for (const int k : {2, 6})
        for (const double sigma : {1.0, 4.0})
            for (const double q : {0.02, 0.3, 1.0}) {
                const std::vector<Segment> one{
                    {dominating(event_of(q, sigma), k), Steps::literal(1)}};
                for (const double epsilon : {0.0, 0.5, 3.0}) {
                    const auto [remove, add] = mixture_delta(q, sigma, k, epsilon);
                    const double bound = pld_delta(one, Epsilon::create(epsilon).value()).value();
                    const double exact = std::max(remove, add);
                    EXPECT_GE(bound, exact * (1.0 - 1e-5)) // the error of the sum
                        << k << " images, q " << q << ", sigma " << sigma << ", eps " << epsilon;
                    if (q < 1.0) continue;
                    EXPECT_LE(bound, exact * (1.0 + 1e-3) + 1e-9); // nothing is lost
                }
            }
}

TEST(Total, IsThePldOfAllEventsWhateverTheirOrderAndRuns)
{
    const std::vector<LedgerEntry> entries{entry(0.01, 1.0, 20, "a"), entry(0.02, 1.5, 32, "b"),
                                           entry(0.01, 1.0, 30, "c"), entry(0.02, 1.5, 1, "b")};
    const std::vector<Segment> segments{segment(0.02, 1.5, 33), segment(0.01, 1.0, 50)};
    const auto total = total_of(entries, {}, kDelta);
    ASSERT_TRUE(total) << total.error().message;
    EXPECT_EQ(total->steps, 83);
    EXPECT_EQ(total->runs, 3);
    EXPECT_DOUBLE_EQ(total->epsilon.value(), pld_epsilon(segments, kDelta)->value());
    EXPECT_DOUBLE_EQ(total->rdp.epsilon.value(), rdp_epsilon(segments, kDelta).epsilon.value());
}

TEST(Total, OfNothingIsZero)
{
    const auto total = total_of({}, {}, kDelta);
    EXPECT_EQ(total->epsilon.value(), 0.0);
    EXPECT_EQ(total->rdp.epsilon.value(), 0.0);
    EXPECT_EQ(total->steps, 0);
}

TEST(Total, LeavesNothingOutAndNamesTheLineThatDoesNotFit)
{
    std::vector<LedgerEntry> entries{entry(0.01, 1.0, 20), entry(0.01, 1.0, 20, "b", "patient")};
    entries[1].seq = 1;
    const auto images = total_of(entries, {}, kDelta);
    EXPECT_EQ(images.error().code, ErrorCode::Refused);
    EXPECT_THAT(images.error().message, HasSubstr("line 2"));
    EXPECT_THAT(total_of(entries, {.unit = "patient"}, kDelta).error().message,
                HasSubstr("line 1"));

    const auto patients = total_of(entries, {.unit = "patient", .images_per_unit = 3}, kDelta);
    ASSERT_TRUE(patients) << patients.error().message;
    const std::vector<Segment> segments{{dominating(event_of(0.01, 1.0), 3), Steps::literal(20)},
                                        segment(0.01, 1.0, 20)};
    EXPECT_LE(patients->epsilon, *pld_epsilon(segments, kDelta));
    EXPECT_GT(patients->epsilon, total_of({&entries[1], 1}, {.unit = "patient"}, kDelta)->epsilon);
}

TEST(Total, OfGroupsAndOthersSharesDeltaBetweenThem)
{
    std::vector<LedgerEntry> entries{entry(0.01, 1.5, 32), entry(0.01, 1.5, 32, "b", "patient")};
    const Claim patients{.unit = "patient", .images_per_unit = 3};
    constexpr auto kHalf = Delta::literal(0.5e-5);
    const double both = total_of(entries, patients, kDelta)->epsilon.value();
    const double images = total_of({&entries[0], 1}, patients, kHalf)->epsilon.value();
    const double others = total_of({&entries[1], 1}, patients, kHalf)->epsilon.value();
    EXPECT_DOUBLE_EQ(both, images + others);
}

// T releases of the whole set, without sampling: for a group of k the exact answer is one Gaussian
// of noise sigma / (k sqrt(T)).
TEST(Total, OfGroupsIsNeverLessThanTheExactGaussian)
{
    for (const std::int64_t k : {2, 5})
        for (const double sigma : {8.0, 40.0}) {
            const std::vector<LedgerEntry> entries{entry(1.0, sigma, 16)};
            const auto total = total_of(entries, {.unit = "patient", .images_per_unit = k}, kDelta);
            ASSERT_TRUE(total) << total.error().message;
            const double noise = sigma / (4.0 * static_cast<double>(k));
            const double exact =
                gaussian_epsilon(kDelta, NoiseMultiplier::create(noise).value()).value();
            EXPECT_GE(total->epsilon.value(), exact * (1.0 - 1e-9));
            EXPECT_LE(total->epsilon.value(), exact * (1.0 + 1e-6)); // nothing is lost here
            EXPECT_GE(total->rdp.epsilon.value(), exact);
        }
}

// With sampling the group privacy of the whole is far below the dominating steps. Its definition,
// from the numbers of single images: k eps at delta (1 + e^eps + ... + e^((k-1) eps)).
TEST(Total, OfSampledGroupsIsGroupPrivacyOfTheWholeWhereThatIsSmaller)
{
    const std::vector<LedgerEntry> entries{entry(0.01, 1.5, 32), entry(0.01, 1.5, 32)};
    const std::vector<Segment> images{segment(0.01, 1.5, 64)};
    for (const std::int64_t k : {1, 2, 4}) {
        const auto total = total_of(entries, {.unit = "patient", .images_per_unit = k}, kDelta);
        ASSERT_TRUE(total) << total.error().message;
        const double one = total->epsilon.value() / static_cast<double>(k);
        double chain = 0.0;
        for (std::int64_t i = 0; i < k; ++i)
            chain += std::exp(static_cast<double>(i) * one);
        EXPECT_LE(pld_delta(images, Epsilon::create(one).value()).value() * chain,
                  kDelta.value() * (1.0 + 1e-6))
            << k;
        const auto worst = pld_epsilon(
            std::vector<Segment>{{dominating(event_of(0.01, 1.5), k), Steps::literal(64)}}, kDelta);
        EXPECT_LE(total->epsilon, *worst);
        EXPECT_LT(total->epsilon.value(), (k == 4 ? 0.5 : 1.1) * worst->value());
    }
}

TEST(Charge, OfAGroupHasNoLessDivergenceThanTheExactGaussianOrMixture)
{
    for (const std::int64_t k : {2, 3, 8})
        for (const double alpha : {1.5, 2.0, 5.0, 8.0}) {
            const double size = static_cast<double>(k);
            EXPECT_GE(renyi_of({event_of(1.0, 6.0), k}, alpha).divergence,
                      alpha * size * size / 72.0);
            EXPECT_LE(renyi_of({event_of(1.0, 6.0), k}, alpha).divergence,
                      alpha * size * size / 72.0 * (1.0 + 1e-9));
            if (alpha < 2.0) continue;
            // Integer order, add/remove: sum over the mixture, on a grid.
            const double q = 0.02, sigma = 2.0;
            constexpr int kCells = 100'000;
            const double low = -40.0, high = 80.0 + 2.0 * alpha * size;
            double sum = 0.0;
            for (int i = 0; i < kCells; ++i) {
                const double x = low + (i + 0.5) * (high - low) / kCells;
                double ratio = 0.0;
                for (std::int64_t j = 0; j <= k; ++j) {
                    const double shift = static_cast<double>(j);
                    ratio += std::exp(std::lgamma(size + 1.0) - std::lgamma(shift + 1.0)
                                      - std::lgamma(size - shift + 1.0) + shift * std::log(q)
                                      + (size - shift) * std::log1p(-q)
                                      + (2.0 * x * shift - shift * shift) / (2.0 * sigma * sigma));
                }
                sum += std::exp(-0.5 * x * x / (sigma * sigma) + alpha * std::log(ratio));
            }
            sum *= (high - low) / kCells / (sigma * std::sqrt(2.0 * M_PI));
            const double exact = std::log(sum) / (alpha - 1.0);
            EXPECT_GE(renyi_of({event_of(q, sigma), k}, alpha).divergence, exact * (1.0 - 1e-6))
                << k << " " << alpha;
        }
    EXPECT_LT(renyi_of({event_of(0.01, 1.5), 4}, 4.0).divergence,
              rdp_of(dominating(event_of(0.01, 1.5), 4), Steps::literal(1), 4.0));
}

TEST(Total, MixesRelationsOnlyTowardsTheWeakerOne)
{
    const std::vector<LedgerEntry> entries{
        entry(0.01, 1.0, 20), entry(0.01, 1.0, 20, "b", "image", Neighbours::AddRemove)};
    EXPECT_TRUE(total_of(entries, {.neighbours = Neighbours::ZeroOut}, kDelta));
    EXPECT_FALSE(total_of(entries, {.neighbours = Neighbours::AddRemove}, kDelta));
    EXPECT_THAT(spendings_of(entries).error().message, HasSubstr("two relations"));
}

TEST(Total, ListsWhatIsThereByUnitAndRelation)
{
    const std::vector<LedgerEntry> entries{
        entry(0.01, 1.0, 5, "a"), entry(0.01, 1.0, 6, "b", "patient"), entry(0.02, 1.0, 7, "c"),
        entry(0.01, 1.0, 8, "a", "image", Neighbours::AddRemove), entry(0.01, 1.0, 9, "a")};
    const auto shares = shares_of(entries);
    ASSERT_EQ(shares.size(), 3U);
    EXPECT_EQ(shares[0].unit, "image");
    EXPECT_EQ(shares[0].neighbours, Neighbours::ZeroOut);
    EXPECT_EQ(shares[0].lines, 3);
    EXPECT_EQ(shares[0].steps, 21);
    EXPECT_EQ(shares[0].runs, 2);
    EXPECT_EQ(shares[1].unit, "patient");
    EXPECT_EQ(shares[1].steps, 6);
    EXPECT_EQ(shares[2].neighbours, Neighbours::AddRemove);
    EXPECT_EQ(shares[2].steps, 8);
}

// epsilon of a Renyi divergence, written down a second time.
double converted(double r, double alpha, double delta)
{
    return r + std::log((alpha - 1.0) / alpha) - std::log(delta * alpha) / (alpha - 1.0);
}

TEST(Filter, AllowsExactlyAsManyGaussianStepsAsTheClosedFormGives)
{
    for (const double alpha : {2.0, 3.5, 16.0, 200.0})
        for (const double sigma : {3.0, 10.0}) {
            const double epsilon = converted(1.0, alpha, kDelta.value()); // leaves r = 1 about
            const auto filter = RdpFilter::create(ceiling(epsilon, alpha));
            ASSERT_TRUE(filter);
            std::int64_t most = 0;
            while (converted((static_cast<double>(most) + 1.0) * alpha / (2.0 * sigma * sigma),
                             alpha, kDelta.value())
                   <= epsilon - 1e-9)
                ++most;
            EXPECT_EQ(filter->room(entry(1.0, sigma)).value(), most) << alpha << " " << sigma;
        }
}

TEST(Filter, NeverLetsTheSumOfMixedEventsPassItsBudget)
{
    const Ceiling limit = ceiling(4.0, 8.0);
    auto filter = RdpFilter::create(limit);
    std::vector<Segment> taken;
    for (int i = 0; taken.size() < 2000; ++i) {
        const double rate = 0.02 + 0.03 * (i % 3), noise = 0.9 + 0.3 * (i % 4);
        LedgerEntry next = entry(rate, noise);
        const std::int64_t room = filter->room(next).value();
        const std::int64_t steps = std::min<std::int64_t>(room, 1 + i % 32);
        next = entry(rate, noise, steps);
        if (steps == 0) {
            EXPECT_GT(filter->spent() + rdp_of(event_of(rate, noise), Steps::literal(1), 8.0),
                      filter->budget());
            break;
        }
        ASSERT_TRUE(filter->add(next));
        ASSERT_LE(filter->spent(), filter->budget());
        ASSERT_LE(filter->spent_epsilon(), limit.epsilon);
        taken.push_back(segment(rate, noise, steps));
    }
    ASSERT_GT(taken.size(), 5U);
    ASSERT_LT(taken.size(), 2000U);
    double r = 0.0;
    for (const Segment& s : taken)
        r += rdp_of(s.event, s.steps, 8.0);
    EXPECT_LE(converted(r, 8.0, kDelta.value()), 4.0);
    EXPECT_GT(converted(r, 8.0, kDelta.value()), 3.5); // and it is used up
    // The accountants may choose their order afterwards: they are never worse than the ceiling.
    EXPECT_LE(rdp_epsilon(taken, kDelta).epsilon.value(), 4.0);
    EXPECT_LE(pld_epsilon(taken, kDelta)->value(), 4.0);
}

TEST(Filter, HasNoRoomForEventsThatAreNotPrivateAndMuchForThoseThatHardlyCost)
{
    const auto filter = RdpFilter::create(ceiling(4.0, 8.0));
    EXPECT_EQ(filter->room(entry(1.0, 1e-200)).value(), 0);
    EXPECT_EQ(filter->room(entry(0.5, 0.01)).value(), 0);
    EXPECT_GT(filter->room(entry(1e-9, 1e100)).value(), 1'000'000'000);
    EXPECT_EQ(filter->spent_epsilon().value(), 0.0);
}

TEST(Filter, HoldsNothingMoreOnceMoreThanItsBudgetIsThere)
{
    auto filter = RdpFilter::create(ceiling(1.0, 32.0));
    ASSERT_TRUE(filter->add(entry(1.0, 0.5, 32))); // reserved before there was a ceiling
    EXPECT_GT(filter->spent(), filter->budget());
    EXPECT_GT(filter->spent_epsilon().value(), 1.0);
    EXPECT_EQ(filter->room(entry(1e-6, 1e6)).value(), 0);
}

TEST(Filter, RefusesCeilingsThatBoundNothing)
{
    for (const double order : {1.0, 0.0, -3.0, 1025.0, kNaN, kInfinity})
        EXPECT_EQ(RdpFilter::create(ceiling(4.0, order)).error().code, ErrorCode::InvalidArgument)
            << order;
    for (const double epsilon : {0.0, kInfinity})
        EXPECT_FALSE(RdpFilter::create(ceiling(epsilon, 8.0))) << epsilon;
    const auto small = RdpFilter::create(ceiling(1.0, 2.0));
    ASSERT_FALSE(small);
    EXPECT_EQ(small.error().hint, "use an order of at least 10.0");
    EXPECT_TRUE(RdpFilter::create(ceiling(1.0, 10.0)));
    EXPECT_FALSE(RdpFilter::create(ceiling(1.0, 9.0)));
    EXPECT_FALSE(RdpFilter::create(ceiling(4.0, 8.0, {.unit = ""})));
}

TEST(Filter, CountsGroupsAsTheTotalDoes)
{
    const Claim patients{.unit = "patient", .images_per_unit = 3};
    auto filter = RdpFilter::create(ceiling(20.0, 4.0, patients));
    ASSERT_TRUE(filter->add(entry(0.01, 6.0, 10)));
    ASSERT_TRUE(filter->add(entry(0.01, 6.0, 10, "b", "patient")));
    EXPECT_NEAR(filter->spent(),
                10.0 * renyi_of(Charge{event_of(0.01, 6.0), 3}, 4.0).divergence
                    + rdp_of(event_of(0.01, 6.0), Steps::literal(10), 4.0),
                1e-11);
    EXPECT_FALSE(filter->room(entry(0.01, 6.0, 1, "c", "lesion")));
}

TEST(BestOrder, LeavesRoomForTheMostSteps)
{
    for (const double epsilon : {0.5, 3.0, 30.0}) {
        const auto event = event_of(0.02, 3.0);
        const auto best = best_order({event}, Epsilon::create(epsilon).value(), kDelta);
        ASSERT_TRUE(best) << best.error().message;
        const auto room = [&](double order) {
            const auto filter = RdpFilter::create(ceiling(epsilon, order));
            return filter ? filter->room(entry(0.02, 3.0)).value() : 0;
        };
        for (const double order : {1.5, 2.0, 4.0, 8.0, 16.0, 33.0, 64.0, 256.0})
            EXPECT_GE(room(*best) + 1, room(order)) << epsilon << " " << order;
    }
    EXPECT_EQ(best_order({event_of(1.0, 0.01)}, Epsilon::literal(1.0), kDelta).error().code,
              ErrorCode::Refused);
}

} // namespace
} // namespace velamen::privacy
