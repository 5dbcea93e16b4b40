// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the ledger must never lose, accept or reveal. The oracle of a line's bytes is the line
// itself, written down here; of the chain, SHA-256 computed by core.

#include <csignal>
#include <functional>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/io/json.h"
#include "engine/privacy/ledger.h"
#include "tests/support/temp_dir.h"

namespace velamen::privacy {
namespace {

namespace fs = std::filesystem;

TrainingSteps event_of(std::int64_t steps = 1)
{
    TrainingSteps event;
    event.rate = 0.02;
    event.noise_gradient = 1.5;
    event.noise_effective = 1.5;
    event.steps = steps;
    return event;
}

Result<ReservedSteps> reserve(Ledger& ledger, const std::string& run = "r1",
                              std::int64_t attempt = 1, std::int64_t steps = 1)
{
    return ledger.reserve(run, attempt, "image", Neighbours::ZeroOut, event_of(steps));
}

std::string read(const fs::path& folder)
{
    return core::read_file(folder / "ledger.jsonl").value();
}

void write(const fs::path& folder, const std::string& text)
{
    ASSERT_TRUE(core::write_file(folder / "ledger.jsonl", text));
}

std::vector<std::string> lines_of(const std::string& text)
{
    std::vector<std::string> lines;
    for (std::size_t at = 0, end; (end = text.find('\n', at)) != text.npos; at = end + 1)
        lines.push_back(text.substr(at, end - at + 1));
    return lines;
}

std::string joined(const std::vector<std::string>& lines)
{
    std::string text;
    for (const std::string& line : lines)
        text += line;
    return text;
}

core::Digest digest(std::uint8_t value)
{
    core::Digest hash{};
    hash.fill(value);
    return hash;
}

/// A ledger of five lines in a folder of its own.
struct Five {
    test::TempDir dir;
    std::string text;
    Five()
    {
        auto ledger = Ledger::open(dir.path());
        for (int i = 0; i < 5; ++i)
            EXPECT_TRUE(reserve(*ledger, "r1", 1, i + 1));
        text = ledger->text();
    }
};

TEST(Ledger, WritesLinesOfExactlyTheDocumentedForm)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(ledger) << ledger.error().message;
    TrainingSteps event = event_of(32);
    event.noise_loss = 8.0;
    event.noise_effective = 1.25; // less than both together give: allowed
    ASSERT_TRUE(ledger->reserve("0001", 2, "image", Neighbours::AddRemove, event));
    ASSERT_TRUE(reserve(*ledger));
    const std::string first = R"({"v":1,"seq":0,"prev":")" + std::string(64, '0')
        + R"(","run":"0001","attempt":2,"unit":"image","neighbours":"add_remove","event":)"
          R"({"type":"poisson_subsampled_gaussian","rate":0.02,"noise_gradient":1.5,)"
          R"("noise_loss":8.0,"noise_effective":1.25,"steps":32}})";
    const std::string second = R"({"v":1,"seq":1,"prev":")" + core::sha256_hex(first)
        + R"(","run":"r1","attempt":1,"unit":"image","neighbours":"zero_out","event":)"
          R"({"type":"poisson_subsampled_gaussian","rate":0.02,"noise_gradient":1.5,)"
          R"("noise_loss":null,"noise_effective":1.5,"steps":1}})";
    EXPECT_EQ(read(dir.path()), first + "\n" + second + "\n");
    EXPECT_EQ(ledger->text(), first + "\n" + second + "\n");
    EXPECT_EQ(ledger->head().seq, 1);
    EXPECT_EQ(ledger->head().hash, core::sha256_hex(second));
}

