// SPDX-License-Identifier: GPL-3.0-or-later
//
// Painting of a tile.

#include "ui/widgets/tile.h"

#include <QPainter>

#include "ui/widgets/theme.h"

namespace velamen::ui {

Tile::Tile(Icon icon, const QString& title, const QString& note, const QString& objectName,
           QWidget* parent)
    : QPushButton(title, parent), icon_(icon), note_(note)
{
    setObjectName(objectName);
    setAccessibleName(title);
    setAccessibleDescription(note);
    setCursor(Qt::PointingHandCursor);
    setAttribute(Qt::WA_Hover);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void Tile::paintEvent(QPaintEvent*)
{
    const Theme theme = Theme::of(*this);
    const bool isHot = isEnabled() && (underMouse() || isDown());
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF all = QRectF(rect()).adjusted(1, 1, -1, -1);
    painter.setPen(QPen(hasFocus()  ? theme.accentText
                            : isHot ? theme.muted
                                    : theme.line,
                        hasFocus() ? 2.0 : 1.0));
    painter.setBrush(isDown() ? theme.ground : theme.card);
    painter.drawRoundedRect(all, 10, 10);

    const QRectF disc(18, (height() - 44) / 2.0, 44, 44);
    painter.setPen(Qt::NoPen);
    painter.setBrush(theme.protectedZone.ground);
    painter.drawEllipse(disc);
    paintIcon(painter, icon_, disc.adjusted(11, 11, -11, -11), theme.protectedZone.ink);

    const QFont titleFont = uiFont(text_size::kHeading, QFont::DemiBold);
    const QFont noteFont = uiFont(text_size::kNote);
    const QRectF words(78, 0, width() - 92, height());
    const int titleHigh = QFontMetrics(titleFont).height();
    const int noteHigh =
        QFontMetrics(noteFont).boundingRect(words.toRect(), Qt::TextWordWrap, note_).height();
    const double top = (height() - titleHigh - noteHigh - 4) / 2.0;
    painter.setFont(titleFont);
    painter.setPen(isEnabled() ? theme.ink : theme.muted);
    painter.drawText(QRectF(words.left(), top, words.width(), titleHigh), Qt::AlignLeft, text());
    painter.setFont(noteFont);
    painter.setPen(theme.muted);
    painter.drawText(QRectF(words.left(), top + titleHigh + 4, words.width(), noteHigh + 4),
                     Qt::AlignLeft | Qt::TextWordWrap, note_);
}

} // namespace velamen::ui
