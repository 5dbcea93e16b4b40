// SPDX-License-Identifier: GPL-3.0-or-later
//
// Epsilon and delta in words, dots and a small table. All figures come from
// engine/privacy/explain.h.

#pragma once

#include <string>

#include "ui/widgets/card.h"

class QLabel;

namespace velamen::ui {

class OddsDots;

class ExplainCard final : public Card {
    Q_OBJECT

public:
    explicit ExplainCard(QWidget* parent = nullptr);

    /// delta = 0: not known yet. `attackerRate`: true positives at 1 % false alarms, 0: not known
    /// yet.
    void setClaim(double epsilon, double delta, double attackerRate, const std::string& unit);
    QString sentence() const;

private:
    QLabel* strength_;
    QLabel* sentence_;
    QLabel* rest_;
    QLabel* after_[3];
    QLabel* note_;
    OddsDots* dots_;
};

} // namespace velamen::ui
