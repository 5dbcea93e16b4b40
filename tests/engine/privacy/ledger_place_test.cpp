// SPDX-License-Identifier: GPL-3.0-or-later
//
// By what a dataset is known again, who may write to its ledger, and what a recorded position
// proves. Folders here are hashed as the training session does it: image by image, by content.

#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/privacy/ledger.h"
#include "tests/support/temp_dir.h"

namespace velamen::privacy {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

Result<ReservedSteps> reserve(Ledger& ledger, const std::string& run = "r1",
                              std::int64_t attempt = 1, std::int64_t steps = 1)
{
    TrainingSteps event;
    event.rate = 0.02;
    event.noise_gradient = event.noise_effective = 1.5;
    event.steps = steps;
    return ledger.reserve(run, attempt, "image", Neighbours::ZeroOut, event);
}

std::int64_t spent(const Ledger& ledger)
{
    std::int64_t steps = 0;
    for (const LedgerEntry& entry : ledger.entries())
        steps += privacy::times_of(entry.event);
    return steps;
}

void make_images(const fs::path& folder, int first, int count)
{
    ASSERT_TRUE(core::make_directory(folder));
    for (int i = first; i < first + count; ++i)
        ASSERT_TRUE(core::write_file(folder / (std::to_string(i) + ".png"),
                                     "pixels of image " + std::to_string(i)));
}

std::vector<core::Digest> hashes_of(const LedgerStore& store, const fs::path& folder)
{
    std::vector<core::Digest> hashes;
    for (const auto& file : fs::recursive_directory_iterator(folder)) {
        if (!file.is_regular_file()) continue;
        const std::string bytes = core::read_file(file.path()).value();
        hashes.push_back(store.hash_unit(std::as_bytes(std::span(bytes))));
    }
    return hashes;
}

/// A store, and a folder of ten images for whose ledger three steps are spent.
struct Spent {
    test::TempDir dir;
    LedgerStore store = LedgerStore::open(dir.path() / "ledgers").value();
    fs::path folder = dir.path() / "images";
    std::string id;
    Spent()
    {
        make_images(folder, 0, 10);
        auto ledger = store.join(hashes_of(store, folder));
        id = ledger->id();
        EXPECT_TRUE(reserve(*ledger, "r1", 1, 3));
    }
    /// The ledger that the images in `path` belong to.
    Result<Ledger> of(const fs::path& path) { return store.join(hashes_of(store, path)); }
};

TEST(LedgerPlace, IsTheUsersOwnDataFolderOutsideEveryProject)
{
    const test::TempDir dir;
    const char* const before = std::getenv("XDG_DATA_HOME");
    const std::string kept = before != nullptr ? before : "";
    ASSERT_EQ(::setenv("XDG_DATA_HOME", dir.path().c_str(), 1), 0);
    auto store = LedgerStore::open();
    if (before != nullptr)
        ::setenv("XDG_DATA_HOME", kept.c_str(), 1);
    else
        ::unsetenv("XDG_DATA_HOME");
    ASSERT_TRUE(store);
    const auto ledger = store->join(std::vector<core::Digest>{core::Digest{}});
    EXPECT_EQ(ledger->folder().parent_path(), dir.path() / "velamen" / "ledgers");
    EXPECT_EQ(ledger->id().size(), 32U); // 16 random bytes: it says nothing of the dataset
}

TEST(LedgerPlace, FollowsAFolderThatIsMovedRenamedCopiedOrGrown)
{
    Spent images;
    EXPECT_EQ(spent(*images.of(images.folder)), 3);

    const fs::path moved = images.dir.path() / "elsewhere" / "scans";
    ASSERT_TRUE(core::make_directory(moved.parent_path()));
    fs::rename(images.folder, moved);
    EXPECT_EQ(images.of(moved)->id(), images.id);
    for (int i = 0; i < 10; ++i) // every file has another name
        fs::rename(moved / (std::to_string(i) + ".png"), moved / ("a" + std::to_string(i)));
    EXPECT_EQ(images.of(moved)->id(), images.id);

    const fs::path copy = images.dir.path() / "copy";
    fs::copy(moved, copy, fs::copy_options::recursive);
    EXPECT_EQ(images.of(copy)->id(), images.id);

    make_images(copy, 100, 5);
    EXPECT_EQ(images.of(copy)->id(), images.id);
    const fs::path only_new = images.dir.path() / "new";
    make_images(only_new, 100, 2);
    EXPECT_EQ(images.of(only_new)->id(), images.id) << "what it has grown by is part of it";
    EXPECT_EQ(spent(*images.of(only_new)), 3);

    const fs::path one = images.dir.path() / "one image of it";
    ASSERT_TRUE(core::make_directory(one));
    fs::copy(copy / "a7", one / "x.png");
    EXPECT_EQ(images.of(one)->id(), images.id);
    EXPECT_EQ(images.store.folders()->size(), 1U);
}

TEST(LedgerPlace, AddsUpTwoProjectsOnTheSameImages)
{
    Spent images;
    {
        auto store = LedgerStore::open(images.dir.path() / "ledgers"); // the second project's own
        auto ledger = store->join(hashes_of(*store, images.folder));
        ASSERT_TRUE(reserve(*ledger, "second-project", 1, 4));
    }
    EXPECT_EQ(spent(*images.of(images.folder)), 7);
}

TEST(LedgerPlace, KeepsDatasetsTogetherOnceTheyShareAnImage)
{
    Spent images;
    const fs::path other = images.dir.path() / "other";
    make_images(other, 50, 5);
    const std::string other_id = images.of(other)->id();
    EXPECT_NE(other_id, images.id);

    const fs::path overlap = images.dir.path() / "overlap";
    make_images(overlap, 9, 5); // image 9 of the first, 10 to 13 of nobody
    EXPECT_EQ(images.of(overlap)->id(), images.id);

    // A folder with images of both: neither ledger alone tells what is spent.
    make_images(overlap, 50, 1);
    const auto both = images.of(overlap);
    EXPECT_EQ(both.error().code, ErrorCode::Refused);
    EXPECT_THAT(both.error().message, HasSubstr("two ledgers"));
    EXPECT_EQ(images.of(other)->id(), other_id) << "the refusal has changed an index";
    EXPECT_EQ(images.store.folders()->size(), 2U);
}

TEST(LedgerPlace, IsRefusedToASecondProcessWithASentence)
{
    Spent images;
    const auto held = images.of(images.folder);
    ASSERT_TRUE(held);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const auto ledger = images.of(images.folder);
        const std::string answer = ledger            ? "opened"
            : ledger.error().code == ErrorCode::Busy ? ledger.error().message
                                                     : "another error";
        ::_exit(::write(ends[1], answer.data(), answer.size()) > 0 ? 0 : 1);
    }
    ::close(ends[1]);
    char answer[200] = {};
    EXPECT_GT(::read(ends[0], answer, sizeof(answer) - 1), 0);
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_STREQ(answer,
                 "the ledger of this dataset is in use: another Velamen works on these images");
}

