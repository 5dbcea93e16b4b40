// SPDX-License-Identifier: GPL-3.0-or-later
//
// Widgets one by one, on the offscreen platform. Oracles: the numbers given to a widget, WCAG's
// contrast formula, pixels of a grab.

#include <QApplication>
#include <QFile>
#include <QLabel>
#include <QLocale>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTest>
#include <QWheelEvent>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "tests/support/temp_dir.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/bar.h"
#include "ui/widgets/curve.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/epsilon_gauge.h"
#include "ui/widgets/epsilon_slider.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/image_grid.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/odds_dots.h"
#include "ui/widgets/plot_widget.h"
#include "ui/widgets/problem_list.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

std::vector<QPointF> ramp(int count)
{
    std::vector<QPointF> points;
    for (int i = 0; i < count; ++i)
        points.emplace_back(i, std::sin(i * 0.01));
    return points;
}

// WCAG 2: relative luminance and contrast ratio.
double luminance(const QColor& colour)
{
    const auto linear = [](double v) {
        return v <= 0.03928 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF())
        + 0.0722 * linear(colour.blueF());
}

double contrast(const QColor& a, const QColor& b)
{
    const double high = std::max(luminance(a), luminance(b));
    const double low = std::min(luminance(a), luminance(b));
    return (high + 0.05) / (low + 0.05);
}

QImage checkerboard()
{
    QImage image(32, 32, QImage::Format_Grayscale8);
    for (int y = 0; y < 32; ++y)
        for (int x = 0; x < 32; ++x)
            image.scanLine(y)[x] = (x / 2 + y / 2) % 2 == 0 ? 255 : 0;
    return image;
}

TEST(Theme, TextHasContrastOfAtLeastFourAndAHalf)
{
    for (const Theme& t : {Theme::light(), Theme::dark()}) {
        const std::pair<QColor, QColor> pairs[] = {{t.ink, t.card},
                                                   {t.ink, t.ground},
                                                   {t.muted, t.card},
                                                   {t.muted, t.ground},
                                                   {t.muted, t.statusGround},
                                                   {t.accentInk, t.accent},
                                                   {t.accentText, t.card},
                                                   {t.railInk, t.rail},
                                                   {t.railMuted, t.rail},
                                                   {t.danger, t.card},
                                                   {t.privateZone.ink, t.privateZone.ground},
                                                   {t.protectedZone.ink, t.protectedZone.ground},
                                                   {t.publicZone.ink, t.publicZone.ground},
                                                   {t.info.ink, t.info.ground},
                                                   {t.caution.ink, t.caution.ground},
                                                   {t.error.ink, t.error.ground},
                                                   {t.neutral.ink, t.neutral.ground}};
        for (const auto& [ink, ground] : pairs)
            EXPECT_GE(contrast(ink, ground), 4.5)
                << ink.name().toStdString() << " on " << ground.name().toStdString();
    }
}

TEST(Theme, StyleSheetHasNoColourNameLeft)
{
    EXPECT_FALSE(Theme::light().styleSheet().contains(QLatin1Char('@')));
}

