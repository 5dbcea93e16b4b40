// SPDX-License-Identifier: GPL-3.0-or-later
//
// Walks through the window over the pretended engine and saves a picture of each page.
// usage: gui_screens FOLDER [dark]

#include <cstdlib>
#include <functional>

#include <QAbstractButton>
#include <QApplication>
#include <QCheckBox>
#include <QDir>
#include <QElapsedTimer>
#include <QSpinBox>
#include <QThread>

#include "tests/gui/fake_services.h"
#include "tests/gui/studio_window.h"
#include "tests/support/temp_dir.h"
#include "ui/widgets/theme.h"

namespace {

using namespace velamen;

void settle(int milliseconds, const std::function<bool()>& done = {})
{
    QElapsedTimer clock;
    clock.start();
    while (clock.elapsed() < milliseconds && !(done && done())) {
        QApplication::processEvents(QEventLoop::AllEvents, 20);
        QThread::msleep(5);
    }
}

void click(QWidget& window, const char* name)
{
    if (auto* button = window.findChild<QAbstractButton*>(QString::fromLatin1(name)))
        button->click();
    else
        qWarning("no button %s", name);
}

} // namespace

int main(int argc, char** argv)
{
    const test::TempDir home;
    qputenv("XDG_DATA_HOME", home.path().c_str());
    QApplication application(argc, argv);
    const QDir out(QString::fromLocal8Bit(argc > 1 ? argv[1] : "."));
    const bool isDark = argc > 2 && qstrcmp(argv[2], "dark") == 0;
    ui::applyTheme(application, isDark ? ui::Appearance::Dark : ui::Appearance::Light);

    test::StudioWindow made(test::fakeServices(
        {.imagesPerClass = 346, .stepMicroseconds = 8000, .haltsAtStep = 312, .patients = 361}));
    auto& window = made.window;
    auto& studio = made.studio;
    window.resize(1280, 800);
    window.show();
    const auto shoot = [&](const QString& page, const QString& name) {
        window.showPage(page);
        settle(400);
        window.grab().save(out.filePath(name + QStringLiteral(".png")));
    };
    settle(300);
    shoot("start", "1-start");
    shoot("train", "5-train-empty");
    shoot("sample", "6-sample-empty");
    shoot("release", "7-release-empty");
    shoot("ledger", "8-ledger-empty");
    studio.openDemo();
    settle(5000, [&] { return studio.manifest() && studio.inspection(); });
    shoot("data", "2-data");
    shoot("model", "3-model");
    window.showPage("privacy");
    studio.setUnitsArePublic(true);
    settle(20'000, [&] { return studio.plan().has_value(); });
    settle(2500);
    shoot("privacy", "4-privacy");
    click(window, "privacy.adjust");
    click(window, "privacy.warm");
    click(window, "privacy.votes");
    settle(20'000, [&] { return studio.plan().has_value(); });
    settle(2500);
    shoot("privacy", "4-privacy-adjust");
    click(window, "privacy.back");
    shoot("privacy", "4-privacy-adjusted");
    click(window, "privacy.next");
    shoot("privacy", "4-privacy-confirm");
    click(window, "privacy.back");
    shoot("train", "5-train-unconfirmed");
    studio.confirmPlan();
    shoot("train", "5-train-ready");
    studio.start();
    settle(400);
    window.grab().save(out.filePath("5-train-preparing.png"));
    settle(30'000, [&] { return !studio.points().empty() && studio.points().back().step >= 312; });
    shoot("train", "5-train-running");
    click(window, "train.votes");
    shoot("train", "5-train-votes");
    click(window, "train.votes");
    studio.stopRun();
    settle(5000, [&] { return !studio.isRunActive() && studio.lastRun(); });
    shoot("train", "5-train-stopped");
    window.showPage("sample");
    settle(200);
    if (auto* count = window.findChild<QSpinBox*>(QStringLiteral("sample.count")))
        count->setValue(400);
    click(window, "sample.generate");
    settle(1300);
    window.grab().save(out.filePath("6-sample-drawing.png"));
    settle(20'000, [&] { return !studio.isGenerating(); });
    shoot("sample", "6-sample");
    shoot("release", "7-release-ready");
    made.dialogs.files.setNextFileName(
        QString::fromStdString((home.path() / "digits-release.zip").string()));
    click(window, "release.write");
    settle(5000, [&] { return studio.verification().has_value() && !studio.isReleasing(); });
    shoot("release", "7-release");
    std::filesystem::copy(home.path() / "digits-release.zip", home.path() / "tampered.zip");
    made.dialogs.files.setNextFileName(
        QString::fromStdString((home.path() / "tampered.zip").string()));
    click(window, "release.verify");
    settle(5000, [&] { return studio.verification().has_value() && !studio.isReleasing(); });
    shoot("release", "7-release-tampered");
    window.showPage("ledger");
    settle(2000);
    shoot("ledger", "8-ledger");
    return 0;
}
