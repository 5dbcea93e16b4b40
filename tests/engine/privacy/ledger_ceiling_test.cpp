// SPDX-License-Identifier: GPL-3.0-or-later
//
// The ceiling of a dataset: kept beside the ledger, declared once, enforced before a line is
// written. The oracle of what fits is the closed form of Gaussian steps without sampling.

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/privacy/ledger.h"
#include "engine/privacy/ledger_files.h"
#include "tests/support/temp_dir.h"

namespace velamen::privacy {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr double kAlpha = 8.0;
constexpr double kSigma = 4.0;
constexpr std::int64_t kFits = 20; ///< steps of kSigma at order kAlpha: 20 * 8 / (2 * 16) = 5

TrainingSteps event_of(std::int64_t steps, double noise = kSigma)
{
    TrainingSteps event;
    event.rate = 1.0;
    event.noise_gradient = event.noise_effective = noise;
    event.steps = steps;
    return event;
}

Result<ReservedSteps> reserve(Ledger& ledger, std::int64_t steps, const std::string& unit = "image",
                              Neighbours relation = Neighbours::ZeroOut)
{
    return ledger.reserve("r1", 1, unit, relation, event_of(steps));
}

/// Room for kFits steps and a half.
Ceiling twenty_steps(const Claim& claim = {})
{
    const double r = (kFits + 0.5) * kAlpha / (2.0 * kSigma * kSigma);
    const double epsilon =
        r + std::log((kAlpha - 1.0) / kAlpha) - std::log(1e-5 * kAlpha) / (kAlpha - 1.0);
    return {.claim = claim,
            .epsilon = Epsilon::create(epsilon).value(),
            .delta = Delta::literal(1e-5),
            .order = kAlpha};
}

// A release of kSigma counts as a step of kSigma, without sampling.
TEST(Ceiling, TellsTheRoomThatIsLeftBesideOtherReleases)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(ledger->declare(twenty_steps()));
    const NoisyRelease release{
        "class_votes",
        SubsampledGaussian{SamplingRate::literal(1.0), NoiseMultiplier::literal(kSigma)}, 1};
    const auto beside = [&](std::size_t releases) {
        return ledger
            ->room("image", Neighbours::ZeroOut, event_of(1),
                   std::vector<NoisyRelease>(releases, release))
            .value();
    };
    EXPECT_EQ(beside(0), kFits);
    EXPECT_EQ(beside(3), kFits - 3);
    EXPECT_EQ(beside(100), 0);
    EXPECT_EQ(beside(0), kFits); // asking takes nothing
    EXPECT_TRUE(reserve(*ledger, kFits));
}

TEST(Ceiling, RefusesAReservationThatWouldPassItWithWhatIsLeft)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(ledger->declare(twenty_steps()));
    ASSERT_TRUE(reserve(*ledger, 15));
    EXPECT_EQ(ledger->room("image", Neighbours::ZeroOut, event_of(1)).value(), 5);
    const std::string before = ledger->text();
    const auto refused = reserve(*ledger, 6);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    EXPECT_THAT(refused.error().message,
                HasSubstr("leaves room for 5 more steps of this kind, not for 6"));
    EXPECT_EQ(core::read_file(dir.path() / "ledger.jsonl"), before);
    ASSERT_TRUE(reserve(*ledger, 5));
    EXPECT_THAT(reserve(*ledger, 1).error().message, HasSubstr("room for 0 more"));
}

TEST(Ceiling, HoldsAfterReopening)
{
    const test::TempDir dir;
    {
        auto ledger = Ledger::open(dir.path());
        ASSERT_TRUE(ledger->declare(twenty_steps()));
        ASSERT_TRUE(reserve(*ledger, 18));
    }
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(ledger) << ledger.error().message;
    ASSERT_TRUE(ledger->ceiling());
    EXPECT_EQ(ledger->ceiling()->epsilon, twenty_steps().epsilon);
    EXPECT_FALSE(reserve(*ledger, 3));
    EXPECT_TRUE(reserve(*ledger, 2));
}

TEST(Ceiling, IsDeclaredOnce)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    EXPECT_FALSE(ledger->ceiling());
    EXPECT_EQ(ledger->room("image", Neighbours::ZeroOut, event_of(1)).value(), INT64_MAX);
    ASSERT_TRUE(ledger->declare(twenty_steps()));
    EXPECT_TRUE(ledger->declare(twenty_steps())); // the same again changes nothing
    ledger = fail(ErrorCode::Internal, "closed");
    ledger = Ledger::open(dir.path());
    for (const double factor : {2.0, 0.9}) {
        Ceiling other = twenty_steps();
        other.epsilon = Epsilon::create(other.epsilon.value() * factor).value();
        EXPECT_EQ(ledger->declare(other).error().code, ErrorCode::Refused);
    }
    Ceiling other_order = twenty_steps();
    other_order.order = 9.0;
    EXPECT_FALSE(ledger->declare(other_order));
    EXPECT_FALSE(ledger->declare(twenty_steps({.unit = "patient"})));
    EXPECT_EQ(ledger->ceiling()->epsilon, twenty_steps().epsilon);
}

TEST(Ceiling, CountsWhatWasReservedBeforeIt)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(reserve(*ledger, 12));
    ASSERT_TRUE(ledger->declare(twenty_steps()));
    EXPECT_EQ(ledger->ceiling()->declared_after.seq, 0);
    EXPECT_EQ(ledger->room("image", Neighbours::ZeroOut, event_of(1)).value(), 8);

    const test::TempDir spent;
    auto late = Ledger::open(spent.path());
    ASSERT_TRUE(reserve(*late, 21));
    const auto refused = late->declare(twenty_steps());
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    EXPECT_THAT(refused.error().message, HasSubstr("already reserved"));
    EXPECT_FALSE(fs::exists(spent.path() / "ceiling.json"));
    EXPECT_TRUE(reserve(*late, 1)) << "a refused ceiling binds nobody";
}