TEST(Decimation, KeepsEverySpikeAndAtMostTwoPointsAColumn)
{
    auto points = ramp(100'000);
    points[54'321].setY(99.0);
    points[12'345].setY(-99.0);
    const auto few = decimate(points, 300);
    EXPECT_LE(few.size(), 600u);
    EXPECT_TRUE(std::ranges::any_of(few, [](const QPointF& p) { return p.y() == 99.0; }));
    EXPECT_TRUE(std::ranges::any_of(few, [](const QPointF& p) { return p.y() == -99.0; }));
    EXPECT_TRUE(std::ranges::is_sorted(few, {}, &QPointF::x));
}

TEST(Smoothing, LeavesAConstantAlone)
{
    for (const QPointF& point : smoothed({{0, 3.0}, {1, 3.0}, {2, 3.0}}))
        EXPECT_NEAR(point.y(), 3.0, 1e-12);
}

TEST(PlotWidget, GivesTheChartAtMostTwoPointsAPixelColumn)
{
    PlotWidget plot;
    plot.resize(400, 200);
    const int series = plot.addSeries(QStringLiteral("loss"), PlotWidget::SeriesStyle::Strong);
    plot.show();
    plot.setPoints(series, ramp(50'000));
    ASSERT_TRUE(QTest::qWaitFor([&] { return plot.drawnPoints(series) > 0; }, 3000));
    EXPECT_LE(plot.drawnPoints(series), 2 * plot.width());
    EXPECT_EQ(plot.points(series).size(), 50'000u);
}

TEST(PlotWidget, DrawsNothingWhileHidden)
{
    PlotWidget plot;
    const int series = plot.addSeries(QStringLiteral("loss"), PlotWidget::SeriesStyle::Strong);
    plot.setPoints(series, ramp(10));
    QTest::qWait(250);
    EXPECT_EQ(plot.drawnPoints(series), 0);
    plot.show();
    EXPECT_TRUE(QTest::qWaitFor([&] { return plot.drawnPoints(series) == 10; }, 3000));
}

TEST(PlotWidget, KeepsTheCurveOnALogarithmicAxisThroughZeroAndNan)
{
    PlotWidget plot;
    const int series = plot.addSeries(QStringLiteral("loss"), PlotWidget::SeriesStyle::Strong);
    plot.show();
    plot.setPoints(series,
                   {{0, 1.0}, {1, 0.0}, {2, std::numeric_limits<double>::quiet_NaN()}, {3, 0.1}});
    plot.setLogY(true);
    plot.flush();
    EXPECT_EQ(plot.drawnPoints(series), 3);
    EXPECT_FALSE(plot.isZoomed());
}

TEST(PlotWidget, DrawsValuesThatDifferByRoundingAlone)
{
    // One point and its moving average, which is the same but for the last bit.
    PlotWidget plot;
    const int thin = plot.addSeries(QStringLiteral("loss"), PlotWidget::SeriesStyle::Thin);
    const int strong = plot.addSeries(QStringLiteral("smoothed"), PlotWidget::SeriesStyle::Strong);
    plot.show();
    plot.setPoints(thin, {{1, 0.26}});
    plot.setPoints(strong, {{1, std::nextafter(0.26, 1.0)}});
    plot.flush();
    QTest::qWait(50); // the chart lays its ticks out when events are handled
    EXPECT_EQ(plot.drawnPoints(strong), 1);
}

TEST(PlotWidget, SavesAllPointsAsNumbersAndAPictureAsShown)
{
    const test::TempDir folder;
    PlotWidget plot;
    const int series = plot.addSeries(QStringLiteral("noised loss"), PlotWidget::SeriesStyle::Thin);
    plot.setPoints(series, ramp(5000));
    const QString csv = pathText(folder.path() / "plot.csv");
    const QString png = pathText(folder.path() / "plot.png");
    ASSERT_TRUE(plot.saveAs(csv));
    ASSERT_TRUE(plot.saveAs(png));
    QFile file(csv);
    ASSERT_TRUE(file.open(QIODevice::ReadOnly));
    EXPECT_EQ(file.readAll().count('\n'), 5001);
    EXPECT_FALSE(QImage(png).isNull());
    const auto refused = plot.saveAs(QStringLiteral("plot.pdf"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::InvalidArgument);
}

TEST(PlotWidget, SaysInWordsWhatItShows)
{
    PlotWidget plot;
    plot.setEmptyText(QStringLiteral("Starts with the run."));
    EXPECT_EQ(plot.summary(), QStringLiteral("Starts with the run."));
    const int series = plot.addSeries(QStringLiteral("epsilon"), PlotWidget::SeriesStyle::Strong);
    plot.setPoints(series, {{1, 0.5}, {2, 0.75}});
    EXPECT_TRUE(plot.summary().contains(QStringLiteral("epsilon")));
    EXPECT_TRUE(plot.summary().contains(QStringLiteral("0.75")));
}

TEST(EpsilonSlider, StepsThroughTheRoundStops)
{
    EpsilonSlider slider;
    slider.setEpsilon(1.0);
    std::vector<double> seen;
    for (int i = 0; i < 6; ++i) {
        QTest::keyClick(&slider, Qt::Key_PageUp);
        seen.push_back(slider.epsilon());
    }
    EXPECT_EQ(seen, (std::vector<double>{2, 3, 5, 8, 10, 10}));
    QTest::keyClick(&slider, Qt::Key_Home);
    EXPECT_DOUBLE_EQ(slider.epsilon(), 0.1);
    QTest::keyClick(&slider, Qt::Key_Right);
    EXPECT_NEAR(slider.epsilon(), 0.11, 1e-12);
    slider.setEpsilon(1.0);
    QTest::keyClick(&slider, Qt::Key_Left);
    EXPECT_NEAR(slider.epsilon(), 0.99, 1e-12);
}

TEST(EpsilonSlider, KeepsATypedValueExactlyEvenOutsideItsScale)
{
    EpsilonSlider slider;
    QSignalSpy changes(&slider, &EpsilonSlider::epsilonChanged);
    for (const double typed : {1.37, 25.0, 0.03}) {
        slider.setEpsilon(typed);
        EXPECT_EQ(slider.epsilon(), typed);
    }
    EXPECT_EQ(changes.count(), 3);
    slider.setEpsilon(std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(slider.epsilon(), 0.03);
}

TEST(EpsilonSlider, IsNotMovedByTheWheel)
{
    EpsilonSlider slider;
    slider.resize(400, 80);
    QWheelEvent wheel({100, 15}, {100, 15}, {}, {0, 120}, Qt::NoButton, Qt::NoModifier,
                      Qt::NoScrollPhase, false);
    QApplication::sendEvent(&slider, &wheel);
    EXPECT_EQ(slider.epsilon(), 1.0);
    EXPECT_FALSE(wheel.isAccepted());
}

TEST(EpsilonSlider, FollowsTheIntegerThatAssistiveToolsSet)
{
    EpsilonSlider slider;
    slider.setValue(slider.maximum());
    EXPECT_DOUBLE_EQ(slider.epsilon(), 10.0);
}

TEST(ImageGrid, WalksByKeyboardWithinItsCells)
{
    ImageGrid grid;
    grid.setGrid(2, 3);
    QSignalSpy selections(&grid, &ImageGrid::selectionChanged);
    QSignalSpy activations(&grid, &ImageGrid::activated);
    for (const auto key : {Qt::Key_Home, Qt::Key_Right, Qt::Key_Down, Qt::Key_Down})
        QTest::keyClick(&grid, key);
    EXPECT_EQ(grid.selected(), 4);
    EXPECT_EQ(selections.count(), 3); // the last Down would leave the grid
    QTest::keyClick(&grid, Qt::Key_Return);
    ASSERT_EQ(activations.count(), 1);
    EXPECT_EQ(activations.first().first().toInt(), 4);
}

TEST(ImageGrid, ShowsOnlyASmearOfVeiledPictures)
{
    ImageGrid grid;
    grid.resize(90, 90);
    grid.setCellSize(64);
    grid.setFlow({checkerboard()});
    const auto spread = [&grid] { // difference of neighbouring blocks of the pattern
        const QImage seen =
            grid.viewport()->grab().toImage().convertToFormat(QImage::Format_Grayscale8);
        int most = 0;
        for (int x = 20; x < 48; ++x)
            most =
                std::max(most, std::abs(qGray(seen.pixel(x, 30)) - qGray(seen.pixel(x + 4, 30))));
        return most;
    };
    EXPECT_GT(spread(), 200);
    grid.setVeiled(true);
    EXPECT_LT(spread(), 24);
}

TEST(ImageGrid, ScrollsWhenPicturesDoNotFit)
{
    ImageGrid grid;
    grid.resize(200, 120);
    grid.setCellSize(64);
    grid.setFlow(std::vector<QImage>(40, checkerboard()));
    grid.show();
    EXPECT_GT(grid.verticalScrollBar()->maximum(), 0);
    QTest::keyClick(&grid, Qt::Key_End);
    EXPECT_EQ(grid.selected(), 39);
    EXPECT_EQ(grid.verticalScrollBar()->value(), grid.verticalScrollBar()->maximum());
}

TEST(ToQImage, RefusesPixelsThatDoNotFitTheSize)
{
    EXPECT_TRUE(toQImage({2, 2, 1, {1, 2, 3}}).isNull());
    const QImage grey = toQImage({2, 1, 1, {7, 9}});
    EXPECT_EQ(qGray(grey.pixel(1, 0)), 9);
    const QImage colour = toQImage({1, 1, 3, {1, 2, 3}});
    EXPECT_EQ(colour.pixelColor(0, 0), QColor(1, 2, 3));
}

TEST(ZoneBadge, SaysItsZoneInWords)
{
    ZoneBadge badge(ZoneBadge::Protected, QStringLiteral("noised"));
    EXPECT_EQ(badge.text(), QStringLiteral("noised"));
    EXPECT_TRUE(badge.accessibleName().contains(QStringLiteral("Protected")));
    badge.setZone(ZoneBadge::Private);
    EXPECT_EQ(badge.text(), QStringLiteral("Private"));
}

TEST(Badges, AreLightInTheLightThemeWhereverTheyStand)
{
    QWidget parent;
    parent.setStyleSheet(QStringLiteral("QLabel { background: transparent; }"));
    ZoneBadge badge(ZoneBadge::Private, {}, &parent);
    EXPECT_FALSE(Theme::of(badge).isDark);
}

TEST(EpsilonGauge, RoundsUp)
{
    EpsilonGauge gauge;
    gauge.setValue(7.8801, 10.0, 1e-5);
    EXPECT_EQ(gauge.numberText(), QStringLiteral("ε 7.89"));
}

TEST(OddsDots, StaysWithinTheHundred)
{
    OddsDots dots;
    dots.setLit(250);
    EXPECT_EQ(dots.lit(), 100);
    EXPECT_TRUE(dots.accessibleName().contains(QStringLiteral("100")));
}

TEST(Bar, ReadsItsShareInPercent)
{
    Bar bar;
    bar.setShare(0.384);
    EXPECT_TRUE(bar.accessibleDescription().contains(QStringLiteral("38")));
    bar.setShare(std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(bar.share(), 0.0);
}

TEST(Notice, ShowsCauseAndWayOut)
{
    Notice notice;
    notice.showError(QStringLiteral("It failed"),
                     {ErrorCode::NotFound, "No such folder.", "Choose another."});
    EXPECT_EQ(notice.kind(), Notice::Problem);
    EXPECT_EQ(notice.text(), QStringLiteral("It failed No such folder. Choose another."));
    notice.clear();
    EXPECT_TRUE(notice.text().isEmpty());
    EXPECT_TRUE(notice.isHidden());
}

TEST(FactsTable, ChangesARowInPlace)
{
    FactsTable table(2);
    table.setFact(QStringLiteral("steps"), QStringLiteral("steps"), QStringLiteral("400"));
    table.setFact(QStringLiteral("steps"), QStringLiteral("steps"), QStringLiteral("500"));
    EXPECT_EQ(table.value(QStringLiteral("steps")), QStringLiteral("500"));
    EXPECT_EQ(table.findChildren<QLabel*>(QStringLiteral("fact.steps")).size(), 1);
}

TEST(ProblemList, SaysHowManyItLeavesOut)
{
    ProblemList list;
    list.setProblems(std::vector<ProblemItem>(30, {ProblemItem::Caution, QStringLiteral("x"), {}}),
                     10);
    EXPECT_EQ(list.count(), 11);
    EXPECT_TRUE(list.item(10)->text().contains(QStringLiteral("20")));
}

TEST(Dialogs, AnswerOnceWithWhatATestPutIn)
{
    Dialogs dialogs;
    dialogs.files.setNextFileName(QStringLiteral("/tmp/x"));
    EXPECT_EQ(dialogs.files.openFolder(nullptr, {}), QStringLiteral("/tmp/x"));
    dialogs.messages.setNextAnswer(1);
    EXPECT_FALSE(dialogs.messages.confirm(nullptr, QStringLiteral("Sure?"), {}, {}));
    EXPECT_EQ(dialogs.messages.lastTitle(), QStringLiteral("Sure?"));
    dialogs.messages.setNextText(QStringLiteral("name"));
    EXPECT_EQ(dialogs.messages.askText(nullptr, {}, {}), QStringLiteral("name"));
}

TEST(Texts, AreShortAndCarryUnits)
{
    EXPECT_EQ(durationText(42), QStringLiteral("42 s"));
    EXPECT_EQ(durationText(396), QStringLiteral("6 min 36 s"));
    EXPECT_EQ(durationText(3900), QStringLiteral("1 h 05 min"));
    EXPECT_EQ(shortCountText(1'578'304), QStringLiteral("1.58 M"));
    EXPECT_EQ(gigabytesText(1.26), QStringLiteral("1.3 GB"));
}

TEST(DisabledControls, SayWhy)
{
    QLabel control;
    setEnabledWithReason(&control, false, QStringLiteral("No project is open."));
    EXPECT_FALSE(control.isEnabled());
    EXPECT_EQ(control.toolTip(), QStringLiteral("No project is open."));
    setEnabledWithReason(&control, true, QStringLiteral("No project is open."));
    EXPECT_TRUE(control.toolTip().isEmpty());
}

} // namespace
} // namespace velamen::ui

int main(int argc, char** argv)
{
    qputenv("QT_QPA_PLATFORM", "offscreen");
    QLocale::setDefault(QLocale::c());
    QApplication app(argc, argv);
    velamen::ui::applyTheme(app, velamen::ui::Appearance::Light);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
