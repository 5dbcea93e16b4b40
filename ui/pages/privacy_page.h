// SPDX-License-Identifier: GPL-3.0-or-later
//
// Who is protected, how much may leak, what that costs, and, as a step of its own, the
// confirmation.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QRadioButton;
class QSpinBox;
class QStackedWidget;

namespace velamen::ui {

class Card;
class ConfirmPanel;
class EpsilonSlider;
class ExplainCard;
class FactsTable;
class Notice;

class PrivacyPage final : public Page {
    Q_OBJECT

public:
    PrivacyPage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

protected:
    void showEvent(QShowEvent* event) override;

private:
    Card* makeUnitCard();
    Card* makeBudgetCard();
    Card* makeCostCard();
    void setEpsilon(double epsilon);
    void setUnits(const QString& typed);
    void setDelta(int index);
    void setAdjustments();
    void goOn();
    void showConfirmation(bool shown);
    void refresh();
    void refreshUnit();
    void refreshBudget();
    void refreshCost();
    void refreshActions();

    Studio& studio_;
    QPushButton* back_;
    QPushButton* next_;
    QStackedWidget* steps_;
    ExplainCard* explain_;
    ConfirmPanel* confirm_;
    QRadioButton* image_ = nullptr;
    QRadioButton* patient_ = nullptr;
    QLabel* imageNote_ = nullptr;
    QRadioButton* public_ = nullptr;
    QRadioButton* secret_ = nullptr;
    QLabel* publicNote_ = nullptr;
    QLabel* secretNote_ = nullptr;
    QWidget* typedRow_ = nullptr;
    QLineEdit* typed_ = nullptr;
    EpsilonSlider* slider_ = nullptr;
    QDoubleSpinBox* epsilon_ = nullptr;
    QComboBox* delta_ = nullptr;
    QLabel* deltaNote_ = nullptr;
    QLabel* advice_ = nullptr;
    FactsTable* costs_ = nullptr;
    QLabel* costNote_ = nullptr;
    QWidget* adjustRow_ = nullptr;
    QSpinBox* stepCount_ = nullptr;
    QSpinBox* batch_ = nullptr;
    QCheckBox* clippedFraction_ = nullptr;
    QCheckBox* warmStart_ = nullptr;
    QCheckBox* hardened_ = nullptr;
    Notice* problem_ = nullptr;
    bool isRefreshing_ = false;
};

} // namespace velamen::ui
