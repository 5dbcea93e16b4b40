// SPDX-License-Identifier: GPL-3.0-or-later
//
// The crash test of a run: a program trains, is killed at a random moment and resumed, 200 times.
// What it said of each step after its noise was used is the oracle of what must be spent.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/core/file.h"
#include "engine/privacy/totals.h"
#include "engine/train/private/private_session.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;

constexpr int kUnits = 120;
constexpr int kKills = 200;

TrainingPlan long_plan(const fs::path& root)
{
    const auto plan = make_plan({.checkpoint = root / "base",
                                 .source = root / "private",
                                 .classes = {"a", "b"},
                                 .epsilon = 1000.0,
                                 .delta = 1e-4,
                                 .public_units = kUnits,
                                 .expected_batch = 8,
                                 .steps = 100'000});
    EXPECT_TRUE(plan);
    TrainingPlan made = *plan;
    made.sample_every = 5; // much saving: many kills hit it
    return made;
}

/// Writes a byte for each step whose noise has left the process.
class Marker final : public test::Recorder {
public:
    void on_step(const StepPoint&) override
    {
        if (::write(kMarkers, "x", 1) != 1) std::abort();
    }
    static constexpr int kMarkers = 3;
};

// Not a test by itself: the part of the next one that is killed.
TEST(PrivateKillsChild, DISABLED_TrainsUntilItIsKilled)
{
    const fs::path root = std::getenv("VELAMEN_TEST_FOLDER");
    const bool is_new = !fs::exists(root / "run" / "run.json");
    auto session = is_new ? start_private_run(long_plan(root), root / "run", root / "ledgers")
                          : resume_private_run(root / "run", root / "ledgers");
    ASSERT_TRUE(session) << session.error().message;
    Mailbox mailbox;
    Marker marker;
    const auto outcome = (*session)->run({}, mailbox, marker);
    FAIL() << "it ended" << (outcome ? "" : ": " + outcome.error().message);
}

pid_t start_child(const fs::path& root, int markers)
{
    // A program of its own: LibTorch's threads do not survive fork() without exec().
    const pid_t child = fork();
    if (child != 0) return child;
    setenv("VELAMEN_TEST_FOLDER", root.c_str(), 1);
    if (dup2(markers, Marker::kMarkers) < 0) _exit(1);
    execl("/proc/self/exe", "test", "--gtest_filter=PrivateKillsChild.*", "--gtest_brief=1",
          "--gtest_also_run_disabled_tests", static_cast<char*>(nullptr));
    _exit(1);
}

std::int64_t waiting(int markers)
{
    std::int64_t count = 0;
    char bytes[4096];
    for (pollfd ready{markers, POLLIN, 0}; poll(&ready, 1, 0) > 0;) {
        const ssize_t got = ::read(markers, bytes, sizeof bytes);
        if (got <= 0) break;
        count += got;
    }
    return count;
}

TEST(PrivateKills, NeverForgetAStepWhoseNoiseWasUsed)
{
    const test::TempDir dir;
    const fs::path& root = dir.path();
    test::write_private_folder(root / "private", kUnits);
    ASSERT_TRUE(test::write_tiny_checkpoint(root / "base"));
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);

    std::mt19937 random(1);
    std::uniform_int_distribution<int> moment(200, 3000); // ms: also before the first step
    std::int64_t used = 0, before = 0;
    double epsilon_before = 0.0;
    int with_steps = 0;
    for (int round = 0; round < kKills; ++round) {
        const pid_t child = start_child(root, ends[1]);
        std::this_thread::sleep_for(std::chrono::milliseconds(moment(random)));
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "round " << round << ": it ended by itself";
        const std::int64_t now = waiting(ends[0]);
        with_steps += now > 0 ? 1 : 0;
        used += now;

        const auto store = privacy::LedgerStore::open(root / "ledgers");
        ASSERT_TRUE(store) << store.error().message;
        const auto folders = store->list();
        if (folders.empty()) continue; // killed before it got that far
        ASSERT_EQ(folders.size(), 1U);
        const auto text = core::read_file(folders.front() / "ledger.jsonl");
        const auto entries = privacy::parse_ledger(text.value_or(""));
        ASSERT_TRUE(entries) << "round " << round << ": " << entries.error().message;
        std::int64_t spent = 0;
        for (const auto& entry : *entries)
            spent += privacy::times_of(entry.event);
        ASSERT_GE(spent, used) << "round " << round;
        ASSERT_GE(spent, before);
        ASSERT_LE(spent, used + round + 1); // one line may be synced and not used
        before = spent;
        const auto total = privacy::total_of(*entries, {}, privacy::Delta::literal(1e-4));
        ASSERT_TRUE(total);
        ASSERT_GE(total->epsilon.value(), epsilon_before * (1.0 - 1e-9));
        epsilon_before = total->epsilon.value();
    }
    EXPECT_GT(with_steps, kKills / 4);
    EXPECT_GT(used, kKills);
    RecordProperty("steps", std::to_string(used));
}

} // namespace
} // namespace velamen::train
