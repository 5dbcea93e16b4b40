// SPDX-License-Identifier: GPL-3.0-or-later
//
// The first question of the privacy page: what one protected unit is, how much of it takes part in
// a step, and whether the number of units is public.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/card.h"

class QComboBox;
class QHBoxLayout;
class QLabel;
class QLineEdit;
class QRadioButton;
class QSpinBox;

namespace velamen::ui {

class UnitCard final : public Card {
    Q_OBJECT

public:
    explicit UnitCard(Studio& studio, QWidget* parent = nullptr);

    void refresh();

private:
    void addUnits();
    void addShares();
    void addNumber();
    void addTypedNumber(QHBoxLayout* row);
    void setOther();
    void setShares();
    void setUnits(const QString& typed);
    void refreshUnits();
    void refreshNumber();

    Studio& studio_;
    QRadioButton* patient_ = nullptr;
    QRadioButton* image_ = nullptr;
    QRadioButton* other_ = nullptr;
    QComboBox* word_ = nullptr;
    QLabel* patientNote_ = nullptr;
    QLabel* imageNote_ = nullptr;
    QLabel* otherNote_ = nullptr;
    QLabel* mostTitle_ = nullptr;
    QSpinBox* most_ = nullptr;
    QLabel* mostUnit_ = nullptr;
    QSpinBox* draws_ = nullptr;
    QLabel* drawsUnit_ = nullptr;
    QLabel* question_ = nullptr;
    QRadioButton* public_ = nullptr;
    QRadioButton* secret_ = nullptr;
    QLabel* publicNote_ = nullptr;
    QLabel* secretNote_ = nullptr;
    QWidget* typedRow_ = nullptr;
    QLineEdit* typed_ = nullptr;
    QLabel* typedUnit_ = nullptr;
    bool isRefreshing_ = false;
};

} // namespace velamen::ui
