// SPDX-License-Identifier: GPL-3.0-or-later

#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "engine/privacy/accountant.h"
#include "engine/privacy/ledger.h"
#include "engine/privacy/totals.h"
#include "engine/train/private/private_session.h"
#include "tests/support/leaks.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"
#include "tests/support/watched_allocator.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;
using test::Recorder;
using test::TempDir;

constexpr int kUnits = 120;

class PrivateRun : public ::testing::Test {
protected:
    void SetUp() override
    {
        test::write_private_folder(dir_.path() / "private", kUnits);
        const auto made = test::write_tiny_checkpoint(checkpoint());
        ASSERT_TRUE(made) << made.error().message;
    }

    fs::path checkpoint() const { return dir_.path() / "base"; }
    fs::path source() const { return dir_.path() / "private"; }
    fs::path run() const { return dir_.path() / "run"; }
    fs::path ledgers() const { return dir_.path() / "ledgers"; }
    TrainingPlan plan() const { return test::tiny_plan(checkpoint(), source(), kUnits); }

    Result<> train(const TrainingPlan& p, const fs::path& folder, Recorder& recorder,
                   std::stop_token stop = {})
    {
        VELAMEN_ASSIGN(const auto session, start_private_run(p, folder, ledgers()));
        Mailbox mailbox;
        return session->run(std::move(stop), mailbox, recorder);
    }

    std::vector<privacy::LedgerEntry> ledger() const
    {
        const auto store = privacy::LedgerStore::open(ledgers());
        const auto folders = store->list();
        if (folders.size() != 1) return {};
        return *privacy::parse_ledger(*core::read_file(folders.front() / "ledger.jsonl"));
    }
    static std::int64_t spent(const std::vector<privacy::LedgerEntry>& entries)
    {
        std::int64_t steps = 0;
        for (const auto& entry : entries)
            steps += privacy::times_of(entry.event);
        return steps;
    }

    TempDir dir_;
};

TEST_F(PrivateRun, TakesEveryPlannedStepAndStaysWithinEpsilon)
{
    Recorder recorder;
    const auto outcome = train(plan(), run(), recorder);
    ASSERT_TRUE(outcome) << outcome.error().message;
    const auto record = read_run(run());
    ASSERT_TRUE(record);
    EXPECT_EQ(record->state, "done");
    EXPECT_EQ(record->step, 6);
    EXPECT_GT(record->epsilon, 0.0);
    EXPECT_LE(record->epsilon, 8.0);
    EXPECT_GE(record->epsilon_rdp, record->epsilon);
    EXPECT_EQ(recorder.points.size(), 6U);
    EXPECT_EQ(spent(ledger()), 6);
    ASSERT_FALSE(recorder.rows.empty());
    EXPECT_EQ(recorder.rows.back().images.size(), recorder.rows.back().labels.size());
    for (std::size_t i = 1; i < recorder.points.size(); ++i)
        EXPECT_GT(recorder.points[i].epsilon, recorder.points[i - 1].epsilon);
}

TEST_F(PrivateRun, TrainsWithClippingPerBlock)
{
    Recorder recorder;
    TrainingPlan p = plan();
    p.optimiser.clipping = "per_block";
    const auto outcome = train(p, run(), recorder);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(recorder.points.size(), 6U);
}

TEST_F(PrivateRun, TrainsWithAutomaticClipping)
{
    Recorder recorder;
    TrainingPlan p = plan();
    p.optimiser.clipping = "automatic";
    p.optimiser.clipping_norm = 1.0;
    const auto outcome = train(p, run(), recorder);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(recorder.points.size(), 6U);
}

