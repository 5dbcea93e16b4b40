// SPDX-License-Identifier: GPL-3.0-or-later
//
// A private run whose units are patients with several images, from metadata.csv to the ledger.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/privacy/class_moments.h"
#include "engine/privacy/totals.h"
#include "engine/train/private/private_session.h"
#include "engine/train/private/warm_start.h"
#include "tests/support/leaks.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"

namespace velamen::train {
namespace {

namespace fs = std::filesystem;
using test::Recorder;
using ::testing::HasSubstr;

constexpr int kPatients = 120;

class PatientRun : public ::testing::Test {
protected:
    void SetUp() override
    {
        images_ = test::write_patient_folder(source(), kPatients);
        ASSERT_TRUE(test::write_tiny_checkpoint(dir_.path() / "base"));
    }

    fs::path source() const { return dir_.path() / "private"; }
    fs::path run() const { return dir_.path() / "run"; }
    fs::path ledgers() const { return dir_.path() / "ledgers"; }

    PlanRequest request() const
    {
        PlanRequest request;
        request.checkpoint = dir_.path() / "base";
        request.source = source();
        request.keys = {.label = "column:kind", .unit = "column:patient"};
        request.unit = "patient";
        request.classes = {"round", "square"};
        request.epsilon = 8.0;
        request.delta = 1e-4;
        request.public_units = kPatients;
        request.expected_batch = 40;
        request.steps = 3;
        request.images_per_unit = 3;
        request.noise_multiplicity = 2;
        return request;
    }
    TrainingPlan plan() const { return make_plan(request()).value(); }

    Result<> train(const TrainingPlan& p, const fs::path& folder, Recorder& recorder,
                   std::stop_token stop = {})
    {
        VELAMEN_ASSIGN(const auto session, start_private_run(p, folder, ledgers()));
        Mailbox mailbox;
        return session->run(std::move(stop), mailbox, recorder);
    }
    Result<> resume(Recorder& recorder)
    {
        VELAMEN_ASSIGN(const auto session, resume_private_run(run(), ledgers()));
        Mailbox mailbox;
        return session->run({}, mailbox, recorder);
    }
    std::vector<privacy::LedgerEntry> ledger() const
    {
        const auto folders = privacy::LedgerStore::open(ledgers())->list();
        if (folders.size() != 1) return {};
        return *privacy::parse_ledger(*core::read_file(folders.front() / "ledger.jsonl"));
    }
    /// Changes metadata.csv.
    void edit(const std::string& from, const std::string& to) const
    {
        std::string text = *core::read_file(source() / "metadata.csv");
        const auto at = text.find(from);
        ASSERT_NE(at, std::string::npos);
        text.replace(at, from.size(), to);
        ASSERT_TRUE(core::write_file(source() / "metadata.csv", text));
    }
    static std::string patient(int number) { return test::patient_name(number); }

    test::TempDir dir_;
    int images_ = 0;
};

TEST_F(PatientRun, ChargesPatientsAndLeavesNothingOfThemBehind)
{
    auto asked = request();
    asked.neighbours = privacy::Neighbours::AddRemove;
    asked.public_units = 110; // a public number; the folder holds 120
    asked.expected_batch = 37;
    Recorder recorder;
    const auto done = train(make_plan(asked).value(), run(), recorder);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(recorder.points.size(), 3U);
    const auto entries = ledger();
    ASSERT_EQ(entries.size(), 3U);
    for (const auto& entry : entries)
        EXPECT_EQ(entry.unit, "patient");
    ASSERT_EQ(images_, 300);
    for (const fs::path& root : {run(), ledgers()})
        EXPECT_THAT(test::leaks_in(root, {.texts = {test::kCanary}, .numbers = {"120", "300"}}),
                    ::testing::IsEmpty());
}

TEST_F(PatientRun, HasRowsThatDoNotDependOnTheMicroBatch)
{
    auto p = plan();
    p.reproducible = true;
    std::vector<double> norms, losses;
    for (const std::int64_t micro_batch : {1, 7, 64}) {
        p.micro_batch = micro_batch;
        Recorder recorder;
        const auto done = train(p, dir_.path() / ("run" + std::to_string(micro_batch)), recorder);
        ASSERT_TRUE(done) << done.error().message;
        norms.push_back(recorder.points.front().noised_gradient_norm);
        losses.push_back(recorder.points.front().noised_loss.value());
    }
    for (const double norm : norms)
        EXPECT_NEAR(norm, norms.front(), 1e-5 * norms.front());
    for (const double loss : losses)
        EXPECT_NEAR(loss, losses.front(), 1e-5);
}

TEST_F(PatientRun, IsRefusedWhereTheNumberOfPatientsIsAnother)
{
    edit(patient(1) + "\n", patient(0) + "\n"); // the one image of a patient goes to another
    Recorder recorder;
    const auto outcome = train(plan(), run(), recorder);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::Refused);
    EXPECT_THAT(outcome.error().message,
                HasSubstr("does not hold the 120 units of the plan, each one patient"));
    EXPECT_TRUE(ledger().empty());
}

TEST_F(PatientRun, IsRefusedWhereAClassIsNotInThePlan)
{
    edit("round", std::string("oval") + test::kCanary);
    Recorder recorder;
    const auto outcome = train(plan(), run(), recorder);
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message + outcome.error().hint, Not(HasSubstr(test::kCanary)));
}

