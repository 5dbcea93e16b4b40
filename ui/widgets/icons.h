// SPDX-License-Identifier: GPL-3.0-or-later
//
// The program's pictograms, drawn from paths in any colour and size; no files, no fonts.

#pragma once

#include <QColor>
#include <QIcon>
#include <QPixmap>

class QPainter;

namespace velamen::ui {

enum class Icon {
    Lock,   ///< private
    Shield, ///< protected
    Globe,  ///< public
    Info,
    Warning,
    Cross,
    Check,
    Folder,
    Box,     ///< a model
    Sparkle, ///< demo
    Plus,
    Eye,
    Picture,
    Dot,
};

void paintIcon(QPainter& painter, Icon icon, const QRectF& where, const QColor& colour);
QPixmap iconPixmap(Icon icon, const QColor& colour, int size, qreal pixelRatio = 2.0);
QIcon makeIcon(Icon icon, const QColor& colour, int size = 16);

} // namespace velamen::ui