TEST_F(PrivateRun, ChangesOnlyTransformerBlocksAndTheClassTable)
{
    Recorder recorder;
    ASSERT_TRUE(train(plan(), run(), recorder));
    const fs::path tuned = read_run(run())->checkpoint;
    for (const char* part :
         {"unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"}) {
        const auto before = io::SafetensorsFile::open(checkpoint() / part);
        const auto after = io::SafetensorsFile::open(tuned / part);
        ASSERT_TRUE(before && after);
        ASSERT_EQ(before->tensors().size(), after->tensors().size());
        int changed = 0;
        for (const auto& tensor : before->tensors()) {
            const auto* other = after->find(tensor.name);
            ASSERT_NE(other, nullptr) << tensor.name;
            EXPECT_EQ(other->shape, tensor.shape) << tensor.name;
            EXPECT_EQ(other->dtype, tensor.dtype) << tensor.name;
            const bool is_equal =
                std::equal(tensor.bytes.begin(), tensor.bytes.end(), other->bytes.begin());
            const bool may_change = tensor.name.find("attentions") != std::string::npos
                && std::string(part).starts_with("unet");
            EXPECT_TRUE(may_change || is_equal) << tensor.name;
            changed += is_equal ? 0 : 1;
        }
        EXPECT_EQ(changed > 0, std::string(part).starts_with("unet"));
    }
}

// A name from the private folder must not reach anything that is kept.
TEST_F(PrivateRun, LeavesNoPrivateNameAnywhere)
{
    Recorder recorder;
    TrainingPlan p = plan();
    ASSERT_TRUE(train(p, run(), recorder));
    std::set<std::string> keys;
    for (const fs::path& root : {run(), ledgers()})
        EXPECT_THAT(test::leaks_in(root, {.texts = {test::kCanary}, .numbers = {}}),
                    testing::IsEmpty());
    std::ifstream events(run() / "events.jsonl");
    for (std::string line; std::getline(events, line);) {
        const auto json = io::Json::parse(line);
        ASSERT_TRUE(json);
        for (const auto& [key, value] : *json->if_object())
            keys.insert(key);
    }
    EXPECT_EQ(keys,
              (std::set<std::string>{"event", "step", "epsilon", "noised_loss",
                                     "noised_gradient_norm", "learning_rate", "attempt", "run"}));
}

TEST_F(PrivateRun, HardenedNoiseIsChargedAndEnforcedByRenyiDivergences)
{
    PlanRequest request{.checkpoint = checkpoint(),
                        .source = source(),
                        .classes = {"a", "b"},
                        .epsilon = 8.0,
                        .public_units = kUnits,
                        .expected_batch = 40,
                        .steps = 4,
                        .release_clipped_fraction = true,
                        .hardened = true};
    const auto made = make_plan(request);
    ASSERT_TRUE(made) << made.error().message;
    Recorder recorder;
    const auto done = train(*made, run(), recorder);
    ASSERT_TRUE(done) << done.error().message;
    const auto entries = ledger();
    ASSERT_EQ(spent(entries), 4);
    for (const auto& entry : entries)
        EXPECT_EQ(privacy::type_of(entry.event), "poisson_subsampled_discrete_gaussian");
    const auto total = privacy::total_of(entries, {}, *privacy::Delta::create(made->privacy.delta));
    ASSERT_TRUE(total);
    EXPECT_TRUE(total->is_renyi_only);
    ASSERT_EQ(recorder.points.size(), 4U);
    EXPECT_DOUBLE_EQ(recorder.points.back().epsilon, total->epsilon.value());
    EXPECT_LE(total->epsilon.value(), 8.0);
    EXPECT_GT(total->epsilon.value(), 7.9); // and the budget is used
    EXPECT_TRUE(recorder.points.back().noised_loss);
    EXPECT_TRUE(recorder.points.back().noised_clipped_fraction);
    // The same plan without it needs less noise.
    request.hardened = false;
    EXPECT_LT(make_plan(request)->privacy.noise_effective, made->privacy.noise_effective);
}

TEST_F(PrivateRun, AddRemoveNeverWritesTheExactCount)
{
    TrainingPlan p = plan();
    p.privacy.neighbours = privacy::Neighbours::AddRemove;
    test::write_private_folder(source(), kUnits + 17); // the folder holds 137, the plan says 120
    Recorder recorder;
    const auto outcome = train(p, run(), recorder);
    ASSERT_TRUE(outcome) << outcome.error().message;
    // Nor the counts of the two classes, 69 and 68.
    for (const fs::path& root : {run(), ledgers()})
        EXPECT_THAT(test::leaks_in(root, {.texts = {}, .numbers = {"137", "69", "68"}}),
                    testing::IsEmpty());
}