TEST(LedgerPlace, KeepsWhatWasSpentWhenAnOlderCheckpointIsRestored)
{
    Spent images;
    LedgerHead checkpoint;
    {
        auto ledger = images.of(images.folder);
        checkpoint = ledger->head();
        ASSERT_TRUE(reserve(*ledger, "r1", 1, 20)); // steps after the checkpoint
    }
    // The run goes on from the checkpoint, as a new attempt.
    auto ledger = images.of(images.folder);
    EXPECT_TRUE(ledger->require(checkpoint));
    EXPECT_EQ(spent(*ledger), 23);
    ASSERT_TRUE(reserve(*ledger, "r1", 2, 20)); // the same steps again cost again
    EXPECT_EQ(spent(*ledger), 43);
    EXPECT_EQ(spendings_of(ledger->entries(), "r1")->front().times.value(), 43);
}

TEST(LedgerPlace, ChecksARecordedHeadWithoutLocking)
{
    Spent images;
    const auto ledger = images.of(images.folder);
    const std::string text = ledger->text();
    const auto entries = parse_ledger(text);
    EXPECT_TRUE(require_head(*entries, head_of(text), ledger->head()));
    const auto emptied = require_head({}, head_of(""), ledger->head());
    EXPECT_EQ(emptied.error().code, ErrorCode::Refused);
    EXPECT_THAT(emptied.error().message, HasSubstr("line 1 is missing"));
    EXPECT_FALSE(require_head(*entries, head_of(text), {-7, ""}));
    EXPECT_FALSE(require_head(*entries, head_of(text), {INT64_MAX, std::string(64, '1')}));
    EXPECT_FALSE(require_head(*entries, head_of(text), {0, std::string(64, '1')}));
}

TEST(LedgerPlace, IsNotTakenForEmptyWhenItCannotBeListed)
{
    Spent images;
    fs::rename(images.dir.path() / "ledgers", images.dir.path() / "hidden");
    EXPECT_EQ(images.store.folders().error().code, ErrorCode::Unreadable);
}

} // namespace
} // namespace velamen::privacy
