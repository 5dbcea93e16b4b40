// SPDX-License-Identifier: GPL-3.0-or-later
//
// The second question of the privacy page: epsilon and delta.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/card.h"

class QComboBox;
class QDoubleSpinBox;
class QLabel;

namespace velamen::ui {

class EpsilonSlider;

class BudgetCard final : public Card {
    Q_OBJECT

public:
    explicit BudgetCard(Studio& studio, QWidget* parent = nullptr);

    void refresh();

private:
    void setEpsilon(double epsilon);
    void setDelta(int index);

    Studio& studio_;
    EpsilonSlider* slider_ = nullptr;
    QDoubleSpinBox* epsilon_ = nullptr;
    QComboBox* delta_ = nullptr;
    QLabel* deltaNote_ = nullptr;
    QLabel* advice_ = nullptr;
    bool isRefreshing_ = false;
};

} // namespace velamen::ui
