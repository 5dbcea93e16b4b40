// SPDX-License-Identifier: GPL-3.0-or-later
//
// The sheet behind "Adjust…": what has a good value by rule and may be chosen by hand. Who is
// protected and how much may leak is not in here.

#pragma once

#include <functional>

#include <QWidget>

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPushButton;
class QSpinBox;
class QVBoxLayout;

namespace velamen::ui {

class Card;
class FactsTable;

class AdjustPanel final : public QWidget {
    Q_OBJECT

public:
    AdjustPanel(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

    void refresh();

private:
    Card* makeStartCard();
    Card* makeStepCard();
    Card* makeMachineCard();
    Card* makePublicCard();
    Card* makeNoiseCard();
    Card* makeCostCard();
    /// A check box with a sentence of explanation under it.
    QCheckBox* addCheck(QVBoxLayout* body, const QString& label, const QString& note,
                        const char* name);
    /// Lets `edit` change a copy of the request and asks for a new plan.
    void change(const std::function<void(train::PlanRequest&)>& edit);
    void choosePublicFolder();
    void reset();
    void showValues();
    void lock();

    Studio& studio_;
    Dialogs& dialogs_;
    QCheckBox* means_ = nullptr;
    QCheckBox* votes_ = nullptr;
    QLabel* warmCost_ = nullptr;
    QSpinBox* steps_ = nullptr;
    QLabel* batchTitle_ = nullptr;
    QSpinBox* batch_ = nullptr;
    QComboBox* clipping_ = nullptr;
    QComboBox* rule_ = nullptr;
    QComboBox* precision_ = nullptr;
    QDoubleSpinBox* memory_ = nullptr;
    QPushButton* publicFolder_ = nullptr;
    QSpinBox* publicBatch_ = nullptr;
    QLabel* publicNote_ = nullptr;
    QCheckBox* clippedShare_ = nullptr;
    QCheckBox* hardened_ = nullptr;
    FactsTable* costs_ = nullptr;
    QLabel* costNote_ = nullptr;
    QPushButton* reset_ = nullptr;
    bool isRefreshing_ = false;
};

} // namespace velamen::ui