TEST_F(PrivateRun, DoesNotStartWhereTheCeilingOfItsDatasetWouldEndIt)
{
    Recorder recorder;
    ASSERT_TRUE(train(plan(), run(), recorder));
    {
        const auto store = privacy::LedgerStore::open(ledgers());
        auto open = privacy::Ledger::open(store->list().front());
        ASSERT_TRUE(open);
        privacy::Ceiling ceiling{.claim = {},
                                 .epsilon = *privacy::Epsilon::create(100.0),
                                 .delta = *privacy::Delta::create(1e-4),
                                 .order = 4.0};
        auto filter = privacy::RdpFilter::create(ceiling);
        ASSERT_TRUE(filter);
        for (const auto& entry : open->entries())
            ASSERT_TRUE(filter->add(entry));
        ceiling.epsilon = *privacy::Epsilon::create(filter->spent_epsilon().value() * 1.01);
        ASSERT_TRUE(open->declare(ceiling));
    }
    Recorder second;
    const auto outcome = train(plan(), run().parent_path() / "second", second);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::Refused);
    EXPECT_TRUE(second.points.empty());
    EXPECT_EQ(spent(ledger()), 6); // as before
}

TEST_F(PrivateRun, ResumesWhereItStoppedAndSpendsEachStepOnce)
{
    test::StoppingRecorder stopping(3);
    const auto outcome = train(plan(), run(), stopping, stopping.source.get_token());
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::Cancelled);
    EXPECT_EQ(read_run(run())->state, "paused");
    const double before = read_run(run())->epsilon;

    const auto session = resume_private_run(run(), ledgers());
    ASSERT_TRUE(session) << session.error().message;
    Mailbox mailbox;
    Recorder recorder;
    const auto resumed = (*session)->run({}, mailbox, recorder);
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(recorder.points.front().step, 4);
    EXPECT_GT(read_run(run())->epsilon, before);
    EXPECT_EQ(spent(ledger()), 6);
}

/// Kills its own process at the fourth step.
class Killer final : public Recorder {
public:
    void on_step(const StepPoint& point) override
    {
        if (point.step == 4) kill(getpid(), SIGKILL);
    }
};

// Not a test by itself: the part of the next one that dies.
TEST(PrivateRunChild, DISABLED_TrainsUntilItIsKilled)
{
    const char* folder = std::getenv("VELAMEN_TEST_FOLDER");
    ASSERT_NE(folder, nullptr);
    const fs::path root = folder;
    const auto session = start_private_run(test::tiny_plan(root / "base", root / "private", kUnits),
                                           root / "run", root / "ledgers");
    ASSERT_TRUE(session) << session.error().message;
    Mailbox mailbox;
    Killer killer;
    EXPECT_TRUE((*session)->run({}, mailbox, killer));
    FAIL() << "it lived";
}

TEST_F(PrivateRun, KilledInTheMiddleNeverForgetsWhatItSpent)
{
    // A program of its own: LibTorch's threads do not survive fork() without exec().
    const pid_t child = fork();
    if (child == 0) {
        setenv("VELAMEN_TEST_FOLDER", dir_.path().c_str(), 1);
        execl("/proc/self/exe", "test", "--gtest_filter=PrivateRunChild.*",
              "--gtest_also_run_disabled_tests", static_cast<char*>(nullptr));
        _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::int64_t before = spent(ledger());
    EXPECT_GE(before, 4);

    const auto session = resume_private_run(run(), ledgers());
    ASSERT_TRUE(session) << session.error().message;
    Mailbox mailbox;
    Recorder recorder;
    const auto resumed = (*session)->run({}, mailbox, recorder);
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(spent(ledger()), 6);       // reserved is spent: the lost steps are not taken again
    EXPECT_EQ(read_run(run())->step, 5); // saved at 3, spent up to 4: one update fewer
    EXPECT_LE(read_run(run())->epsilon, 8.0);
    for (const auto& entry : fs::recursive_directory_iterator(run()))
        EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
}

TEST_F(PrivateRun, RefusesAnotherFolderPlanOrCheckpointOnResume)
{
    test::StoppingRecorder stopping(2);
    ASSERT_FALSE(train(plan(), run(), stopping, stopping.source.get_token()));
    const auto refusal_after_changing = [this](const fs::path& file) {
        const std::string text = *core::read_file(file);
        std::string changed = text;
        if (file.extension() == ".json")
            changed += ' ';
        else
            changed.back() ^= 1;
        EXPECT_TRUE(core::write_file(file, changed));
        const auto session = resume_private_run(run(), ledgers());
        EXPECT_TRUE(core::write_file(file, text));
        return session ? std::string() : session.error().message;
    };
    EXPECT_THAT(refusal_after_changing(run() / "plan.json"), testing::HasSubstr("plan.json"));
    for (const char* file : {"diffusion_pytorch_model.safetensors", "config.json"})
        EXPECT_THAT(refusal_after_changing(checkpoint() / "unet" / file),
                    testing::HasSubstr("the base checkpoint is not the one"))
            << file;

    fs::rename(source(), dir_.path() / "elsewhere");
    test::write_private_folder(source(), 4); // other images under the same path
    const auto session = resume_private_run(run(), ledgers());
    Mailbox mailbox;
    Recorder recorder;
    ASSERT_TRUE(session);
    const auto outcome = (*session)->run({}, mailbox, recorder);
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message, testing::HasSubstr("the folder"));
}

