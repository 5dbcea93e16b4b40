// SPDX-License-Identifier: GPL-3.0-or-later
//
// The window as a person uses it, over the pretended engine: controls are found by objectName and
// clicked. Oracle: what the studio, the pretended engine and the disk say afterwards.

#include <QAbstractButton>
#include <QApplication>
#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QScrollArea>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTableView>
#include <QTest>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "engine/core/file.h"
#include "engine/image/codec.h"
#include "tests/gui/fake_services.h"
#include "tests/gui/studio_test.h"
#include "tests/support/temp_dir.h"
#include "ui/widgets/epsilon_gauge.h"
#include "ui/widgets/image_grid.h"
#include "ui/widgets/plot_widget.h"
#include "ui/widgets/theme.h"

namespace velamen::test {
namespace {

class StudioWindowTest : public StudioTest {
protected:
    void open(const FakeOptions& options = quick()) { openWith(fakeServices(options)); }
    /// 5,000 images of the tuned model, 5 ms each.
    void drawForLong()
    {
        auto options = quick();
        options.imageMicroseconds = 5000;
        open(options);
        confirmDemo();
        trainToTheEnd();
        click("rail.sample");
        find<QSpinBox>("sample.count")->setValue(5000);
        click("sample.generate");
    }

    /// Saves the selected picture; what its file says that it comes from.
    std::string savedSource()
    {
        const TempDir folder;
        const auto file = folder.path() / "one.png";
        dialogs().files.setNextFileName(QString::fromStdString(file.string()));
        click("sample.saveOne");
        const auto bytes = core::read_file(file);
        EXPECT_TRUE(bytes);
        if (!bytes) return {};
        const auto text = image::png_text(std::as_bytes(std::span(bytes->data(), bytes->size())));
        EXPECT_TRUE(text);
        return text ? text->at("Source") : std::string();
    }

