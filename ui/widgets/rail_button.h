// SPDX-License-Identifier: GPL-3.0-or-later
//
// A line of the left rail: the page's name and, at the right end, its state in a word or number.

#pragma once

#include <QPushButton>

namespace velamen::ui {

class RailButton final : public QPushButton {
    Q_OBJECT

public:
    RailButton(const QString& key, const QString& title, QWidget* parent = nullptr);

    QString state() const { return state_; }
    void setState(const QString& state);

    QSize sizeHint() const override { return {172, 38}; }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString state_;
};

} // namespace velamen::ui
