// SPDX-License-Identifier: GPL-3.0-or-later
//
// A large button with an icon, a title and a line of explanation: the few first choices on an empty
// page.

#pragma once

#include <QPushButton>

#include "ui/widgets/icons.h"

namespace velamen::ui {

class Tile final : public QPushButton {
    Q_OBJECT

public:
    Tile(Icon icon, const QString& title, const QString& note, const QString& objectName,
         QWidget* parent = nullptr);

    QSize sizeHint() const override { return {300, 104}; }
    QSize minimumSizeHint() const override { return {200, 96}; }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    Icon icon_;
    QString note_;
};

} // namespace velamen::ui