    static FakeOptions quick()
    {
        return {.imagesPerClass = 200,
                .steps = 64,
                .stepMicroseconds = 2000,
                .encodeMicroseconds = 50,
                .imageMicroseconds = 500};
    }
};

TEST_F(StudioWindowTest, LeadsFromPrivateImagesToAVerifiedRelease)
{
    open();
    confirmDemo();
    EXPECT_TRUE(find<ui::ImageGrid>("data.pictures")->isVeiled()); // private until revealed
    trainToTheEnd();
    EXPECT_EQ(studio().points().size(), 64U);
    EXPECT_EQ(studio().sampleRows().back().step, 64);
    EXPECT_LE(studio().progress().epsilon, studio().runPlan()->privacy.epsilon);
    auto* plot = find<ui::PlotWidget>("train.loss");
    EXPECT_EQ(plot->points(0).size(), 64U);
    EXPECT_EQ(find<ui::ImageGrid>("train.samples")->rows(), 10);

    click("rail.sample");
    find<QSpinBox>("sample.count")->setValue(30);
    find<QLineEdit>("sample.seed")->setText(QStringLiteral("7"));
    click("sample.generate");
    ASSERT_TRUE(
        until([&] { return !studio().isGenerating() && studio().generated().size() == 30; }));
    EXPECT_EQ(find<ui::ImageGrid>("sample.grid")->count(), 30);
    EXPECT_EQ(studio().generated().back().seed, 36U);

    const TempDir folder;
    const auto zip = folder.path() / "digits.zip";
    click("rail.release");
    dialogs().files.setNextFileName(QString::fromStdString(zip.string()));
    click("release.write");
    ASSERT_TRUE(until([&] { return studio().verification().has_value(); }));
    EXPECT_TRUE(studio().verification()->is_valid);
    EXPECT_EQ(studio().releaseSummary()->images, 30);
    EXPECT_TRUE(std::filesystem::exists(zip));
    EXPECT_TRUE(find<QLabel>("release.verdict")->text().contains(QStringLiteral("✓")));

    click("rail.ledger");
    ASSERT_TRUE(until([&] { return studio().ledger().size() == 2; })); // 64 steps, 32 a line
    EXPECT_EQ(find<QTableView>("ledger.table")->model()->rowCount(), 2);
    EXPECT_EQ(failures_->count(), 0);
}

TEST_F(StudioWindowTest, SaysOnStartWhyItIsDisabled)
{
    open();
    auto* start = find<QAbstractButton>("train.start");
    EXPECT_FALSE(start->isEnabled());
    EXPECT_FALSE(start->toolTip().isEmpty());
    click("start.demo");
    ASSERT_TRUE(until([&] { return studio().manifest() && studio().inspection(); }));
    studio().setUnitsArePublic(true);
    ASSERT_TRUE(until([&] { return studio().plan().has_value(); }));
    EXPECT_FALSE(start->isEnabled());
    EXPECT_TRUE(start->toolTip().contains(QStringLiteral("onfirm")))
        << start->toolTip().toStdString();
    studio().confirmPlan();
    EXPECT_TRUE(start->isEnabled());
}

TEST_F(StudioWindowTest, TakesTheConfirmationBackWhenTheRequestChanges)
{
    open();
    confirmDemo();
    auto request = studio().request();
    request.epsilon = 3.0;
    studio().setRequest(request);
    EXPECT_FALSE(studio().isConfirmed());
    EXPECT_FALSE(find<QAbstractButton>("train.start")->isEnabled());
    ASSERT_TRUE(until([&] { return studio().plan().has_value(); }));
    EXPECT_DOUBLE_EQ(studio().plan()->privacy.epsilon, 3.0);
    EXPECT_FALSE(studio().isConfirmed());
}

TEST_F(StudioWindowTest, PausesResumesSamplesAndStopsWithEveryCommandAnswered)
{
    auto options = quick();
    options.haltsAtStep = 50;
    open(options);
    confirmDemo();
    QSignalSpy answers(&studio(), &ui::Studio::commandAnswered);
    click("rail.train");
    click("train.start");
    ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Running; }));
    click("train.pause");
    ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Paused; }));
    const auto points = studio().points().size();
    QTest::qWait(100);
    EXPECT_EQ(studio().points().size(), points);
    EXPECT_FALSE(find<QAbstractButton>("train.pause")->isVisible());
    click("train.resume");
    ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Running; }));
    dialogs().messages.setNextAnswer(0);
    click("train.stop");
    ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Done; }));
    QStringList commands;
    for (const auto& answer : answers)
        if (answer.at(1).toBool()) commands << answer.at(0).toString();
    EXPECT_EQ(commands, QStringList({"pause", "resume", "stop"}));
    ASSERT_TRUE(until([&] { return studio().canResume(); }));
    EXPECT_TRUE(find<QAbstractButton>("train.resume")->isVisible());
}

TEST_F(StudioWindowTest, GoesOnWithAStoppedRunWhereItStopped)
{
    auto options = quick();
    options.stepMicroseconds = 10'000;
    open(options);
    confirmDemo();
    click("rail.train");
    click("train.start");
    ASSERT_TRUE(until([&] { return studio().points().size() > 5; }));
    dialogs().messages.setNextAnswer(0);
    click("train.stop");
    ASSERT_TRUE(until([&] { return studio().canResume(); }));
    const auto stopped = studio().lastRun()->step;
    click("train.resume");
    ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Done; }));
    EXPECT_EQ(studio().points().size(), 64U);
    EXPECT_EQ(studio().points()[static_cast<std::size_t>(stopped)].step, stopped + 1);
    EXPECT_EQ(studio().points().back().step, 64);
}

TEST_F(StudioWindowTest, StopAsksFirstAndNoKeepsTheRun)
{
    auto options = quick();
    options.haltsAtStep = 20;
    open(options);
    confirmDemo();
    click("rail.train");
    click("train.start");
    ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Running; }));
    dialogs().messages.setNextAnswer(1);
    click("train.stop");
    EXPECT_EQ(studio().runState(), ui::RunState::Running);
}

