// SPDX-License-Identifier: GPL-3.0-or-later
//
// The window: rail, pages, status line, shortcuts, what may be dropped on it, and what closing
// means while something runs. It knows pages only as Page.

#pragma once

#include <functional>
#include <vector>

#include <QKeySequence>
#include <QMainWindow>

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"

class QLabel;
class QStackedWidget;

namespace velamen::ui {

class Page;
class RailButton;

/// A page and its line in the rail.
struct RailEntry {
    QString key; ///< "start", "data", ...; objectName of the line is "rail.<key>"
    QString title;
    Page* page = nullptr;     ///< the window becomes its parent
    bool startsGroup = false; ///< a thin line above
};

class MainWindow final : public QMainWindow {
    Q_OBJECT

public:
    MainWindow(Studio& studio, Dialogs& dialogs, std::vector<RailEntry> entries,
               QWidget* parent = nullptr);

    QString currentPage() const;
    void showPage(const QString& key);
    /// What a dropped folder, zip or project does; also for files named on the command line.
    void openPath(const std::filesystem::path& path);
    void showShortcuts();

protected:
    void closeEvent(QCloseEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    struct Command {
        QString text;
        QKeySequence keys;
    };

    QWidget* makeRail();
    QWidget* makeStatusLine();
    void addCommand(const QString& text, const QKeySequence& keys, std::function<void()> act);
    void refresh();
    QString railState(const QString& key) const;
    QString engineText() const;
    void showFailure(const QString& title, const Error& error);

    Studio& studio_;
    Dialogs& dialogs_;
    std::vector<RailEntry> entries_;
    std::vector<RailButton*> lines_;
    std::vector<Command> commands_;
    QStackedWidget* pages_;
    QLabel* project_ = nullptr;
    QLabel* engine_ = nullptr;
    QLabel* ledger_ = nullptr;
    bool quitsWhenPaused_ = false;
};

} // namespace velamen::ui
