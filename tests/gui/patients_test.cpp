// SPDX-License-Identifier: GPL-3.0-or-later
//
// Units of several images, and every choice of the method, in the window over the pretended engine.
// Oracle: the request and the plan that come out, and the words on the pages.

#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QRegularExpression>
#include <QSpinBox>
#include <QTableWidget>
#include <QToolButton>
#include <atomic>

#include "tests/gui/fake_services.h"
#include "tests/gui/studio_test.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/notice.h"

namespace velamen::test {
namespace {

/// 2,000 images of 150 patients, told apart by a column.
class PatientsTest : public StudioTest {
protected:
    void open()
    {
        auto services = fakeServices({.imagesPerClass = 200,
                                      .steps = 64,
                                      .stepMicroseconds = 1000,
                                      .encodeMicroseconds = 50,
                                      .patients = 150});
        services.scan = [this, scan = services.scan](const auto& source, const auto& keys,
                                                     const auto& unit, auto stop,
                                                     const auto& progress) {
            ++scans_;
            return scan(source, keys, unit, stop, progress);
        };
        openWith(std::move(services));
        click("start.demo");
        ASSERT_TRUE(until([&] { return studio().manifest() && studio().inspection(); }));
    }

    /// Of the label that is seen, where several have the name; without what groups digits, which
    /// is the locale's affair.
    QString text(const char* name)
    {
        QString found = find<QLabel>(name)->text();
        for (const auto* label : window().findChildren<QLabel*>(QString::fromLatin1(name)))
            if (label->isVisible()) found = label->text();
        return found.remove(QRegularExpression(QStringLiteral("(?<=\\d),(?=\\d)")));
    }
    void pick(const char* name, const char* value)
    {
        auto* box = find<QComboBox>(name);
        box->setCurrentIndex(box->findData(QLatin1String(value)));
        Q_EMIT box->activated(box->currentIndex());
    }
    bool planned(const std::function<bool(const train::TrainingPlan&)>& is)
    {
        return until([&] { return studio().plan() && is(*studio().plan()); });
    }

