// SPDX-License-Identifier: GPL-3.0-or-later
//
// Drives the whole window as a person does: controls are found by objectName and clicked.

#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include <QAbstractButton>
#include <QCheckBox>
#include <QPushButton>
#include <QScrollArea>
#include <QSignalSpy>
#include <QTest>
#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "tests/gui/studio_window.h"

namespace velamen::test {

class StudioTest : public testing::Test {
protected:
    void openWith(ui::Services services)
    {
        made_ = std::make_unique<StudioWindow>(std::move(services));
        failures_ = std::make_unique<QSignalSpy>(&studio(), &ui::Studio::failed);
        window().show();
    }
    void TearDown() override
    {
        // The next test starts from a project of its own.
        failures_.reset();
        made_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(core::user_data_directory(), ignored);
    }

    ui::Studio& studio() { return made_->studio; }
    ui::MainWindow& window() { return made_->window; }
    ui::Dialogs& dialogs() { return made_->dialogs; }

    template <class T = QWidget>
    T* find(const char* name)
    {
        auto* found = window().findChild<T*>(QString::fromLatin1(name));
        EXPECT_NE(found, nullptr) << name;
        return found;
    }

    void click(const char* name)
    {
        auto* button = find<QAbstractButton>(name);
        ASSERT_NE(button, nullptr);
        for (QWidget* above = button->parentWidget(); above; above = above->parentWidget())
            if (auto* area = qobject_cast<QScrollArea*>(above)) area->ensureWidgetVisible(button);
        ASSERT_TRUE(button->isVisible()) << name;
        ASSERT_TRUE(button->isEnabled()) << name << ": " << button->toolTip().toStdString();
        // On the mark of a check box: its text may be narrower than the widget.
        const bool isMark = qobject_cast<QPushButton*>(button) == nullptr;
        QTest::mouseClick(button, Qt::LeftButton, {},
                          isMark ? QPoint(10, button->height() / 2) : QPoint());
    }

    bool until(const std::function<bool()>& done) { return QTest::qWaitFor(done, patience_); }

    /// The demo project, planned and confirmed with clicks.
    void confirmDemo()
    {
        click("start.demo");
        ASSERT_TRUE(until([&] { return studio().manifest() && studio().inspection(); }));
        click("rail.privacy");
        click("privacy.units.public");
        ASSERT_TRUE(until([&] { return studio().plan().has_value(); }));
        click("privacy.next");
        for (const char* box : {"confirm.unit", "confirm.classes"})
            if (auto* check = find<QCheckBox>(box); check->isVisible()) click(box);
        made_->dialogs.messages.setNextAnswer(0); // a large epsilon has to be typed again
        click("privacy.next");
        ASSERT_TRUE(studio().isConfirmed());
    }

    void trainToTheEnd()
    {
        click("rail.train");
        click("train.start");
        ASSERT_TRUE(until([&] { return studio().runState() == ui::RunState::Done; }));
        ASSERT_TRUE(until([&] { return studio().lastRun().has_value(); }));
    }

    int patience_ = 20'000; // ms
    std::unique_ptr<StudioWindow> made_;
    std::unique_ptr<QSignalSpy> failures_;
};

} // namespace velamen::test