TEST(Ledger, HandsOutEachStepOnceAndCountsOnOverLinesAndAttemptsOfOneRun)
{
    const test::TempDir dir;
    std::vector<std::int64_t> indices;
    const auto take_all = [&](Result<ReservedSteps> steps) {
        ASSERT_TRUE(steps);
        while (steps->left() > 0)
            indices.push_back(steps->take().index());
    };
    {
        auto ledger = Ledger::open(dir.path());
        take_all(reserve(*ledger, "r1", 1, 3));
        take_all(reserve(*ledger, "r2", 1, 2));
        take_all(reserve(*ledger, "r1", 2, 1));
    }
    auto ledger = Ledger::open(dir.path());
    take_all(reserve(*ledger, "r1", 1, 2));
    EXPECT_EQ(indices, (std::vector<std::int64_t>{0, 1, 2, 0, 1, 3, 4, 5}));
}

TEST(Ledger, MovingLeavesNoRightBehind)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    auto steps = reserve(*ledger, "r1", 1, 2);
    ReservedSteps moved = std::move(*steps);
    EXPECT_EQ(steps->left(), 0);
    EXPECT_EQ(moved.left(), 2);
    SpentStep step = moved.take();
    EXPECT_TRUE(step.is_live());
    const SpentStep used = std::move(step);
    EXPECT_FALSE(step.is_live());
    EXPECT_TRUE(used.is_live());
    EXPECT_EQ(used.noise().gradient.value(), 1.5);
}

TEST(Ledger, RefusesEventsOutsideTheRulesAndWritesNothing)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    const auto refused = [&](const std::function<void(TrainingSteps&)>& change) {
        TrainingSteps event = event_of();
        change(event);
        return !ledger->reserve("r1", 1, "image", Neighbours::ZeroOut, event);
    };
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.steps = 0; }));
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.steps = 33; }));
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.rate = 0.0; }));
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.rate = 1.5; }));
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.noise_gradient = 0.0; }));
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.noise_effective = 0.0; }));
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.noise_effective = 1.6; })); // more than was added
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.noise_loss = 8.0; })); // the loss costs as well
    EXPECT_TRUE(refused([](TrainingSteps& e) { e.cap = {100, 0}; }));
    EXPECT_FALSE(reserve(*ledger, "/data/anna/scans"));
    EXPECT_FALSE(reserve(*ledger, ""));
    EXPECT_FALSE(reserve(*ledger, "r1", 0));
    EXPECT_EQ(read(dir.path()), "");
    EXPECT_EQ(ledger->head().seq, -1);
}

TEST(Ledger, RefusesEveryTampering)
{
    using Lines = std::vector<std::string>;
    Five foreign;
    const struct {
        const char* name;
        std::function<void(Lines&)> change;
        const char* line; ///< the first one that does not fit
    } cases[] = {
        {"edited steps", [](Lines& l) { l[1].replace(l[1].find("\"steps\":2"), 9, "\"steps\":1"); },
         "line 3"},
        {"edited noise",
         [](Lines& l) {
             l[2].replace(l[2].find("\"noise_effective\":1.5"), 21, "\"noise_effective\":1.4");
         },
         "line 4"},
        {"reordered", [](Lines& l) { std::swap(l[1], l[2]); }, "line 2"},
        {"removed", [](Lines& l) { l.erase(l.begin() + 2); }, "line 3"},
        {"first removed", [](Lines& l) { l.erase(l.begin()); }, "line 1"},
        {"doubled", [](Lines& l) { l.insert(l.begin() + 1, l[1]); }, "line 3"},
        {"last edited to 33 steps",
         [](Lines& l) { l[4].replace(l[4].find("\"steps\":5"), 9, "\"steps\":33"); }, "line 5"},
        {"foreign",
         [&](Lines& l) {
             l[3].replace(l[3].find("\"prev\":\"") + 8, 64, core::sha256_hex(std::string("x")));
         },
         "line 4"},
        {"not JSON", [](Lines& l) { l[2] = "garbage\n"; }, "line 3"},
        {"last not JSON", [](Lines& l) { l[4] = "garbage\n"; }, "line 5"},
        {"empty line", [](Lines& l) { l[2] = "\n"; }, "line 3"},
        {"extra field", [](Lines& l) { l[4].replace(0, 1, "{\"note\":1,"); }, "line 5"},
        {"other order of fields", [](Lines& l) { l[4].replace(0, 14, "{\"seq\":4,\"v\":1"); },
         "line 5"},
        {"wrong number", [](Lines& l) { l[4].replace(l[4].find("\"seq\":4"), 7, "\"seq\":9"); },
         "line 5"},
    };
    for (const auto& tampering : cases) {
        Five five;
        Lines lines = lines_of(five.text);
        tampering.change(lines);
        write(five.dir.path(), joined(lines));
        const auto ledger = Ledger::open(five.dir.path());
        ASSERT_FALSE(ledger) << tampering.name;
        EXPECT_EQ(ledger.error().code, ErrorCode::Refused) << tampering.name;
        EXPECT_NE(ledger.error().message.find(tampering.line), std::string::npos)
            << tampering.name << ": " << ledger.error().message;
        EXPECT_EQ(read(five.dir.path()), joined(lines)) << "the evidence was changed";
    }
}

