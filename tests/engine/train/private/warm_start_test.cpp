// SPDX-License-Identifier: GPL-3.0-or-later
//
// Runs with a warm start: what is charged, what is public, and what a crash or a resume makes of
// it.

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "engine/privacy/accountant.h"
#include "engine/privacy/totals.h"
#include "engine/train/private/private_session.h"
#include "tests/support/leaks.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;
using test::Recorder;

constexpr int kUnits = 120;

class WarmStart : public ::testing::Test {
protected:
    void SetUp() override
    {
        test::write_private_folder(source(), kUnits);
        const auto made = test::write_tiny_checkpoint(checkpoint());
        ASSERT_TRUE(made) << made.error().message;
    }

    fs::path checkpoint() const { return dir_.path() / "base"; }
    fs::path source() const { return dir_.path() / "private"; }
    fs::path run() const { return dir_.path() / "run"; }
    fs::path ledgers() const { return dir_.path() / "ledgers"; }

    Result<> train(const TrainingPlan& p, const fs::path& folder, Recorder& recorder,
                   std::stop_token stop = {})
    {
        VELAMEN_ASSIGN(const auto session, start_private_run(p, folder, ledgers()));
        Mailbox mailbox;
        return session->run(std::move(stop), mailbox, recorder);
    }
    Result<> resume(const fs::path& folder, Recorder& recorder)
    {
        VELAMEN_ASSIGN(const auto session, resume_private_run(folder, ledgers()));
        Mailbox mailbox;
        return session->run({}, mailbox, recorder);
    }

    std::vector<privacy::LedgerEntry> ledger() const
    {
        const auto folders = privacy::LedgerStore::open(ledgers())->list();
        if (folders.size() != 1) return {};
        return *privacy::parse_ledger(*core::read_file(folders.front() / "ledger.jsonl"));
    }

    test::TempDir dir_;
};

TEST_F(WarmStart, AWarmStartIsOneChargedReleaseBeforeTheFirstStep)
{
    PlanRequest request{.checkpoint = checkpoint(),
                        .source = source(),
                        .classes = {"a", "b"},
                        .epsilon = 4.0,
                        .public_units = kUnits,
                        .expected_batch = 40,
                        .steps = 3};
    const auto cold = make_plan(request);
    request.warm_start = true;
    auto plan = make_plan(request);
    ASSERT_TRUE(cold && plan);
    plan->optimiser.warm_start_steps = 10;
    EXPECT_GT(plan->privacy.noise_effective, cold->privacy.noise_effective);
    EXPECT_EQ(TrainingPlan::from_json(plan->to_json())->privacy.noise_warm_start,
              plan->privacy.noise_warm_start);
    Recorder recorder;
    const auto done = train(*plan, run(), recorder);
    ASSERT_TRUE(done) << done.error().message;
    const auto entries = ledger();
    ASSERT_EQ(entries.size(), 4U);
    EXPECT_EQ(privacy::type_of(entries[0].event), "gaussian");
    const auto total = privacy::total_of(entries, {}, *privacy::Delta::create(plan->privacy.delta));
    ASSERT_TRUE(total);
    EXPECT_EQ(total->releases, 1);
    EXPECT_LE(total->epsilon.value(), 4.0);
    EXPECT_GT(total->epsilon.value(), 3.95);
    EXPECT_NEAR(recorder.points.back().epsilon, total->epsilon.value(), 1e-9);
    EXPECT_DOUBLE_EQ(read_run(run())->epsilon, recorder.points.back().epsilon);
    ASSERT_EQ(recorder.points.size(), 3U);

    // A run that stops and goes on releases it once.
    test::StoppingRecorder stopping;
    ASSERT_FALSE(train(*plan, dir_.path() / "second", stopping, stopping.source.get_token()));
    ASSERT_TRUE(resume(dir_.path() / "second", recorder));
    EXPECT_EQ(ledger().size(), 8U);
}

/// Both releases of a warm start, quick to learn from.
TrainingPlan warm_plan(const fs::path& root, double epsilon = 4.0)
{
    const auto plan = make_plan({.checkpoint = root / "base",
                                 .source = root / "private",
                                 .classes = {"a", "b"},
                                 .epsilon = epsilon,
                                 .public_units = kUnits,
                                 .expected_batch = 40,
                                 .steps = 3,
                                 .warm_start = true,
                                 .class_votes = true});
    EXPECT_TRUE(plan);
    TrainingPlan made = *plan;
    made.optimiser.warm_start_steps = 10;
    return made;
}

