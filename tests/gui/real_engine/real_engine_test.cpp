// SPDX-License-Identifier: GPL-3.0-or-later
//
// From private images to a verified release in the window, with the engine that the program ships.
// Oracle: the release verifies, opens as a zip of that many images, and holds no private name.

#include <QApplication>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QSpinBox>
#include <gmock/gmock.h>

#include "app/velamen/engine_services.h"
#include "app/wiring.h"
#include "engine/core/file.h"
#include "engine/release/release.h"
#include "tests/gui/studio_test.h"
#include "tests/support/leaks.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_run.h"
#include "ui/widgets/image_grid.h"
#include "ui/widgets/theme.h"

namespace velamen::test {
namespace {

class RealEngineTest : public StudioTest {
protected:
    /// The window over the real engine, with `count` private images, planned and confirmed.
    void confirm(int count, bool isCountPublic)
    {
        write_private_folder(folder_.path() / "private", count);
        ASSERT_NO_FATAL_FAILURE(openPrivate());
        EXPECT_EQ(studio().manifest()->images.size(), static_cast<std::size_t>(count));
        ASSERT_NO_FATAL_FAILURE(planAndConfirm(isCountPublic));
    }

    /// The demo project over what was written to "private".
    void openPrivate()
    {
        patience_ = 120'000;
        ASSERT_TRUE(write_tiny_checkpoint(folder_.path() / "tiny"));
        auto services = app::engineServices(folder_.path() / "velamen");
        services.demoSource = folder_.path() / "private";
        services.demoCheckpoint = folder_.path() / "tiny";
        // A few public steps of a warm start go the same way as many.
        services.makePlan = [](const train::PlanRequest& request) {
            auto plan = train::make_plan(request);
            if (plan) plan->optimiser.warm_start_steps = 5;
            return plan;
        };
        openWith(std::move(services));
        click("start.demo");
        ASSERT_TRUE(until([&] { return studio().manifest() && studio().inspection(); }));
        EXPECT_LT(studio().inspection()->trained_parameters,
                  studio().inspection()->total_parameters);
    }

    void planAndConfirm(bool isCountPublic, bool isWarm = false)
    {
        click("rail.privacy");
        click(isCountPublic ? "privacy.units.public" : "privacy.units.secret");
        if (!isCountPublic) {
            auto* typed = find<QLineEdit>("privacy.units.typed");
            QTest::keyClicks(typed, QStringLiteral("200"));
            QTest::keyClick(typed, Qt::Key_Return);
        }
        click("privacy.adjust");
        find<QSpinBox>("privacy.steps")->setValue(8);
        find<QSpinBox>("privacy.batch")->setValue(40);
        if (isWarm) click("privacy.warm");
        ASSERT_TRUE(until([&] { return studio().plan() && studio().plan()->privacy.steps == 8; }));
        click("privacy.next");
        for (const char* box : {"confirm.unit", "confirm.classes"})
            if (auto* check = find<QCheckBox>(box); check->isVisible()) click(box);
        dialogs().messages.setNextAnswer(0); // a large epsilon has to be typed again
        click("privacy.next");
        ASSERT_TRUE(studio().isConfirmed());
    }

    void sampleAndRelease()
    {
        click("rail.sample");
        find<QSpinBox>("sample.count")->setValue(12);
        find<QSpinBox>("sample.steps")->setValue(4);
        click("sample.generate");
        ASSERT_TRUE(
            until([&] { return !studio().isGenerating() && studio().generated().size() == 12; }));
        click("rail.release");
        dialogs().files.setNextFileName(QString::fromStdString(zip().string()));
        click("release.write");
        ASSERT_TRUE(until([&] { return studio().verification().has_value(); }));
    }

    std::filesystem::path zip() const { return folder_.path() / "out" / "release.zip"; }