TEST(Ledger, RefusesALineOfANewerProgram)
{
    Five five;
    std::string text = five.text;
    text.replace(text.rfind("{\"v\":1"), 6, "{\"v\":2");
    EXPECT_EQ(parse_ledger(text).error().code, ErrorCode::Unsupported);
}

TEST(Ledger, CutsATornLastLineWhereverItWasTorn)
{
    const Five five;
    const std::vector<std::string> lines = lines_of(five.text);
    const std::size_t start = five.text.size() - lines.back().size();
    for (std::size_t length = start; length < five.text.size(); length += 7) {
        const test::TempDir dir;
        write(dir.path(), five.text.substr(0, length));
        auto ledger = Ledger::open(dir.path());
        ASSERT_TRUE(ledger) << ledger.error().message;
        EXPECT_EQ(ledger->entries().size(), 4U);
        EXPECT_EQ(read(dir.path()), five.text.substr(0, start));
        ASSERT_TRUE(reserve(*ledger));
        EXPECT_EQ(parse_ledger(read(dir.path()))->size(), 5U);
    }
    const test::TempDir dir;
    write(dir.path(), five.text + std::string(100, '\0')); // zeros that a file system left
    EXPECT_EQ(Ledger::open(dir.path())->text(), five.text);
}

TEST(Ledger, RefusesARecordedHeadThatIsMissing)
{
    Five five;
    auto ledger = Ledger::open(five.dir.path());
    const LedgerHead last = ledger->head();
    const std::vector<std::string> lines = lines_of(five.text);
    const LedgerHead second{1, core::sha256_hex(lines[1].substr(0, lines[1].size() - 1))};
    EXPECT_TRUE(ledger->require(last));
    EXPECT_TRUE(ledger->require(second));
    EXPECT_TRUE(ledger->require(LedgerHead{}));
    EXPECT_FALSE(ledger->require({2, second.hash}));
    EXPECT_FALSE(ledger->require({7, last.hash}));
    ledger = fail(ErrorCode::Internal, "closed");

    write(five.dir.path(), joined({lines.begin(), lines.begin() + 3})); // rolled back
    auto rolled = Ledger::open(five.dir.path());
    ASSERT_TRUE(rolled); // a chain in itself
    EXPECT_EQ(rolled->require(last).error().code, ErrorCode::Refused);
    EXPECT_TRUE(rolled->require(second));
    ASSERT_TRUE(reserve(*rolled, "other"));
    ASSERT_TRUE(reserve(*rolled, "other"));
    EXPECT_EQ(rolled->require(last).error().code, ErrorCode::Refused); // another line 5
}

TEST(Ledger, IsBusyWhileAnotherOneHoldsIt)
{
    const test::TempDir dir;
    {
        const auto first = Ledger::open(dir.path());
        ASSERT_TRUE(first);
        EXPECT_EQ(Ledger::open(dir.path()).error().code, ErrorCode::Busy);
    }
    EXPECT_TRUE(Ledger::open(dir.path()));
}

