// SPDX-License-Identifier: GPL-3.0-or-later
//
// A flat bar for shares and progress; a bar over the whole width means 1. Not a QProgressBar
// because that one counts in integers and cannot be two-coloured.

#pragma once

#include <QColor>
#include <QWidget>

namespace velamen::ui {

class Bar final : public QWidget {
    Q_OBJECT

public:
    explicit Bar(QWidget* parent = nullptr);

    double share() const { return share_; }
    /// 0..1; clamped. Also the text that assistive tools read.
    void setShare(double share);
    void setThickness(int pixels);
    /// The filled part; invalid: the accent.
    void setColour(const QColor& colour);

    QSize sizeHint() const override { return {120, thickness_}; }
    QSize minimumSizeHint() const override { return {24, thickness_}; }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    double share_ = 0.0;
    int thickness_ = 10;
    QColor colour_;
};

} // namespace velamen::ui
