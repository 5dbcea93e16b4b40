// SPDX-License-Identifier: GPL-3.0-or-later
//
// The separate step between choosing a budget and being able to start: everything that will be
// promised on one sheet, and what the user has to acknowledge.

#pragma once

#include <QWidget>

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"

class QCheckBox;
class QLabel;

namespace velamen::ui {

class FactsTable;
class Notice;

class ConfirmPanel final : public QWidget {
    Q_OBJECT

public:
    ConfirmPanel(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

    /// Why confirm() would do nothing; empty when it can.
    QString whyNot() const;
    /// Asks for the typed epsilon above 10, then confirms the plan.
    void confirm();
    /// Takes back what was ticked.
    void reset();
    void refresh();

Q_SIGNALS:
    void changed();

private:
    Studio& studio_;
    Dialogs& dialogs_;
    QLabel* promise_;
    FactsTable* facts_;
    QLabel* earlier_;
    Notice* caution_;
    QCheckBox* unit_;
    QLabel* unitWords_;
    QCheckBox* classes_;
};

} // namespace velamen::ui