TEST(Ledger, LosesNothingAcknowledgedWhenItsProcessIsKilled)
{
    const test::TempDir dir;
    for (int round = 0; round < 5; ++round) {
        int pipe_ends[2];
        ASSERT_EQ(::pipe(pipe_ends), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            auto ledger = Ledger::open(dir.path());
            if (!ledger) ::_exit(1);
            for (;;) {
                if (!reserve(*ledger, "r" + std::to_string(round), 1, 2)) ::_exit(2);
                const char acknowledged = 'x'; // only now may noise be drawn
                if (::write(pipe_ends[1], &acknowledged, 1) != 1) ::_exit(3);
            }
        }
        ::close(pipe_ends[1]);
        std::int64_t acknowledged = 0;
        char byte = 0;
        for (; acknowledged < 20 + round * 7; ++acknowledged)
            ASSERT_EQ(::read(pipe_ends[0], &byte, 1), 1);
        ::kill(child, SIGKILL);
        while (::read(pipe_ends[0], &byte, 1) == 1)
            ++acknowledged;
        ::close(pipe_ends[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status));

        const auto ledger = Ledger::open(dir.path());
        ASSERT_TRUE(ledger) << ledger.error().message;
        const auto segments = spendings_of(ledger->entries(), "r" + std::to_string(round));
        ASSERT_TRUE(segments);
        EXPECT_GE(segments->front().times.value(), 2 * acknowledged);
        EXPECT_LE(segments->front().times.value(), 2 * acknowledged + 2);
    }
}

TEST(LedgerSegments, SumEqualEventsOfARunAndOfAll)
{
    const test::TempDir dir;
    auto ledger = Ledger::open(dir.path());
    ASSERT_TRUE(reserve(*ledger, "a", 1, 5));
    TrainingSteps other = event_of(7);
    other.noise_gradient = other.noise_effective = 2.0;
    ASSERT_TRUE(ledger->reserve("b", 1, "image", Neighbours::ZeroOut, other));
    ASSERT_TRUE(reserve(*ledger, "a", 2, 6));
    const auto a = spendings_of(ledger->entries(), "a");
    ASSERT_EQ(a->size(), 1U);
    EXPECT_EQ(a->front().times.value(), 11);
    EXPECT_EQ(spendings_of(ledger->entries())->size(), 2U);
    EXPECT_TRUE(spendings_of(ledger->entries(), "c")->empty());
    ASSERT_TRUE(ledger->reserve("p", 1, "patient", Neighbours::ZeroOut, other));
    EXPECT_EQ(spendings_of(ledger->entries()).error().code, ErrorCode::Refused);
    EXPECT_TRUE(spendings_of(ledger->entries(), "p"));
}

TEST(LedgerStore, GivesOneLedgerToDatasetsThatShareAnImage)
{
    const test::TempDir dir;
    auto store = LedgerStore::open(dir.path() / "ledgers");
    ASSERT_TRUE(store);
    const std::vector<core::Digest> first{digest(1), digest(2), digest(2)};
    const std::vector<core::Digest> overlap{digest(2), digest(3)};
    const std::vector<core::Digest> chained{digest(3), digest(4)};
    const std::vector<core::Digest> disjoint{digest(9)};
    const std::string id = store->join(first)->id();
    EXPECT_EQ(store->join(overlap)->id(), id);
    EXPECT_EQ(store->join(chained)->id(), id) << "the index was not extended";
    const std::string other = store->join(disjoint)->id();
    EXPECT_NE(other, id);
    EXPECT_EQ(store->list().size(), 2U);

    const std::vector<core::Digest> both{digest(1), digest(9)};
    EXPECT_EQ(store->join(both).error().code, ErrorCode::Refused);
    EXPECT_EQ(store->find(both).error().code, ErrorCode::Refused);
    EXPECT_EQ(store->find(chained)->value().filename(), id);
    EXPECT_FALSE(store->find(std::vector<core::Digest>{digest(77)})->has_value());
    EXPECT_EQ(store->list().size(), 2U);
    EXPECT_FALSE(store->join({}));
}