/// All tensors of the run's last state, by name.
std::map<std::string, std::vector<std::byte>> last_state(const fs::path& run, std::int64_t step)
{
    std::map<std::string, std::vector<std::byte>> values;
    for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with("state-")
            || !name.ends_with("-" + std::to_string(step) + ".safetensors"))
            continue;
        const auto file = io::SafetensorsFile::open(entry.path());
        EXPECT_TRUE(file);
        for (const auto& tensor : file->tensors())
            values[tensor.name] = {tensor.bytes.begin(), tensor.bytes.end()};
    }
    return values;
}

/// Requests a stop in the middle of the step that follows the given one.
class StoppingWithin final : public Recorder {
public:
    StoppingWithin(std::int64_t after, test::WatchedAllocator& allocator)
        : after_(after), allocator_(allocator)
    {
    }
    void on_step(const StepPoint& point) override
    {
        Recorder::on_step(point);
        if (point.step == after_) allocator_.at(10, [this] { source.request_stop(); });
    }
    std::stop_source source;

private:
    std::int64_t after_;
    test::WatchedAllocator& allocator_;
};

TEST_F(PrivateRun, InTestModeGoesOnBitForBitWhereItWasStopped)
{
    TrainingPlan p = plan();
    p.privacy.steps = 10;
    p.privacy.epsilon = 100.0; // more than ten steps need
    p.sample_every = 0;
    p.micro_batch = 8;
    p.reproducible = true;
    Recorder straight;
    ASSERT_TRUE(train(p, dir_.path() / "straight", straight));

    {
        test::WatchedAllocator allocator;
        StoppingWithin stopping(4, allocator);
        const auto outcome = train(p, run(), stopping, stopping.source.get_token());
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, ErrorCode::Cancelled);
        EXPECT_EQ(stopping.points.size(), 4U);
    }
    EXPECT_EQ(spent(ledger()), 10 + 4); // the step that was stopped was not spent
    const auto session = resume_private_run(run(), ledgers());
    ASSERT_TRUE(session) << session.error().message;
    Mailbox mailbox;
    Recorder resumed;
    ASSERT_TRUE((*session)->run({}, mailbox, resumed));

    ASSERT_EQ(resumed.points.size(), 6U);
    for (std::size_t i = 0; i < 6; ++i) {
        EXPECT_EQ(resumed.points[i].noised_loss, straight.points[4 + i].noised_loss);
        EXPECT_EQ(resumed.points[i].noised_gradient_norm,
                  straight.points[4 + i].noised_gradient_norm);
        EXPECT_EQ(resumed.points[i].learning_rate, straight.points[4 + i].learning_rate);
        EXPECT_EQ(resumed.points[i].epsilon, straight.points[4 + i].epsilon);
    }
    const auto wanted = last_state(dir_.path() / "straight", 10);
    EXPECT_GT(wanted.size(), 20U);
    EXPECT_EQ(last_state(run(), 10), wanted);
}

