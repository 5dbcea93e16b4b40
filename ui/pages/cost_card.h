// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the plan costs in steps, noise, time and memory, and why there is none. The knobs are in
// AdjustPanel.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/card.h"

class QLabel;

namespace velamen::ui {

class FactsTable;
class Notice;

class CostCard final : public Card {
    Q_OBJECT

public:
    explicit CostCard(Studio& studio, QWidget* parent = nullptr);

    void refresh();

Q_SIGNALS:
    void adjustRequested();

private:
    QString note() const;

    Studio& studio_;
    FactsTable* costs_;
    QLabel* note_;
    Notice* problem_;
};

} // namespace velamen::ui
