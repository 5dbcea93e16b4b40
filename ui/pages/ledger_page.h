// SPDX-License-Identifier: GPL-3.0-or-later
//
// Everything that was ever spent on this dataset, line by line. Read only; there is no undo here.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"
#include "ui/workers/task_worker.h"

class QLabel;
class QPushButton;
class QStackedLayout;
class QTableView;

namespace velamen::ui {

class LedgerTableModel;
class StatCard;
class ZoneBadge;

class LedgerPage final : public Page {
    Q_OBJECT

public:
    LedgerPage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void showLedger();
    void showTotals();
    void saveTable();

    Studio& studio_;
    Dialogs& dialogs_;
    TaskWorker totals_;
    LedgerTableModel* model_ = nullptr;
    QTableView* table_ = nullptr;
    QStackedLayout* stack_ = nullptr;
    QLabel* empty_ = nullptr;
    QLabel* chain_ = nullptr;
    QPushButton* save_ = nullptr;
    StatCard* spent_ = nullptr;
    StatCard* lines_ = nullptr;
    StatCard* steps_ = nullptr;
    std::size_t totalled_ = 0; ///< lines that the total shown is about
};

} // namespace velamen::ui