/// Purposes of the releases of a ledger, then "step" for each line of training.
std::vector<std::string> lines_of(const std::vector<privacy::LedgerEntry>& entries)
{
    std::vector<std::string> lines;
    for (const auto& entry : entries) {
        const auto* release = std::get_if<privacy::NoisyRelease>(&entry.event);
        lines.push_back(release != nullptr ? release->purpose : "step");
    }
    return lines;
}

/// Keeps the mappings too.
class MappingRecorder final : public Recorder {
public:
    void on_class_mapping(const ClassMapping& mapping) override { mappings.push_back(mapping); }
    std::vector<ClassMapping> mappings;
};

TEST_F(WarmStart, VotesAndMomentsAreTwoChargedReleasesAndTheMappingIsPublic)
{
    const TrainingPlan plan = warm_plan(dir_.path());
    MappingRecorder recorder;
    const auto done = train(plan, run(), recorder);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_THAT(lines_of(ledger()),
                ::testing::ElementsAre("class_votes", "class_moments", "step", "step", "step"));
    const auto total = privacy::total_of(ledger(), {}, *privacy::Delta::create(plan.privacy.delta));
    ASSERT_TRUE(total);
    EXPECT_EQ(total->releases, 2);
    EXPECT_LE(total->epsilon.value(), 4.0);
    EXPECT_GT(total->epsilon.value(), 3.95);
    EXPECT_NEAR(recorder.points.back().epsilon, total->epsilon.value(), 1e-9);

    ASSERT_EQ(recorder.mappings.size(), 1U);
    const ClassMapping& mapping = recorder.mappings.front();
    ASSERT_EQ(mapping.rows.size(), 2U);
    EXPECT_EQ(mapping.rows[0].name, "a");
    EXPECT_EQ(mapping.rows[1].name, "b");
    const std::string events = *core::read_file(run() / "events.jsonl");
    EXPECT_THAT(events, ::testing::HasSubstr(R"({"event":"class_votes","rows":[{"class":"a")"));
    const auto is_note = [](const Progress& progress) {
        return progress.note.starts_with("classes begin as: a from ");
    };
    EXPECT_EQ(std::ranges::count_if(recorder.progresses, is_note), 1);
    EXPECT_THAT(test::leaks_in(run(), {.texts = {test::kCanary}, .numbers = {}}),
                testing::IsEmpty());
}

// Steps so short that floats just show them: the saved rows are those that the vote gave.
TEST_F(WarmStart, ClassesBeginAtTheMeanOfThePublicRowsThatTheyWereVotedFor)
{
    TrainingPlan plan = warm_plan(dir_.path(), 1000.0); // little noise: some class stands out
    plan.privacy.noise_warm_start = 0.0;
    plan.optimiser.learning_rate = 1e-6;
    MappingRecorder recorder;
    const auto done = train(plan, run(), recorder);
    ASSERT_TRUE(done) << done.error().message;
    const auto base = io::SafetensorsFile::open(checkpoint() / "class_embedder/model.safetensors");
    const auto tuned =
        io::SafetensorsFile::open(read_run(run())->checkpoint / "class_embedder/model.safetensors");
    ASSERT_TRUE(base && tuned);
    const auto values = [](const io::SafetensorsFile& file) {
        const auto bytes = file.tensors().front().bytes;
        std::vector<float> out(bytes.size() / sizeof(float));
        std::memcpy(out.data(), bytes.data(), bytes.size());
        return out;
    };
    const auto before = values(*base), after = values(*tuned); // [4, 6] and [3, 6]
    ASSERT_EQ(before.size(), 24U);
    ASSERT_EQ(after.size(), 18U);
    ASSERT_EQ(recorder.mappings.size(), 1U);
    for (std::size_t row = 0; row < 2; ++row) {
        const auto& parts = recorder.mappings[0].rows[row].parts;
        ASSERT_FALSE(parts.empty());
        for (std::size_t i = 0; i < 6; ++i) {
            double mean = 0.0;
            for (const auto& part : parts)
                mean += part.share * before[static_cast<std::size_t>(part.from[0] - 'x') * 6 + i];
            EXPECT_NEAR(after[row * 6 + i], mean, 1e-4);
        }
    }
    for (std::size_t i = 0; i < 6; ++i)
        EXPECT_NEAR(after[12 + i], before[18 + i], 1e-4); // the null row
}

