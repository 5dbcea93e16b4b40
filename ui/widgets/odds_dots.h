// SPDX-License-Identifier: GPL-3.0-or-later
//
// An icon array of 100 dots, so many of them lit: "7 in 100" as a picture.

#pragma once

#include <QWidget>

namespace velamen::ui {

class OddsDots final : public QWidget {
    Q_OBJECT

public:
    explicit OddsDots(QWidget* parent = nullptr);

    int lit() const { return lit_; }
    /// 0..100; clamped.
    void setLit(int lit);

    QSize sizeHint() const override { return {20 * kPitch, 5 * kPitch}; }
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    static constexpr int kPitch = 17;
    static constexpr int kDot = 12;
    int lit_ = 0;
};

} // namespace velamen::ui
