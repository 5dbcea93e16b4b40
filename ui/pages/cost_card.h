// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the plan costs in steps, noise, time and memory, why there is none, and the knobs that may
// be turned by hand.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/card.h"

class QCheckBox;
class QLabel;
class QSpinBox;

namespace velamen::ui {

class FactsTable;
class Notice;

class CostCard final : public Card {
    Q_OBJECT

public:
    explicit CostCard(Studio& studio, QWidget* parent = nullptr);

    void refresh();

private:
    void setAdjustments();

    Studio& studio_;
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