TEST_F(WarmStart, AResumedRunReleasesItsWarmStartNoSecondTime)
{
    const TrainingPlan plan = warm_plan(dir_.path());
    test::StoppingRecorder stopping;
    ASSERT_FALSE(train(plan, run(), stopping, stopping.source.get_token()));
    const std::string released = *core::read_file(run() / "warm_start.json");
    MappingRecorder recorder;
    ASSERT_TRUE(resume(run(), recorder));
    EXPECT_THAT(lines_of(ledger()),
                ::testing::ElementsAre("class_votes", "class_moments", "step", "step", "step"));
    EXPECT_EQ(recorder.mappings.size(), 1U); // shown again, from the file
    EXPECT_EQ(*core::read_file(run() / "warm_start.json"), released);
}

/// Kills its own process in the middle of a warm start: when the votes are out, or when the moments
/// are.
class WarmKiller final : public Recorder {
public:
    explicit WarmKiller(bool is_at_votes) : is_at_votes_(is_at_votes) {}
    void on_class_mapping(const ClassMapping&) override
    {
        if (is_at_votes_) kill(getpid(), SIGKILL);
        has_votes_ = true;
    }
    void on_progress(const Progress& progress) override
    {
        if (has_votes_ && progress.phase == Phase::WarmStart && progress.done == 5)
            kill(getpid(), SIGKILL);
    }

private:
    bool is_at_votes_, has_votes_ = false;
};

// Not a test by itself: the part of the next one that dies.
TEST(WarmStartChild, DISABLED_WarmsUpUntilItIsKilled)
{
    const char* folder = std::getenv("VELAMEN_TEST_FOLDER");
    const char* moment = std::getenv("VELAMEN_TEST_MOMENT");
    ASSERT_TRUE(folder != nullptr && moment != nullptr);
    const fs::path root = folder;
    const auto session = start_private_run(warm_plan(root), root / "run", root / "ledgers");
    ASSERT_TRUE(session) << session.error().message;
    Mailbox mailbox;
    WarmKiller killer(std::string(moment) == "votes");
    EXPECT_TRUE((*session)->run({}, mailbox, killer));
    FAIL() << "it lived";
}

