// SPDX-License-Identifier: GPL-3.0-or-later
//
// Who is protected, how much may leak, what that costs, and, as a step of its own, the
// confirmation.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"

class QPushButton;
class QStackedWidget;

namespace velamen::ui {

class AdjustPanel;
class BudgetCard;
class ConfirmPanel;
class CostCard;
class ExplainCard;
class UnitCard;

class PrivacyPage final : public Page {
    Q_OBJECT

public:
    PrivacyPage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void goOn();
    void showStep(int step);
    void refresh();
    void refreshClaim();
    void refreshActions();

    Studio& studio_;
    QPushButton* back_;
    QPushButton* next_;
    QStackedWidget* steps_;
    UnitCard* unit_;
    BudgetCard* budget_;
    CostCard* cost_;
    ExplainCard* explain_;
    AdjustPanel* adjust_;
    ConfirmPanel* confirm_;
};

} // namespace velamen::ui