TEST_F(StudioWindowTest, ClosingDuringARunOffersToPauseToKeepRunningOrToCancel)
{
    auto options = quick();
    options.stepMicroseconds = 20'000;
    open(options);
    confirmDemo();
    click("rail.train");
    click("train.start");
    ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Running; }));
    dialogs().messages.setNextAnswer(2); // cancel
    EXPECT_FALSE(window().close());
    EXPECT_EQ(studio().runState(), ui::RunState::Running);
    dialogs().messages.setNextAnswer(1); // keep running
    EXPECT_FALSE(window().close());
    EXPECT_EQ(studio().runState(), ui::RunState::Running);
    dialogs().messages.setNextAnswer(0); // pause and quit
    EXPECT_FALSE(window().close());      // not before the run has paused
    ASSERT_TRUE(until([&] { return !window().isVisible(); }));
    EXPECT_TRUE(studio().canResume());
}

TEST_F(StudioWindowTest, AFailedRunIsShownWithItsWayOut)
{
    auto options = quick();
    options.failsAtStep = 9;
    open(options);
    confirmDemo();
    click("rail.train");
    click("train.start");
    ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Failed; }));
    ASSERT_EQ(failures_->count(), 1);
    EXPECT_EQ(failures_->front().at(1).value<Error>().code, ErrorCode::NoSpace);
    ASSERT_TRUE(until([&] { return studio().canResume(); }));
}

TEST_F(StudioWindowTest, AFailedScanLeavesNoPlan)
{
    open();
    confirmDemo();
    studio().chooseSource("/missing");
    ASSERT_TRUE(until([&] { return failures_->count() == 1; }));
    EXPECT_FALSE(studio().plan());
    EXPECT_FALSE(studio().isConfirmed());
    EXPECT_TRUE(studio().planProblem());
}

TEST_F(StudioWindowTest, RemembersTheRequestAcrossARestart)
{
    open();
    click("start.demo");
    ASSERT_TRUE(until([&] { return studio().manifest().has_value(); }));
    studio().setUnitsArePublic(false);
    auto request = studio().request();
    request.epsilon = 2.0;
    request.public_units = 1500;
    studio().setRequest(request);
    const auto folder = studio().projectFolder();
    made_.reset();

    made_ = std::make_unique<StudioWindow>(fakeServices(quick()));
    studio().openProject(folder);
    EXPECT_DOUBLE_EQ(studio().request().epsilon, 2.0);
    EXPECT_EQ(studio().request().public_units, 1500);
    EXPECT_EQ(studio().unitsArePublic(), false);
    failures_.reset();
}

TEST_F(StudioWindowTest, CancellingKeepsTheImagesDrawnSoFar)
{
    drawForLong();
    ASSERT_TRUE(until([&] { return studio().generated().size() > 3; }));
    click("sample.cancel");
    ASSERT_TRUE(until([&] { return !studio().isGenerating(); }));
    EXPECT_GT(studio().generated().size(), 3U);
    EXPECT_LT(studio().generated().size(), 5000U);
    EXPECT_EQ(failures_->count(), 0);
    EXPECT_TRUE(find<QAbstractButton>("sample.generate")->isEnabled());
}

// Drafts fill the places of images to come: they cannot be saved, and none outlives the drawing.
TEST_F(StudioWindowTest, ShowsImagesOnTheirWayAndKeepsThoseThatAreDone)
{
    drawForLong();
    auto* grid = find<ui::ImageGrid>("sample.grid");
    const auto done = [&] { return static_cast<int>(studio().generated().size()); };
    ASSERT_TRUE(until([&] { return done() > 3 && grid->count() > done(); }));
    EXPECT_LE(grid->count(), done() + 8);
    grid->setSelected(grid->count() - 1);
    EXPECT_FALSE(find<QAbstractButton>("sample.saveOne")->isEnabled());
    click("sample.cancel");
    ASSERT_TRUE(until([&] { return !studio().isGenerating(); }));
    EXPECT_EQ(grid->count(), done());
    const auto& last = studio().generated().back();
    EXPECT_EQ(grid->image(done() - 1), ui::toQImage(drawnDigit(last.class_index, last.seed)));
}

TEST_F(StudioWindowTest, ASavedImageSaysThatItIsSynthetic)
{
    open();
    confirmDemo();
    trainToTheEnd();
    click("rail.sample");
    find<QSpinBox>("sample.count")->setValue(3);
    click("sample.generate");
    ASSERT_TRUE(
        until([&] { return !studio().isGenerating() && studio().generated().size() == 3; }));
    EXPECT_NE(savedSource().find("Synthetic"), std::string::npos);
}