TEST(LedgerStore, RemembersWhatWasSpentAcrossOpens)
{
    const test::TempDir dir;
    const std::vector<core::Digest> hashes{digest(1)};
    {
        auto store = LedgerStore::open(dir.path());
        auto ledger = store->join(hashes);
        ASSERT_TRUE(reserve(*ledger));
        EXPECT_EQ(store->join(hashes).error().code, ErrorCode::Busy);
    }
    EXPECT_EQ(LedgerStore::open(dir.path())->join(hashes)->entries().size(), 1U);
}

TEST(LedgerStore, HashesDependOnContentAndOnTheMachineOnly)
{
    const test::TempDir one, two;
    const auto content = std::as_bytes(std::span("same bytes"));
    const auto a = LedgerStore::open(one.path())->hash_unit(content);
    EXPECT_EQ(a, LedgerStore::open(one.path())->hash_unit(content));
    EXPECT_NE(a, LedgerStore::open(one.path())->hash_unit(content.first(4)));
    EXPECT_NE(a, LedgerStore::open(two.path())->hash_unit(content));
}

TEST(LedgerStore, DoesNotStartAtZeroWhenItsMemoryIsDamaged)
{
    const std::vector<core::Digest> hashes{digest(1)};
    const auto with_ledger =
        [&](const std::function<void(const fs::path&, const fs::path&)>& harm) {
            const test::TempDir dir;
            fs::path folder;
            {
                auto store = LedgerStore::open(dir.path());
                auto ledger = store->join(hashes);
                EXPECT_TRUE(reserve(*ledger));
                folder = ledger->folder();
            }
            harm(dir.path(), folder);
            auto store = LedgerStore::open(dir.path());
            return store && store->join(hashes).has_value();
        };
    EXPECT_TRUE(with_ledger([](const fs::path&, const fs::path&) {}));
    EXPECT_FALSE(
        with_ledger([](const fs::path& root, const fs::path&) { fs::remove(root / "unit.key"); }));
    EXPECT_FALSE(with_ledger(
        [](const fs::path& root, const fs::path&) { fs::resize_file(root / "unit.key", 31); }));
    EXPECT_FALSE(with_ledger(
        [](const fs::path&, const fs::path& folder) { fs::remove(folder / "units.idx"); }));
    EXPECT_FALSE(with_ledger(
        [](const fs::path&, const fs::path& folder) { fs::remove(folder / "ledger.jsonl"); }));
    EXPECT_FALSE(with_ledger([](const fs::path&, const fs::path& folder) {
        std::string text = core::read_file(folder / "units.idx").value();
        text[20] = static_cast<char>(text[20] ^ 1);
        ASSERT_TRUE(core::write_file(folder / "units.idx", text));
    }));
}

TEST(LedgerStore, KeepsEveryFileToItsOwnerAndNoPrivateNameInAny)
{
    const std::string canary = "canary_anna_mueller_1962";
    const test::TempDir dir;
    auto store = LedgerStore::open(dir.path() / "ledgers");
    const std::vector<core::Digest> hashes{
        store->hash_unit(std::as_bytes(std::span(canary.data(), canary.size())))};
    {
        auto ledger = store->join(hashes);
        ASSERT_TRUE(reserve(*ledger));
        ASSERT_FALSE(ledger->reserve("r1", 1, canary + ".png", Neighbours::ZeroOut, event_of()));
    }
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(dir.path() / "ledgers")) {
        const auto mode = entry.status().permissions() & fs::perms::all;
        if (entry.is_directory()) {
            EXPECT_EQ(mode, fs::perms::owner_all) << entry.path();
            continue;
        }
        ++files;
        EXPECT_EQ(mode, fs::perms::owner_read | fs::perms::owner_write) << entry.path();
        EXPECT_EQ(core::read_file(entry.path())->find(canary), std::string::npos);
        EXPECT_EQ(entry.path().string().find(canary), std::string::npos);
    }
    EXPECT_EQ(files, 5U); // unit.key, lock; ledger.jsonl, units.idx, lock
    EXPECT_EQ(fs::status(dir.path() / "ledgers").permissions() & fs::perms::all,
              fs::perms::owner_all);
}

} // namespace
} // namespace velamen::privacy