TEST_F(PatientRun, DoesNotGoOnWithImagesThatAreGroupedOrLabelledOtherwise)
{
    test::StoppingRecorder first;
    ASSERT_FALSE(train(plan(), run(), first, first.source.get_token()));
    const std::string table = *core::read_file(source() / "metadata.csv");
    // As many patients as before: one of several images moves.
    edit(patient(3) + "\n", patient(2) + "\n");
    Recorder recorder;
    const auto regrouped = resume(recorder);
    ASSERT_FALSE(regrouped);
    EXPECT_EQ(regrouped.error().code, ErrorCode::Refused);
    EXPECT_THAT(regrouped.error().message, HasSubstr("groups of images"));
    ASSERT_TRUE(core::write_file(source() / "metadata.csv", table));
    edit("round", "square");
    EXPECT_EQ(resume(recorder).error().code, ErrorCode::Refused);
    EXPECT_TRUE(recorder.points.empty());
    // Patients under other names, in other files, are the same dataset.
    ASSERT_TRUE(core::write_file(source() / "metadata.csv", table));
    const std::string name = *test::patient_images(source()).begin();
    fs::rename(source() / name, source() / "moved.png");
    edit(name, "moved.png");
    const auto same = resume(recorder);
    EXPECT_TRUE(same) << same.error().message;
    EXPECT_EQ(ledger().size(), 3U);
}

TEST_F(PatientRun, SharesItsLedgerWithRunsPerImageButNoTotalWithoutABound)
{
    auto images = request();
    images.keys.unit = "file";
    images.unit = "image";
    images.images_per_unit = 1;
    images.public_units = images_;
    Recorder recorder;
    const auto first = train(make_plan(images).value(), dir_.path() / "first", recorder);
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_TRUE(train(plan(), run(), recorder));
    const auto entries = ledger();
    ASSERT_EQ(entries.size(), 6U);
    const auto delta = *privacy::Delta::create(1e-4);
    EXPECT_THAT(privacy::total_of(entries, {}, delta).error().message,
                HasSubstr("a patient event has no place in a total per image"));
    EXPECT_THAT(privacy::total_of(entries, {.unit = "patient"}, delta).error().message,
                HasSubstr("only by group privacy"));
    const auto bounded =
        privacy::total_of(entries, {.unit = "patient", .images_per_unit = 4}, delta);
    ASSERT_TRUE(bounded);
    EXPECT_GT(bounded->epsilon.value(), 8.0);
    EXPECT_LE(
        privacy::total_of(std::span(entries).last(3), {.unit = "patient"}, delta)->epsilon.value(),
        8.0);
}

TEST_F(PatientRun, StartsWarmFromPatientsAsUnits)
{
    auto asked = request();
    asked.warm_start = true;
    auto p = make_plan(asked).value();
    p.optimiser.warm_start_steps = 5;
    Recorder recorder;
    const auto done = train(p, run(), recorder);
    ASSERT_TRUE(done) << done.error().message;
    const auto entries = ledger();
    ASSERT_EQ(entries.size(), 4U);
    EXPECT_EQ(privacy::type_of(entries.front().event), "gaussian");
    for (const auto& entry : entries)
        EXPECT_EQ(entry.unit, "patient");
}

} // namespace
} // namespace velamen::train
