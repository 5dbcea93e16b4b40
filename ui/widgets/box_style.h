// SPDX-License-Identifier: GPL-3.0-or-later
//
// Fusion with check boxes in the theme's colours: its own outline is a shade of the window, which
// vanishes on a dark one, and a style sheet can draw no tick.

#pragma once

#include <QProxyStyle>

#include "ui/widgets/theme.h"

namespace velamen::ui {

class BoxStyle : public QProxyStyle {
    Q_OBJECT
public:
    explicit BoxStyle(const Theme& theme);

    void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                       const QWidget* widget) const override;

private:
    Theme theme_;
};

} // namespace velamen::ui
