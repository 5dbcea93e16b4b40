// SPDX-License-Identifier: GPL-3.0-or-later
//
// The first question of the privacy page: what one protected unit is, and whether their number is
// public.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/card.h"

class QLabel;
class QLineEdit;
class QRadioButton;

namespace velamen::ui {

class UnitCard final : public Card {
    Q_OBJECT

public:
    explicit UnitCard(Studio& studio, QWidget* parent = nullptr);

    void refresh();

private:
    void setUnits(const QString& typed);

    Studio& studio_;
    QRadioButton* image_ = nullptr;
    QRadioButton* patient_ = nullptr;
    QLabel* imageNote_ = nullptr;
    QRadioButton* public_ = nullptr;
    QRadioButton* secret_ = nullptr;
    QLabel* publicNote_ = nullptr;
    QLabel* secretNote_ = nullptr;
    QWidget* typedRow_ = nullptr;
    QLineEdit* typed_ = nullptr;
};

} // namespace velamen::ui