// Images of the public model say so everywhere, and no release takes them for protected ones.
TEST_F(StudioWindowTest, DrawsFromThePublicModelAndNeverReleasesIt)
{
    open();
    click("start.demo");
    ASSERT_TRUE(until([&] { return studio().inspection().has_value(); }));
    click("rail.sample");
    EXPECT_FALSE(find<QComboBox>("sample.model")->isEnabled()); // there is no tuned one yet
    find<QSpinBox>("sample.count")->setValue(3);
    const auto draw = [&] {
        click("sample.generate");
        return until([&] { return !studio().isGenerating() && studio().generated().size() == 3; });
    };
    ASSERT_TRUE(draw());
    EXPECT_EQ(studio().generatedModel(), ui::DrawnModel::Public);
    EXPECT_FALSE(studio().whyCannotRelease().isEmpty());
    EXPECT_EQ(savedSource(), "Synthetic, of a public model");

    click("rail.start");
    confirmDemo();
    trainToTheEnd();
    EXPECT_EQ(studio().drawnModel(), ui::DrawnModel::Tuned);
    EXPECT_FALSE(studio().whyCannotRelease().isEmpty()); // the images are still the public model's
    click("rail.sample");
    ASSERT_TRUE(draw());
    EXPECT_TRUE(studio().whyCannotRelease().isEmpty());
    studio().setDrawnModel(ui::DrawnModel::Public);
    ASSERT_TRUE(draw());
    EXPECT_FALSE(studio().whyCannotRelease().isEmpty());

    // The wish was this session's: a project that is opened begins at its tuned model.
    const TempDir folder;
    const auto first = studio().projectFolder();
    studio().createProject(folder.path() / "other", QStringLiteral("other"));
    studio().openProject(first);
    ASSERT_TRUE(until([&] { return studio().hasTunedModel(); }));
    EXPECT_EQ(studio().drawnModel(), ui::DrawnModel::Tuned);
}

TEST_F(StudioWindowTest, ATamperedZipIsShownWithEachThingThatDoesNotMatch)
{
    open();
    click("start.demo");
    const TempDir folder;
    const auto zip = folder.path() / "tampered.zip";
    ASSERT_TRUE(core::write_file(zip, std::string_view("30")));
    click("rail.release");
    dialogs().files.setNextFileName(QString::fromStdString(zip.string()));
    click("release.verify");
    ASSERT_TRUE(until([&] { return studio().verification().has_value(); }));
    EXPECT_EQ(find<QListWidget>("release.findings")->count(), 2);
    EXPECT_TRUE(find<QLabel>("release.verdict")->text().contains(QStringLiteral("✕")));
}

TEST_F(StudioWindowTest, EveryButtonAndFieldHasANameForAssistiveTools)
{
    open();
    for (const char* page :
         {"start", "data", "model", "privacy", "train", "sample", "release", "ledger"}) {
        window().showPage(QString::fromLatin1(page));
        for (const auto* button : window().findChildren<QAbstractButton*>()) {
            if (!button->isVisible()) continue;
            EXPECT_FALSE(button->accessibleName().isEmpty() && button->text().isEmpty())
                << page << ": " << button->objectName().toStdString();
        }
    }
    for (const char* name : {"sample.class", "sample.count", "sample.seed", "sample.guidance",
                             "sample.sampler", "sample.steps", "sample.eta", "train.loss",
                             "train.budget", "train.samples", "ledger.table", "sample.grid"})
        EXPECT_FALSE(find<QWidget>(name)->accessibleName().isEmpty()) << name;
}

} // namespace
} // namespace velamen::test

int main(int argc, char** argv)
{
    // A window that grows without end fails here instead of taking the machine with it.
    const rlimit memory{std::size_t{8} << 30, std::size_t{8} << 30};
    setrlimit(RLIMIT_AS, &memory);
    const velamen::test::TempDir home;
    qputenv("XDG_DATA_HOME", home.path().c_str());
    QApplication application(argc, argv);
    QLocale::setDefault(QLocale::c());
    velamen::ui::applyTheme(application, velamen::ui::Appearance::Light);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
