// SPDX-License-Identifier: GPL-3.0-or-later
//
// A rounded track with its filled part.

#include "ui/widgets/bar.h"

#include <QPainter>
#include <QPainterPath>
#include <algorithm>
#include <cmath>

#include "ui/widgets/theme.h"

namespace velamen::ui {

Bar::Bar(QWidget* parent) : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setShare(0.0);
}

void Bar::setShare(double share)
{
    share_ = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0;
    setAccessibleDescription(tr("%1 percent").arg(qRound(share_ * 100.0)));
    update();
}

void Bar::setThickness(int pixels)
{
    thickness_ = pixels;
    updateGeometry();
}

void Bar::setColour(const QColor& colour)
{
    colour_ = colour;
    update();
}

void Bar::paintEvent(QPaintEvent*)
{
    const Theme theme = Theme::of(*this);
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    const QRectF all(0, (height() - thickness_) / 2.0, width(), thickness_);
    const double radius = thickness_ / 2.0;
    painter.setBrush(theme.track);
    painter.drawRoundedRect(all, radius, radius);
    if (share_ <= 0.0) return;
    QPainterPath shape;
    shape.addRoundedRect(all, radius, radius);
    painter.setClipPath(shape);
    QRectF filled = all;
    filled.setWidth(std::max(all.width() * share_, 2.0 * radius));
    painter.setBrush(colour_.isValid() ? colour_ : theme.isDark ? theme.accentText : theme.accent);
    painter.drawRoundedRect(filled, radius, radius);
}

} // namespace velamen::ui
