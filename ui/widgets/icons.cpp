// SPDX-License-Identifier: GPL-3.0-or-later
//
// Paths on a 24 x 24 grid, drawn with round pens.

#include "ui/widgets/icons.h"

#include <QPainter>
#include <QPainterPath>

namespace velamen::ui {

void paintIcon(QPainter& painter, Icon icon, const QRectF& where, const QColor& colour)
{
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.translate(where.topLeft());
    painter.scale(where.width() / 24.0, where.height() / 24.0);
    painter.setPen(QPen(colour, 2.2, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    painter.setBrush(Qt::NoBrush);
    QPainterPath path;
    switch (icon) {
    case Icon::Lock:
        painter.setBrush(colour);
        painter.drawRoundedRect(QRectF(4.5, 10.5, 15, 10.5), 2.5, 2.5);
        painter.setBrush(Qt::NoBrush);
        path.moveTo(8, 10);
        path.lineTo(8, 7.5);
        path.arcTo(QRectF(8, 3.5, 8, 8), 180, -180);
        path.lineTo(16, 10);
        break;
    case Icon::Shield:
        path.moveTo(12, 2.8);
        path.lineTo(19.5, 5.6);
        path.lineTo(19.5, 11.5);
        path.cubicTo(19.5, 16.5, 16.2, 19.8, 12, 21.4);
        path.cubicTo(7.8, 19.8, 4.5, 16.5, 4.5, 11.5);
        path.lineTo(4.5, 5.6);
        path.closeSubpath();
        path.moveTo(8.4, 12);
        path.lineTo(11, 14.6);
        path.lineTo(15.8, 9.2);
        break;
    case Icon::Globe:
        path.addEllipse(QPointF(12, 12), 9, 9);
        path.addEllipse(QPointF(12, 12), 4, 9);
        path.moveTo(3, 12);
        path.lineTo(21, 12);
        break;
    case Icon::Info:
        path.addEllipse(QPointF(12, 12), 9, 9);
        path.moveTo(12, 11.2);
        path.lineTo(12, 16.5);
        path.moveTo(12, 7.6);
        path.lineTo(12, 7.7);
        break;
    case Icon::Warning:
        path.moveTo(12, 3.6);
        path.lineTo(21.5, 20);
        path.lineTo(2.5, 20);
        path.closeSubpath();
        path.moveTo(12, 10);
        path.lineTo(12, 14);
        path.moveTo(12, 17);
        path.lineTo(12, 17.1);
        break;
    case Icon::Cross:
        path.addEllipse(QPointF(12, 12), 9, 9);
        path.moveTo(9, 9);
        path.lineTo(15, 15);
        path.moveTo(15, 9);
        path.lineTo(9, 15);
        break;
    case Icon::Check:
        path.moveTo(5, 12.6);
        path.lineTo(10, 17.4);
        path.lineTo(19, 7);
        break;
    case Icon::Folder:
        path.moveTo(3, 6.5);
        path.lineTo(3, 18);
        path.quadTo(3, 19.5, 4.5, 19.5);
        path.lineTo(19.5, 19.5);
        path.quadTo(21, 19.5, 21, 18);
        path.lineTo(21, 9);
        path.quadTo(21, 7.5, 19.5, 7.5);
        path.lineTo(11.5, 7.5);
        path.lineTo(9.5, 5);
        path.lineTo(4.5, 5);
        path.quadTo(3, 5, 3, 6.5);
        break;
    case Icon::Box:
        path.moveTo(12, 2.8);
        path.lineTo(20.5, 7.4);
        path.lineTo(20.5, 16.6);
        path.lineTo(12, 21.2);
        path.lineTo(3.5, 16.6);
        path.lineTo(3.5, 7.4);
        path.closeSubpath();
        path.moveTo(3.5, 7.4);
        path.lineTo(12, 12);
        path.lineTo(20.5, 7.4);
        path.moveTo(12, 12);
        path.lineTo(12, 21.2);
        break;
    case Icon::Sparkle:
        path.moveTo(12, 3);
        path.quadTo(12.8, 11.2, 21, 12);
        path.quadTo(12.8, 12.8, 12, 21);
        path.quadTo(11.2, 12.8, 3, 12);
        path.quadTo(11.2, 11.2, 12, 3);
        break;
    case Icon::Plus:
        path.moveTo(12, 5);
        path.lineTo(12, 19);
        path.moveTo(5, 12);
        path.lineTo(19, 12);
        break;
    case Icon::Eye:
        path.moveTo(2.5, 12);
        path.quadTo(12, 2.5, 21.5, 12);
        path.quadTo(12, 21.5, 2.5, 12);
        path.addEllipse(QPointF(12, 12), 3, 3);
        break;
    case Icon::Picture:
        path.addRoundedRect(QRectF(3, 4.5, 18, 15), 2, 2);
        path.moveTo(3.5, 16.5);
        path.lineTo(9, 11);
        path.lineTo(13, 15);
        path.lineTo(16, 12.5);
        path.lineTo(20.5, 16.5);
        break;
    case Icon::Dot:
        painter.setPen(Qt::NoPen);
        painter.setBrush(colour);
        painter.drawEllipse(QPointF(12, 12), 7, 7);
        break;
    }
    painter.drawPath(path);
    painter.restore();
}

QPixmap iconPixmap(Icon icon, const QColor& colour, int size, qreal pixelRatio)
{
    QPixmap pixmap(QSize(size, size) * pixelRatio);
    pixmap.setDevicePixelRatio(pixelRatio);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    paintIcon(painter, icon, QRectF(0, 0, size, size), colour);
    return pixmap;
}

QIcon makeIcon(Icon icon, const QColor& colour, int size)
{
    return QIcon(iconPixmap(icon, colour, size));
}

} // namespace velamen::ui
