// SPDX-License-Identifier: GPL-3.0-or-later
//
// A card for one number: label, number, unit, note.

#pragma once

#include "ui/widgets/card.h"

class QLabel;

namespace velamen::ui {

class StatCard final : public Card {
    Q_OBJECT

public:
    explicit StatCard(const QString& label, QWidget* parent = nullptr);

    void setNumber(const QString& number, const QString& unit = {});
    void setNote(const QString& note);
    QString number() const;
    QString note() const;

private:
    QLabel* label_;
    QLabel* number_;
    QLabel* unit_;
    QLabel* note_;
};

} // namespace velamen::ui