TEST(Ceiling, MixesNoUnitsOrRelationsSilently)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(ledger->declare(twenty_steps({.neighbours = Neighbours::AddRemove})));
    EXPECT_THAT(reserve(*ledger, 1).error().message, HasSubstr("zero_out event has no place"));
    EXPECT_THAT(reserve(*ledger, 1, "patient", Neighbours::AddRemove).error().message,
                HasSubstr("patient event has no place"));
    EXPECT_TRUE(reserve(*ledger, 1, "image", Neighbours::AddRemove));

    const test::TempDir patients;
    auto per_patient = Ledger::open(patients.path());
    ASSERT_TRUE(per_patient->declare(twenty_steps({.unit = "patient"})));
    EXPECT_THAT(reserve(*per_patient, 1).error().message, HasSubstr("only by group privacy"));
    EXPECT_TRUE(reserve(*per_patient, 20, "patient"));

    const test::TempDir groups;
    auto grouped = Ledger::open(groups.path());
    ASSERT_TRUE(grouped->declare(twenty_steps({.unit = "patient", .images_per_unit = 2})));
    // Two images of one patient: half the noise, four times the divergence.
    EXPECT_EQ(grouped->room("image", Neighbours::ZeroOut, event_of(1)).value(), kFits / 4);
    EXPECT_EQ(grouped->room("patient", Neighbours::ZeroOut, event_of(1)).value(), kFits);
}

TEST(Ceiling, RefusesALedgerThatNoLongerHoldsTheLineItWasDeclaredAfter)
{
    const test::TempDir dir;
    std::string first;
    {
        auto ledger = Ledger::open(dir.path());
        ASSERT_TRUE(reserve(*ledger, 1));
        first = ledger->text();
        ASSERT_TRUE(reserve(*ledger, 2));
        ASSERT_TRUE(ledger->declare(twenty_steps()));
    }
    ASSERT_TRUE(core::write_file(dir.path() / "ledger.jsonl", first));
    const auto rolled_back = Ledger::open(dir.path());
    EXPECT_EQ(rolled_back.error().code, ErrorCode::Refused);
    EXPECT_THAT(rolled_back.error().message, HasSubstr("line 2 is missing"));
}

TEST(Ceiling, HasExactlyTheDocumentedFile)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    Ceiling ceiling{
        .claim = {.unit = "patient", .neighbours = Neighbours::AddRemove, .images_per_unit = 12},
        .epsilon = Epsilon::literal(8.0),
        .delta = Delta::literal(1e-6),
        .order = 6.5};
    ASSERT_TRUE(ledger->declare(ceiling));
    EXPECT_EQ(core::read_file(dir.path() / "ceiling.json").value(),
              R"({"v":1,"unit":"patient","neighbours":"add_remove","images_per_unit":12,)"
              R"("epsilon":8.0,"delta":1e-06,"order":6.5,"seq":-1,"head":")"
                  + std::string(64, '0') + "\"}\n");
    EXPECT_EQ(fs::status(dir.path() / "ceiling.json").permissions() & fs::perms::all,
              fs::perms::owner_read | fs::perms::owner_write);
    const auto read = read_ceiling(dir.path());
    ASSERT_TRUE(read && *read);
    EXPECT_EQ((*read)->claim, ceiling.claim);
    EXPECT_EQ((*read)->order, 6.5);
    EXPECT_FALSE(read_ceiling(dir.path() / "nothing here").value());
}

TEST(Ceiling, IsNeverPassedOverWhenItCannotBeRead)
{
    const test::TempDir dir;
    {
        auto ledger = Ledger::open(dir.path());
        ASSERT_TRUE(ledger->declare(twenty_steps()));
    }
    const std::string good = core::read_file(dir.path() / "ceiling.json").value();
    const auto with = [&](const std::string& text) {
        EXPECT_TRUE(core::write_file(dir.path() / "ceiling.json", text));
        const auto ledger = Ledger::open(dir.path());
        return ledger ? std::string("opened") : std::string(name_of(ledger.error().code));
    };
    const auto edited = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        text.replace(text.find(from), from.size(), to);
        return with(text);
    };
    EXPECT_EQ(with(good), "opened");
    EXPECT_EQ(with(""), "corrupt");
    EXPECT_EQ(with(good.substr(0, good.size() / 2)), "corrupt");
    EXPECT_EQ(edited("\"v\":1", "\"v\":2"), "unsupported");
    EXPECT_EQ(edited("\"v\":1", "\"v\":0"), "corrupt");
    EXPECT_EQ(edited("\"order\":8.0", "\"order\":1.0"), "corrupt");
    EXPECT_EQ(edited("\"epsilon\":", "\"epsilon\":-"), "corrupt");
    EXPECT_EQ(edited("zero_out", "replace"), "corrupt");
    EXPECT_EQ(edited("\"images_per_unit\":null", "\"images_per_unit\":0"), "corrupt");
    EXPECT_EQ(edited("\"seq\":-1", "\"seq\":-2"), "corrupt");
    EXPECT_EQ(edited("\"seq\":-1", "\"seq\":3"), "corrupt"); // a position without a hash
    EXPECT_EQ(edited("\"unit\"", "\"of\""), "corrupt");
    fs::remove(dir.path() / "ceiling.json");
    fs::create_directory(dir.path() / "ceiling.json");
    EXPECT_FALSE(Ledger::open(dir.path()));
}

} // namespace
} // namespace velamen::privacy