TEST_F(PrivateRun, DrawsFreshKeysWhereItGoesOn)
{
    TrainingPlan p = plan();
    Recorder first, second;
    ASSERT_TRUE(train(p, run(), first));
    ASSERT_TRUE(train(p, dir_.path() / "second", second));
    EXPECT_NE(first.points.front().noised_loss, second.points.front().noised_loss);
}

TEST_F(PrivateRun, RefusesALedgerThatWasRolledBack)
{
    test::StoppingRecorder stopping(3);
    ASSERT_FALSE(train(plan(), run(), stopping, stopping.source.get_token()));
    const fs::path file = privacy::LedgerStore::open(ledgers())->list().front() / "ledger.jsonl";
    const std::string text = *core::read_file(file);
    ASSERT_TRUE(core::write_file(file, text.substr(0, text.find('\n') + 1)));
    const auto session = resume_private_run(run(), ledgers());
    ASSERT_TRUE(session) << session.error().message;
    Mailbox mailbox;
    Recorder recorder;
    const auto outcome = (*session)->run({}, mailbox, recorder);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::Refused);
}

TEST_F(PrivateRun, RefusesToBeginOnALedgerThatAnotherRunOrItsBaseRemembersLonger)
{
    Recorder recorder;
    ASSERT_TRUE(train(plan(), dir_.path() / "runs" / "0001", recorder));
    const auto folder = privacy::LedgerStore::open(ledgers())->list().front();
    const std::string whole = *core::read_file(folder / "ledger.jsonl");
    ASSERT_TRUE(core::write_file(folder / "ledger.jsonl", whole.substr(0, whole.find('\n') + 1)));
    const auto beside = train(plan(), dir_.path() / "runs" / "0002", recorder);
    ASSERT_FALSE(beside);
    EXPECT_EQ(beside.error().code, ErrorCode::Refused);
    EXPECT_THAT(beside.error().message, ::testing::HasSubstr("run 0001"));

    auto onTuned = plan();
    onTuned.checkpoint = dir_.path() / "runs" / "0001" / "checkpoints" / "tuned";
    onTuned.classes = {"a", "b"};
    const auto based = train(onTuned, dir_.path() / "elsewhere" / "0001", recorder);
    ASSERT_FALSE(based);
    EXPECT_THAT(based.error().message, ::testing::HasSubstr("was tuned on these images"));

    // Without the ledger the same images would begin at zero.
    fs::remove_all(folder);
    const auto lost = train(plan(), dir_.path() / "runs" / "0003", recorder);
    ASSERT_FALSE(lost);
    EXPECT_THAT(lost.error().message, ::testing::HasSubstr("a ledger that is not here"));
    EXPECT_EQ(recorder.points.size(), 6U); // of the first run alone
}

TEST_F(PrivateRun, ASecondRunOnACopyOfTheFolderJoinsTheSameLedger)
{
    Recorder recorder;
    ASSERT_TRUE(train(plan(), run(), recorder));
    fs::copy(source(), dir_.path() / "copy", fs::copy_options::recursive);
    TrainingPlan p = plan();
    p.source = dir_.path() / "copy";
    ASSERT_TRUE(train(p, dir_.path() / "run2", recorder));
    EXPECT_EQ(spent(ledger()), 12);
}

/// Lets a paused run go on as soon as it says that it is paused.
class Resumer final : public Recorder {
public:
    explicit Resumer(Mailbox& mailbox) : mailbox_(mailbox) {}
    void on_progress(const Progress& progress) override
    {
        if (progress.phase == Phase::Paused) {
            ++pauses;
            mailbox_.resume();
        }
    }
    int pauses = 0;

private:
    Mailbox& mailbox_;
};

TEST_F(PrivateRun, PausesBetweenStepsAndGoesOn)
{
    const auto session = start_private_run(plan(), run(), ledgers());
    ASSERT_TRUE(session);
    Mailbox mailbox;
    mailbox.pause();
    Resumer resumer(mailbox);
    ASSERT_TRUE((*session)->run({}, mailbox, resumer));
    EXPECT_EQ(resumer.pauses, 1);
    EXPECT_EQ(resumer.points.size(), 6U);
    EXPECT_EQ(read_run(run())->state, "done");
}

} // namespace
} // namespace velamen::train