    const TempDir folder_;
};

TEST_F(RealEngineTest, LeadsFromPrivateImagesToAVerifiedRelease)
{
    ASSERT_TRUE(core::make_directory(zip().parent_path()));
    ASSERT_NO_FATAL_FAILURE(confirm(120, true));
    ASSERT_NO_FATAL_FAILURE(trainToTheEnd());
    EXPECT_EQ(studio().points().size(), 8U);
    EXPECT_LE(studio().lastRun()->epsilon, 10.0);
    EXPECT_GT(studio().lastRun()->epsilon, 0.0);
    ASSERT_NO_FATAL_FAILURE(sampleAndRelease());
    EXPECT_TRUE(studio().verification()->is_valid);
    EXPECT_EQ(studio().verification()->images, 12);
    EXPECT_TRUE(find<QLabel>("release.verdict")->text().contains(QStringLiteral("✓")));
    const auto again = release::verify(zip());
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->is_valid);
    click("rail.ledger");
    ASSERT_TRUE(until([&] { return studio().ledger().size() == 8; }));
    EXPECT_EQ(failures_->count(), 0);
}

TEST_F(RealEngineTest, PatientsOfATableLeadToAVerifiedReleaseThatNamesNoneOfThem)
{
    ASSERT_TRUE(core::make_directory(zip().parent_path()));
    const int images = write_patient_folder(folder_.path() / "private", 120);
    ASSERT_NO_FATAL_FAILURE(openPrivate());
    EXPECT_EQ(studio().keys().unit, "column:patient");
    EXPECT_EQ(studio().request().unit, "patient");
    studio().setKeys({.label = "column:kind", .unit = studio().keys().unit});
    ASSERT_TRUE(until([&] { return studio().manifest().has_value(); }));
    EXPECT_EQ(studio().manifest()->units.size(), 120U);
    EXPECT_EQ(studio().manifest()->images.size(), static_cast<std::size_t>(images));
    EXPECT_EQ(studio().manifest()->classes, (std::vector<std::string>{"round", "square"}));

    ASSERT_NO_FATAL_FAILURE(planAndConfirm(true, true));
    EXPECT_EQ(studio().plan()->privacy.public_units, 120);
    EXPECT_GT(studio().plan()->privacy.noise_warm_start, 0.0);
    EXPECT_GT(studio().forecast()->epsilon_warm_start, 0.0);
    EXPECT_LT(studio().forecast()->noise_without_warm_start,
              studio().plan()->privacy.noise_effective);
    ASSERT_NO_FATAL_FAILURE(trainToTheEnd());
    ASSERT_NO_FATAL_FAILURE(sampleAndRelease());
    EXPECT_TRUE(studio().verification()->is_valid);
    const Secrets secrets{.texts = {kCanary}, .numbers = {}};
    EXPECT_THAT(leaks_in(zip().parent_path(), secrets), testing::IsEmpty());
    EXPECT_THAT(leaks_in(core::user_data_directory() / "ledgers", secrets), testing::IsEmpty());
    EXPECT_THAT(leaks_in(studio().projectFolder(), secrets), testing::IsEmpty());
}

TEST_F(RealEngineTest, ARolledBackLedgerIsNotCertified)
{
    ASSERT_TRUE(core::make_directory(zip().parent_path()));
    ASSERT_NO_FATAL_FAILURE(confirm(120, true));
    ASSERT_NO_FATAL_FAILURE(trainToTheEnd());
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(core::user_data_directory() / "ledgers")) {
        if (file.path().filename() != "ledger.jsonl") continue;
        auto text = core::read_file(file.path());
        ASSERT_TRUE(text);
        text->resize(text->rfind('\n', text->size() - 2) + 1); // the last step never happened
        ASSERT_TRUE(core::write_file(file.path(), std::string_view(*text)));
    }
    const auto request = app::releaseRequestOf(studio().lastRunFolder());
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().code, ErrorCode::Refused);
}

TEST_F(RealEngineTest, NothingPrivateReachesTheZipTheLedgerOrTheEvents)
{
    // 137 images, 69 and 68 of a class; the plan is made for a typed 200.
    ASSERT_TRUE(core::make_directory(zip().parent_path()));
    ASSERT_NO_FATAL_FAILURE(confirm(137, false));
    EXPECT_EQ(studio().plan()->privacy.neighbours, privacy::Neighbours::AddRemove);
    ASSERT_NO_FATAL_FAILURE(trainToTheEnd());
    ASSERT_NO_FATAL_FAILURE(sampleAndRelease());
    EXPECT_TRUE(studio().verification()->is_valid);
    const Secrets secrets{.texts = {kCanary}, .numbers = {"137", "69", "68"}};
    Secrets outside = secrets; // what may leave the project names no place and no time either
    outside.texts.push_back(folder_.path().string());
    outside.texts.push_back(core::user_data_directory().string());
    outside.texts.emplace_back("seconds");
    EXPECT_THAT(leaks_in(zip().parent_path(), outside), testing::IsEmpty());
    EXPECT_THAT(leaks_in(core::user_data_directory() / "ledgers", outside), testing::IsEmpty());
    EXPECT_THAT(leaks_in(studio().projectFolder(), secrets), testing::IsEmpty());
}

} // namespace
} // namespace velamen::test

int main(int argc, char** argv)
{
    const velamen::test::TempDir home;
    qputenv("XDG_DATA_HOME", home.path().c_str());
    QApplication application(argc, argv);
    QLocale::setDefault(QLocale::c());
    velamen::ui::applyTheme(application, velamen::ui::Appearance::Light);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
