// SPDX-License-Identifier: GPL-3.0-or-later

#include "ui/widgets/box_style.h"

#include <QPainter>
#include <QPainterPath>
#include <QStyleOption>

namespace velamen::ui {

BoxStyle::BoxStyle(const Theme& theme) : QProxyStyle(QStringLiteral("Fusion")), theme_(theme) {}

void BoxStyle::drawPrimitive(PrimitiveElement element, const QStyleOption* option,
                             QPainter* painter, const QWidget* widget) const
{
    if (element != PE_IndicatorCheckBox) {
        QProxyStyle::drawPrimitive(element, option, painter, widget);
        return;
    }
    const bool isOn = option->state.testFlag(State_On);
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    if (!option->state.testFlag(State_Enabled)) painter->setOpacity(0.4);
    const QRectF box = QRectF(option->rect).adjusted(0.5, 0.5, -0.5, -0.5);
    painter->setPen(isOn ? theme_.accent : theme_.muted);
    painter->setBrush(isOn ? theme_.accent : theme_.field);
    painter->drawRoundedRect(box, 3, 3);
    if (isOn) {
        QPainterPath tick(box.topLeft() + QPointF(0.22 * box.width(), 0.52 * box.height()));
        tick.lineTo(box.topLeft() + QPointF(0.42 * box.width(), 0.72 * box.height()));
        tick.lineTo(box.topLeft() + QPointF(0.78 * box.width(), 0.30 * box.height()));
        painter->setPen(
            QPen(theme_.accentInk, 0.13 * box.width(), Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        painter->setBrush(Qt::NoBrush);
        painter->drawPath(tick);
    }
    painter->restore();
}

} // namespace velamen::ui
