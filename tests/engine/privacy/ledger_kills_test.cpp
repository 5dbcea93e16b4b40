// SPDX-License-Identifier: GPL-3.0-or-later
//
// The crash test of the ledger: a child process reserves and uses steps until it is killed, 200
// times on the same dataset. What the parent has seen being used is the oracle of what must be
// spent.

#include <cmath>
#include <csignal>
#include <random>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "engine/privacy/ledger.h"
#include "tests/support/temp_dir.h"

namespace velamen::privacy {
namespace {

namespace fs = std::filesystem;

core::Digest image()
{
    core::Digest hash{};
    hash.fill(1);
    return hash;
}

std::int64_t spent(const Ledger& ledger)
{
    std::int64_t steps = 0;
    for (const LedgerEntry& entry : ledger.entries())
        steps += privacy::times_of(entry.event);
    return steps;
}

/// Joins the dataset's ledger and uses steps in blocks of changing size; writes one byte for each
/// step when its noise would be drawn.
[[noreturn]] void spend_until_killed(const fs::path& root, int round, int markers)
{
    auto store = LedgerStore::open(root);
    if (!store) ::_exit(1);
    const core::Digest hash = image();
    auto ledger = store->join({&hash, 1});
    if (!ledger) ::_exit(2);
    TrainingSteps event;
    event.rate = 0.01;
    event.noise_gradient = event.noise_effective = 1.5;
    for (std::int64_t block = 0;; ++block) {
        event.steps = 1 + (round + 7 * block) % 32;
        auto steps = ledger->reserve("r1", round + 1, "image", Neighbours::ZeroOut, event);
        if (!steps) ::_exit(3);
        while (steps->left() > 0) {
            if (!steps->take().is_live()) ::_exit(4);
            if (::write(markers, "x", 1) != 1) ::_exit(5);
        }
    }
}

TEST(LedgerKills, NeverLowerWhatIsSpentNorLoseAStepThatWasUsed)
{
    const test::TempDir dir;
    const fs::path root = dir.path() / "ledgers";
    const core::Digest hash = image();
    ASSERT_TRUE(LedgerStore::open(root)->join({&hash, 1}));
    std::mt19937 random(20240229); // the same moments in every run: 0.05 to 40 ms
    std::uniform_real_distribution<double> exponent(std::log(50.0), std::log(40'000.0));
    std::int64_t before = 0, seen = 0;
    for (int round = 0; round < 200; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            spend_until_killed(root, round, ends[1]);
        }
        ::close(ends[1]);
        std::int64_t used = 0;
        char bytes[4096];
        // Half of the moments count from the first step, so that they fall into spending on any
        // machine; the others hit opening, repairing and the first line as well.
        if (round % 2 == 1) used += ::read(ends[0], bytes, 1);
        ::usleep(static_cast<useconds_t>(std::exp(exponent(random))));
        ::kill(child, SIGKILL);
        for (ssize_t got; (got = ::read(ends[0], bytes, sizeof(bytes))) > 0;)
            used += got;
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child has left with " << WEXITSTATUS(status);

        auto store = LedgerStore::open(root);
        ASSERT_TRUE(store) << store.error().message;
        const auto ledger = store->join({&hash, 1});
        ASSERT_TRUE(ledger) << "kill " << round << ": " << ledger.error().message;
        const std::int64_t now = spent(*ledger);
        seen += used;
        ASSERT_GE(now, before + used) << "kill " << round << " has undone what was spent";
        ASSERT_LE(now, before + used + 32) << "kill " << round << ": more than the block in flight";
        before = now;
    }
    EXPECT_GE(before, seen);
    EXPECT_GE(seen, 100);
    EXPECT_EQ(LedgerStore::open(root)->folders()->size(), 1U);
}

} // namespace
} // namespace velamen::privacy