TEST_F(WarmStart, KilledInItsWarmStartItGoesOnWithWhatItHasPaidFor)
{
    for (const std::string moment : {"votes", "moments"}) {
        fs::remove_all(run());
        fs::remove_all(ledgers());
        const pid_t child = fork();
        if (child == 0) {
            setenv("VELAMEN_TEST_FOLDER", dir_.path().c_str(), 1);
            setenv("VELAMEN_TEST_MOMENT", moment.c_str(), 1);
            execl("/proc/self/exe", "test", "--gtest_filter=WarmStartChild.*",
                  "--gtest_also_run_disabled_tests", static_cast<char*>(nullptr));
            _exit(1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << moment;
        EXPECT_EQ(ledger().size(), moment == "votes" ? 1U : 2U);
        const auto released = io::Json::parse(*core::read_file(run() / "warm_start.json"));
        ASSERT_TRUE(released);

        MappingRecorder recorder;
        const auto resumed = resume(run(), recorder);
        ASSERT_TRUE(resumed) << resumed.error().message;
        EXPECT_THAT(lines_of(ledger()),
                    ::testing::ElementsAre("class_votes", "class_moments", "step", "step", "step"));
        const auto used = io::Json::parse(*core::read_file(run() / "warm_start.json"));
        EXPECT_EQ(*used->find("votes"), *released->find("votes"));
        if (moment == "moments") {
            EXPECT_EQ(*used->find("moments"), *released->find("moments"));
        }
        EXPECT_EQ(recorder.mappings.size(), 1U);
        const auto is_learning = [](const Progress& progress) {
            return progress.phase == Phase::WarmStart && progress.total == 10;
        };
        EXPECT_TRUE(std::ranges::any_of(recorder.progresses, is_learning));
        EXPECT_LE(read_run(run())->epsilon, 4.0);
    }
}

// The file is gone, so what was paid is lost: it is said, and nothing is charged again.
TEST_F(WarmStart, AReleaseThatWasChargedButLostIsNotMadeAgain)
{
    const TrainingPlan plan = warm_plan(dir_.path());
    {
        test::StoppingRecorder stopping;
        ASSERT_FALSE(train(plan, run(), stopping, stopping.source.get_token()));
    }
    auto record = *io::Json::parse(*core::read_file(run() / "run.json"));
    record["state_file"] = ""; // as if killed before the first save
    ASSERT_TRUE(core::write_file(run() / "run.json", record.dump()));
    fs::remove(run() / "warm_start.json");
    MappingRecorder recorder;
    const auto resumed = resume(run(), recorder);
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_TRUE(recorder.mappings.empty());
    EXPECT_EQ(ledger().size(), 5U);
    const auto is_said = [](const Progress& p) { return p.note.find("lost") != p.note.npos; };
    EXPECT_EQ(std::ranges::count_if(recorder.progresses, is_said), 2);
}

TEST_F(WarmStart, ACeilingWithRoomForTheStepsButNotTheirWarmStartRefusesBeforeAnythingIsCharged)
{
    const TrainingPlan warm = warm_plan(dir_.path());
    TrainingPlan cold = warm;
    cold.privacy.noise_warm_start = cold.privacy.noise_votes = 0.0;
    Recorder recorder;
    ASSERT_TRUE(train(cold, dir_.path() / "cold", recorder)); // the same steps, without
    {
        auto open = privacy::Ledger::open(privacy::LedgerStore::open(ledgers())->list().front());
        ASSERT_TRUE(open);
        privacy::Ceiling ceiling{.claim = {},
                                 .epsilon = *privacy::Epsilon::create(1e3),
                                 .delta = *privacy::Delta::create(1e-4),
                                 .order = 4.0};
        auto filter = privacy::RdpFilter::create(ceiling);
        ASSERT_TRUE(filter);
        for (const auto& entry : open->entries()) {
            ASSERT_TRUE(filter->add(entry));
            ASSERT_TRUE(filter->add(entry)); // twice the three steps
        }
        ceiling.epsilon = *privacy::Epsilon::create(filter->spent_epsilon().value() * 1.0001);
        ASSERT_TRUE(open->declare(ceiling));
    }
    const auto refused = train(warm, run(), recorder);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Refused);
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr("beside its warm start"));
    EXPECT_EQ(ledger().size(), 3U);
    EXPECT_TRUE(train(cold, dir_.path() / "again", recorder)); // without it there is room
}

TEST_F(WarmStart, AForecastSaysWhatTheWarmStartCostsAndWhatTheStepsWouldHave)
{
    const TrainingPlan plan = warm_plan(dir_.path());
    const auto warm = forecast(plan);
    ASSERT_TRUE(warm) << warm.error().message;
    // Oracle: two Gaussian releases are one of their joint noise.
    const auto joint =
        privacy::joint_noise(*privacy::NoiseMultiplier::create(plan.privacy.noise_votes),
                             *privacy::NoiseMultiplier::create(plan.privacy.noise_warm_start));
    const privacy::Segment one{{privacy::SamplingRate::literal(1.0), joint},
                               privacy::Steps::literal(1)};
    const auto delta = *privacy::Delta::create(plan.privacy.delta);
    EXPECT_NEAR(warm->epsilon_warm_start, privacy::pld_epsilon({&one, 1}, delta)->value(), 1e-3);
    TrainingPlan cold = plan;
    cold.privacy.noise_warm_start = cold.privacy.noise_votes = 0.0;
    cold.privacy.noise_effective = warm->noise_without_warm_start;
    cold.privacy.noise_loss = 0.0;
    cold.privacy.noise_gradient = cold.privacy.noise_effective;
    const auto alone = forecast(cold);
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_LE(alone->epsilon, 4.0);
    EXPECT_GT(alone->epsilon, 3.99);
    EXPECT_EQ(alone->epsilon_warm_start, 0.0);
    EXPECT_EQ(alone->noise_without_warm_start, cold.privacy.noise_effective);
    EXPECT_LT(warm->noise_without_warm_start, plan.privacy.noise_effective);
}

} // namespace
} // namespace velamen::train
