// SPDX-License-Identifier: GPL-3.0-or-later
//
// What of a ledger is on the disk, and when. The oracle is what this program itself has seen being
// synced: fsync and fdatasync are replaced by ones that remember the content of the file, which is
// what a power cut would leave.

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>
#include <map>
#include <set>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/privacy/ledger.h"
#include "tests/support/temp_dir.h"

namespace {

std::map<std::string, std::string> synced; // path -> content when it was last synced
std::set<std::string> synced_folders;
bool is_watching = false;
bool sync_fails = false;

int spy_on(int descriptor, long call)
{
    if (sync_fails) {
        errno = EIO;
        return -1;
    }
    if (!is_watching) return static_cast<int>(::syscall(call, descriptor));
    std::error_code error;
    const auto path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor), error);
    if (std::filesystem::is_directory(path, error))
        synced_folders.insert(path);
    else if (auto content = velamen::core::read_file(path))
        synced[path] = *content;
    return static_cast<int>(::syscall(call, descriptor));
}

} // namespace

extern "C" int fsync(int descriptor) { return spy_on(descriptor, SYS_fsync); }
extern "C" int fdatasync(int descriptor) { return spy_on(descriptor, SYS_fdatasync); }

namespace velamen::privacy {
namespace {

namespace fs = std::filesystem;

TrainingSteps event_of(std::int64_t steps = 1)
{
    TrainingSteps event;
    event.rate = 0.02;
    event.noise_gradient = event.noise_effective = 1.5;
    event.steps = steps;
    return event;
}

Result<ReservedSteps> reserve(Ledger& ledger, std::int64_t steps = 1)
{
    return ledger.reserve("r1", 1, "image", Neighbours::ZeroOut, event_of(steps));
}

std::int64_t steps_in(const std::string& text)
{
    std::int64_t steps = 0;
    const auto entries = parse_ledger(text);
    EXPECT_TRUE(entries);
    for (const LedgerEntry& entry : *entries)
        steps += privacy::times_of(entry.event);
    return steps;
}

std::vector<core::Digest> some_hashes()
{
    core::Digest hash{};
    hash.fill(7);
    return {hash};
}

class LedgerOnDisk : public ::testing::Test {
protected:
    void SetUp() override
    {
        synced.clear();
        synced_folders.clear();
        is_watching = true;
    }
    void TearDown() override { is_watching = sync_fails = false; }
};

TEST_F(LedgerOnDisk, HasEveryStepSyncedBeforeItIsHandedOut)
{
    const test::TempDir dir;
    const std::string path = dir.path() / "ledger.jsonl";
    auto ledger = Ledger::open(dir.path());
    std::int64_t used = 0;
    for (std::int64_t block : {1, 32, 5, 1, 17}) {
        auto steps = reserve(*ledger, block);
        ASSERT_TRUE(steps);
        while (steps->left() > 0) {
            EXPECT_TRUE(steps->take().is_live());
            EXPECT_GE(steps_in(synced[path]), ++used);
        }
    }
    EXPECT_EQ(used, 56);
}

TEST_F(LedgerOnDisk, CountsAReservedBlockAsSpentHoweverLittleOfItWasUsed)
{
    const test::TempDir dir;
    {
        auto ledger = Ledger::open(dir.path());
        auto steps = reserve(*ledger, 32);
        EXPECT_EQ(steps->take().index(), 0);
    }
    auto ledger = Ledger::open(dir.path());
    EXPECT_EQ(spendings_of(ledger->entries())->front().times.value(), 32);
    EXPECT_EQ(reserve(*ledger)->take().index(), 32); // the rest is never given again
}

TEST_F(LedgerOnDisk, GivesNoRightWhenTheLineCannotBeSynced)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(reserve(*ledger));
    sync_fails = true;
    EXPECT_FALSE(reserve(*ledger));
    sync_fails = false;
    const auto after = reserve(*ledger); // nobody knows what the disk holds now
    ASSERT_FALSE(after);
    EXPECT_NE(after.error().message.find("no more may be spent"), std::string::npos);
}

TEST_F(LedgerOnDisk, LosesOnlyTheUnfinishedLineOfAFullDisk)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(reserve(*ledger, 3));
    const std::string before = ledger->text();
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlimit tight{before.size() + 100, limit.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const auto refused = reserve(*ledger, 4);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::signal(SIGXFSZ, handler);

    EXPECT_FALSE(refused);
    EXPECT_EQ(fs::file_size(dir.path() / "ledger.jsonl"), before.size() + 100);
    EXPECT_FALSE(reserve(*ledger));
    ledger = fail(ErrorCode::Internal, "closed");
    ledger = Ledger::open(dir.path());
    ASSERT_TRUE(ledger) << ledger.error().message;
    EXPECT_EQ(ledger->text(), before);
    EXPECT_TRUE(reserve(*ledger));
}

TEST_F(LedgerOnDisk, RefusesWhatFollowsTheLastLineUnlessItIsTheBeginningOfOne)
{
    const test::TempDir source;
    auto written = Ledger::open(source.path());
    ASSERT_TRUE(reserve(*written));
    const std::string one = written->text();
    ASSERT_TRUE(reserve(*written));
    const std::string next = written->text().substr(one.size());
    const auto opens = [&](const std::string& tail) {
        const test::TempDir dir;
        EXPECT_TRUE(core::write_file(dir.path() / "ledger.jsonl", one + tail));
        const auto ledger = Ledger::open(dir.path());
        if (ledger) {
            EXPECT_EQ(ledger->text(), one);
            return true;
        }
        EXPECT_EQ(ledger.error().code, ErrorCode::Refused);
        EXPECT_NE(ledger.error().message.find("line 2"), std::string::npos);
        EXPECT_EQ(core::read_file(dir.path() / "ledger.jsonl"), one + tail) << "evidence changed";
        EXPECT_FALSE(parse_ledger(one + tail));
        return false;
    };
    for (std::size_t length = 0; length < next.size(); ++length) {
        const std::string torn = one + next.substr(0, length);
        EXPECT_EQ(parse_ledger(torn)->size(), 1U) << length;
        EXPECT_EQ(parse_ledger(torn + std::string(4096, '\0'))->size(), 1U) << length;
    }
    EXPECT_TRUE(opens(next.substr(0, next.size() - 1)));
    EXPECT_TRUE(opens(std::string(100, '\0') + next.substr(100, 50)));
    EXPECT_FALSE(opens("x"));
    EXPECT_FALSE(opens(one.substr(0, one.size() - 1))); // a line, but of another place
    EXPECT_FALSE(opens(next.substr(0, 150) + "\x01"));
    EXPECT_FALSE(opens(next.substr(0, next.size() - 1) + std::string(2000, ' ')));
}

TEST_F(LedgerOnDisk, StopsWhenItsFileIsReplacedOrWrittenByOthers)
{
    const auto spends_after = [](const std::function<void(const fs::path&)>& harm) {
        const test::TempDir dir;
        auto ledger = Ledger::open(dir.path());
        EXPECT_TRUE(reserve(*ledger));
        EXPECT_TRUE(reserve(*ledger));
        harm(dir.path() / "ledger.jsonl");
        const auto after = reserve(*ledger);
        EXPECT_TRUE(after || after.error().code == ErrorCode::Refused
                    || after.error().code == ErrorCode::Unreadable);
        return after.has_value();
    };
    EXPECT_TRUE(spends_after([](const fs::path&) {}));
    EXPECT_FALSE(spends_after([](const fs::path& path) { // an older copy is put back
        const std::string text = core::read_file(path).value();
        ASSERT_TRUE(core::write_file(path, text.substr(0, text.find('\n') + 1)));
    }));
    EXPECT_FALSE(spends_after([](const fs::path& path) { // the same bytes in another file
        ASSERT_TRUE(core::write_file(path, core::read_file(path).value()));
    }));
    EXPECT_FALSE(spends_after([](const fs::path& path) { fs::resize_file(path, 10); }));
    EXPECT_FALSE(spends_after([](const fs::path& path) { fs::remove(path); }));
}

TEST_F(LedgerOnDisk, HasNewFoldersAndTheIndexSyncedBeforeTheFirstLine)
{
    const test::TempDir dir;
    const fs::path root = dir.path() / "velamen" / "ledgers";
    auto store = LedgerStore::open(root);
    ASSERT_TRUE(store);
    EXPECT_TRUE(synced_folders.contains(root.parent_path()));
    synced_folders.clear();
    auto ledger = store->join(some_hashes());
    ASSERT_TRUE(ledger);
    EXPECT_TRUE(synced_folders.contains(root));
    EXPECT_TRUE(synced_folders.contains(ledger->folder()));
    const std::string index = core::read_file(ledger->folder() / "units.idx").value();
    EXPECT_TRUE(
        std::ranges::any_of(synced, [&](const auto& file) { return file.second == index; }));
}

} // namespace
} // namespace velamen::privacy