    std::atomic<int> scans_{0};
};

TEST_F(PatientsTest, ProtectsPatientsWithoutBeingAskedWhenAKeyIsFound)
{
    open();
    EXPECT_EQ(studio().keys().unit, "column:patient");
    EXPECT_EQ(studio().request().unit, "patient");
    EXPECT_EQ(studio().manifest()->units.size(), 150U);
    click("rail.data");
    EXPECT_EQ(text("data.found"),
              QStringLiteral("150 patients, 2000 images, 1 to 38 each; 10 classes"));
    click("rail.privacy");
    EXPECT_TRUE(find<QAbstractButton>("privacy.unit.patient")->isChecked());
    click("privacy.units.public");
    ASSERT_TRUE(planned([](const auto& plan) { return plan.privacy.public_units == 150; }));
    EXPECT_EQ(studio().plan()->privacy.images_per_unit, 4);
}

TEST_F(PatientsTest, LeadsThroughAPatientLevelPlanWithAWarmStart)
{
    open();
    click("rail.privacy");
    click("privacy.units.public");
    find<QSpinBox>("privacy.most")->setValue(3);
    find<QSpinBox>("privacy.draws")->setValue(2);
    click("privacy.adjust");
    click("privacy.warm");
    click("privacy.votes");
    pick("privacy.clipping", "per_block");
    pick("privacy.rule", "adam_bc");
    pick("privacy.precision", "bf16");
    find<QDoubleSpinBox>("privacy.memory")->setValue(2.5);
    ASSERT_TRUE(planned([](const auto& plan) {
        return plan.privacy.noise_votes > 0.0 && plan.memory_limit > 0.0;
    }));
    const auto& plan = *studio().plan();
    EXPECT_GT(plan.privacy.noise_warm_start, 0.0);
    EXPECT_EQ(plan.privacy.unit, "patient");
    EXPECT_EQ(plan.privacy.images_per_unit, 3);
    EXPECT_EQ(plan.optimiser.noise_multiplicity, 2);
    EXPECT_EQ(plan.optimiser.clipping, "per_block");
    EXPECT_EQ(plan.optimiser.rule, "adam_bc");
    EXPECT_EQ(plan.precision, "bf16");
    EXPECT_DOUBLE_EQ(plan.memory_limit, 2.5);
    const auto& forecast = *studio().forecast();
    EXPECT_EQ(text("privacy.warmCost"),
              QStringLiteral("The warm start takes about %1 of ε; the noise of each step rises "
                             "from %2 to %3.")
                  .arg(0.16 * plan.privacy.epsilon, 0, 'f', 2)
                  .arg(forecast.noise_without_warm_start, 0, 'f', 3)
                  .arg(plan.privacy.noise_effective, 0, 'f', 3));
    EXPECT_LT(forecast.noise_without_warm_start, plan.privacy.noise_effective);

    click("privacy.next");
    EXPECT_TRUE(text("confirm.promise").contains(QStringLiteral("a patient is in the folder")));
    EXPECT_EQ(text("fact.unit"),
              QStringLiteral("one patient, by column “patient”; at most 3 images in a step"));
    EXPECT_TRUE(text("fact.warm").contains(QStringLiteral("votes")));
    EXPECT_FALSE(find<QAbstractButton>("privacy.next")->isEnabled());
    click("confirm.unit");
    click("confirm.classes");
    dialogs().messages.setNextAnswer(0); // the demo's epsilon has to be typed again
    click("privacy.next");
    ASSERT_TRUE(studio().isConfirmed());
    trainToTheEnd();

    ASSERT_TRUE(studio().classMapping());
    click("train.votes");
    auto* mapping = find<QTableWidget>("train.mapping");
    EXPECT_TRUE(mapping->isVisible());
    ASSERT_EQ(mapping->rowCount(), 10);
    EXPECT_EQ(mapping->item(0, 1)->text(),
              QStringLiteral("lower_o 60 %, upper_O 30 %, upper_Q 7 %, others 3 %"));
    EXPECT_EQ(mapping->item(9, 1)->text(), QStringLiteral("no public class stood out"));
    EXPECT_EQ(studio().eventLog().filter(QStringLiteral("class 0 ← lower_o 60 %")).size(), 1);
    EXPECT_EQ(failures_->count(), 0);
}

TEST_F(PatientsTest, WithoutAWarmStartNothingIsSaidOfItsCost)
{
    open();
    studio().setUnitsArePublic(true);
    ASSERT_TRUE(until([&] { return studio().forecast().has_value(); }));
    EXPECT_FALSE(text("privacy.warmCost").contains(QStringLiteral("rises")));
    click("rail.train");
    EXPECT_FALSE(find<QToolButton>("train.votes")->isVisible());
}

TEST_F(PatientsTest, ImagesOfKnownPatientsAreProtectedAloneOnlyWhenAcknowledged)
{
    open();
    click("rail.privacy");
    click("privacy.unit.image");
    ASSERT_TRUE(until([&] { return studio().manifest().has_value(); }));
    EXPECT_EQ(studio().manifest()->units.size(), 2000U);
    EXPECT_FALSE(find<QWidget>("privacy.most")->isVisible());
    click("privacy.units.public");
    ASSERT_TRUE(planned([](const auto& plan) { return plan.privacy.public_units == 2000; }));
    EXPECT_EQ(studio().plan()->privacy.unit, "image");
    EXPECT_EQ(studio().plan()->keys.unit, "file");
    click("privacy.next");
    EXPECT_TRUE(find<QAbstractButton>("confirm.unit")
                    ->accessibleName()
                    .contains(QStringLiteral("although column “patient” tells")));
    click("confirm.classes");
    EXPECT_FALSE(find<QAbstractButton>("privacy.next")->isEnabled());
    click("confirm.unit");
    EXPECT_TRUE(find<QAbstractButton>("privacy.next")->isEnabled());
}

TEST_F(PatientsTest, AnotherUnitTakesBackWhatWasAcknowledgedOfTheFirst)
{
    open();
    studio().setUnitsArePublic(true);
    ASSERT_TRUE(until([&] { return studio().plan().has_value(); }));
    click("rail.privacy");
    click("privacy.next");
    click("confirm.unit");
    studio().setUnit("image");
    ASSERT_TRUE(planned([](const auto& plan) { return plan.privacy.unit == "image"; }));
    EXPECT_FALSE(find<QAbstractButton>("confirm.unit")->isChecked());
}

TEST_F(PatientsTest, GoingBackToAUnitReadsNoImageAnew)
{
    open();
    EXPECT_EQ(scans_, 1);
    studio().setUnit("image");
    ASSERT_TRUE(until([&] { return studio().manifest().has_value(); }));
    EXPECT_EQ(scans_, 2);
    studio().setUnit("patient");
    EXPECT_EQ(studio().manifest()->units.size(), 150U);
    studio().setUnit("household"); // another word for the same key
    EXPECT_EQ(studio().keys().unit, "column:patient");
    EXPECT_EQ(studio().manifest()->units.size(), 150U);
    EXPECT_EQ(scans_, 2);
}

TEST_F(PatientsTest, EveryPageSpeaksOfTheUnit)
{
    open();
    click("rail.privacy");
    auto* word = find<QComboBox>("privacy.unit.word");
    word->setEditText(QStringLiteral("study"));
    click("privacy.unit.other");
    EXPECT_EQ(studio().request().unit, "study");
    click("privacy.units.public");
    ASSERT_TRUE(planned([](const auto& plan) { return plan.privacy.unit == "study"; }));
    EXPECT_TRUE(text("privacy.sentence").contains(QStringLiteral("a study is in the folder")));
    EXPECT_TRUE(text("privacy.note").contains(QStringLiteral("of the studies in the folder")))
        << text("privacy.note").toStdString();
    EXPECT_EQ(text("fact.batch"), QStringLiteral("37 studies"));
    click("rail.data");
    EXPECT_TRUE(text("data.found").startsWith(QStringLiteral("150 studies, ")));
    click("rail.privacy");
    click("privacy.next");
    EXPECT_TRUE(text("fact.neighbours").contains(QStringLiteral("one study blanked")));
}

TEST_F(PatientsTest, AKeyThatFitsNoImageIsToldAndCanBeChanged)
{
    open();
    click("rail.data");
    pick("data.unit.where", "pattern:");
    ASSERT_TRUE(until([&] { return failures_->count() == 1; }));
    EXPECT_EQ(studio().keys().unit, "pattern:([^/_]+)_[^/]*$");
    EXPECT_FALSE(studio().manifest());
    EXPECT_TRUE(find<QWidget>("data.unit.where")->isVisible());
    EXPECT_TRUE(find<QWidget>("data.unit.where")->isEnabled());
    pick("data.unit.where", "file");
    ASSERT_TRUE(until([&] { return studio().manifest().has_value(); }));
    EXPECT_EQ(studio().request().unit, "image");
    click("data.useKey"); // what the table suggests
    EXPECT_EQ(studio().keys().unit, "column:patient");
    EXPECT_EQ(studio().request().unit, "patient");
}

TEST_F(PatientsTest, AColumnIsTypedOrPicked)
{
    open();
    click("rail.data");
    auto* column = find<QComboBox>("data.unit.column");
    ASSERT_TRUE(column->isVisible());
    EXPECT_EQ(column->count(), 3);
    column->setEditText(QStringLiteral("person"));
    Q_EMIT column->lineEdit()->editingFinished();
    EXPECT_EQ(studio().keys().unit, "column:person");
}

TEST_F(PatientsTest, AnotherSourceBeginsWithoutTheKeysOfTheLast)
{
    auto services = fakeServices({.imagesPerClass = 200, .patients = 150});
    services.suggestKeys = [suggest = services.suggestKeys](
                               const std::filesystem::path& source) -> Result<ui::KeySuggestion> {
        if (source == "/plain") return ui::KeySuggestion{};
        return suggest(source);
    };
    openWith(std::move(services));
    click("start.demo");
    ASSERT_TRUE(until([&] { return studio().manifest().has_value(); }));
    EXPECT_EQ(studio().request().unit, "patient");
    studio().chooseSource("/plain");
    ASSERT_TRUE(until([&] { return studio().manifest().has_value(); }));
    EXPECT_EQ(studio().request().unit, "image");
    EXPECT_TRUE(studio().knownUnitKey().empty());
    click("rail.privacy");
    EXPECT_FALSE(find<QAbstractButton>("privacy.unit.patient")->isEnabled());
    EXPECT_FALSE(find<QWidget>("privacy.unit.patient")->toolTip().isEmpty());
}

TEST_F(PatientsTest, EachSelectionShowsItsCountAndWhatIsMissingIsDisabled)
{
    open();
    click("rail.model");
    ASSERT_TRUE(until([&] { return text("model.count.full") == QStringLiteral("4610000"); }));
    EXPECT_EQ(text("model.count.attention"), QStringLiteral("1580000"));
    EXPECT_FALSE(find<QAbstractButton>("model.selection.cross")->isEnabled());
    click("model.conditioner");
    EXPECT_FALSE(studio().request().train_conditioner);
    ASSERT_TRUE(until([&] { return text("model.count.full") == QStringLiteral("4596176"); }));
    click("model.selection.lora");
    EXPECT_EQ(studio().selection(), QStringLiteral("lora:8"));
    find<QSpinBox>("model.from")->setValue(2);
    click("model.selection.attentionfrom");
    EXPECT_EQ(studio().selection(), QStringLiteral("attention:from=2"));
    ASSERT_TRUE(until([&] {
        return studio().inspection() && studio().inspection()->trained_parameters == 1'250'176;
    }));
}

TEST_F(PatientsTest, EveryChoiceIsThereAgainAfterARestart)
{
    open();
    studio().setUnitsArePublic(true);
    auto request = studio().request();
    request.unit = "household";
    request.images_per_unit = 5;
    request.class_votes = true;
    request.selection = "lora:8";
    studio().setRequest(request);
    const auto folder = studio().projectFolder();
    made_.reset();
    openWith(fakeServices({.imagesPerClass = 200, .patients = 150}));
    studio().openProject(folder);
    ASSERT_TRUE(until([&] { return studio().manifest().has_value(); }));
    EXPECT_EQ(studio().manifest()->units.size(), 150U);
    EXPECT_EQ(studio().request().unit, "household");
    EXPECT_EQ(studio().request().images_per_unit, 5);
    EXPECT_TRUE(studio().request().class_votes);
    EXPECT_EQ(studio().selection(), QStringLiteral("lora:8"));
    EXPECT_EQ(studio().keys().unit, "column:patient");
}

} // namespace
} // namespace velamen::test
