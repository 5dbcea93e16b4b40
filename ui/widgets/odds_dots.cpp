// SPDX-License-Identifier: GPL-3.0-or-later
//
// Painting of the icon array.

#include "ui/widgets/odds_dots.h"

#include <QPainter>
#include <algorithm>

#include "ui/widgets/theme.h"

namespace velamen::ui {

OddsDots::OddsDots(QWidget* parent) : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    setLit(0);
}

void OddsDots::setLit(int lit)
{
    lit_ = std::clamp(lit, 0, 100);
    setAccessibleName(tr("%1 of 100 dots are lit").arg(lit_));
    setToolTip(tr("%1 in 100").arg(lit_));
    update();
}

void OddsDots::paintEvent(QPaintEvent*)
{
    const Theme theme = Theme::of(*this);
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    for (int i = 0; i < 100; ++i) {
        const QRectF dot(i % 20 * kPitch + 2, i / 20 * kPitch + 2, kDot, kDot);
        const bool isLit = i < lit_;
        painter.setPen(Qt::NoPen);
        painter.setBrush(isLit ? theme.hot : theme.isDark ? theme.track : QColor(0xcf, 0xda, 0xdc));
        painter.drawEllipse(dot);
    }
}

} // namespace velamen::ui
