// SPDX-License-Identifier: GPL-3.0-or-later
//
// Painting of a rail line.

#include "ui/widgets/rail_button.h"

#include <QPainter>

#include "ui/widgets/theme.h"

namespace velamen::ui {

RailButton::RailButton(const QString& key, const QString& title, QWidget* parent)
    : QPushButton(title, parent)
{
    setObjectName(QStringLiteral("rail.") + key);
    setAccessibleName(title);
    setCheckable(true);
    setAutoExclusive(true);
    setAttribute(Qt::WA_Hover);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void RailButton::setState(const QString& state)
{
    if (state == state_) return;
    state_ = state;
    setAccessibleDescription(state);
    update();
}

void RailButton::paintEvent(QPaintEvent*)
{
    const Theme theme = Theme::of(*this);
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    if (isChecked() || underMouse()) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(isChecked() ? theme.accent : theme.railLine);
        painter.drawRoundedRect(rect(), 7, 7);
    }
    if (hasFocus()) {
        painter.setPen(QPen(theme.railInk, 1.5));
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(QRectF(rect()).adjusted(1, 1, -1, -1), 6, 6);
    }
    const QFont titleFont = uiFont(text_size::kBody, isChecked() ? QFont::Medium : QFont::Normal);
    const QFont stateFont = uiFont(11);
    const QRect inside = rect().adjusted(10, 0, -10, 0);
    painter.setFont(titleFont);
    painter.setPen(isChecked() ? theme.accentInk : theme.railInk);
    painter.drawText(inside, Qt::AlignVCenter | Qt::AlignLeft, text());
    painter.setFont(stateFont);
    painter.setPen(isChecked() ? QColor("#d5efea") : theme.railMuted);
    const int left = QFontMetrics(titleFont).horizontalAdvance(text()) + 10;
    painter.drawText(
        inside, Qt::AlignVCenter | Qt::AlignRight,
        painter.fontMetrics().elidedText(state_, Qt::ElideRight, inside.width() - left));
}

} // namespace velamen::ui
