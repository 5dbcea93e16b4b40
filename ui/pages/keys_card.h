// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where class and unit of the private images are found, and what the scan found by them.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/card.h"

class QLabel;
class QPushButton;

namespace velamen::ui {

class KeyChooser;

class KeysCard final : public Card {
    Q_OBJECT

public:
    explicit KeysCard(Studio& studio, QWidget* parent = nullptr);

    void refresh();

private:
    void showSuggestion();

    Studio& studio_;
    KeyChooser* label_;
    KeyChooser* unit_;
    QLabel* unitTitle_;
    QWidget* foundRow_;
    QLabel* found_;
    QLabel* suggestion_;
    QPushButton* take_;
};

} // namespace velamen::ui
