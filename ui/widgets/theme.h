// SPDX-License-Identifier: GPL-3.0-or-later
//
// The look in one table: colours of the light and the dark theme, text sizes, spacing, and the
// style sheet made from them. Widgets that paint themselves ask Theme::of(*this); nothing is kept
// in globals.

#pragma once

#include <QColor>
#include <QFont>
#include <QString>

class QApplication;
class QWidget;

namespace velamen::ui {

enum class Appearance { System, Light, Dark };

/// Text on a tinted ground with contrast >= 4.5:1.
struct Tint {
    QColor ink;
    QColor ground;
};

struct Theme {
    bool isDark = false;
    QColor accent;     ///< fills: primary buttons, bars, selected rail item
    QColor accentInk;  ///< text on accent
    QColor accentText; ///< accent as text or line on a card
    QColor ink;
    QColor muted;  ///< notes; still >= 4.5:1 on cards and ground
    QColor ground; ///< behind cards
    QColor card;
    QColor line;      ///< borders of cards and table rows
    QColor fieldLine; ///< borders of inputs and buttons
    QColor field;     ///< ground of inputs
    QColor track;     ///< empty part of bars, grey dots
    QColor grid;      ///< chart grid
    QColor statusGround;
    QColor rail;
    QColor railInk;
    QColor railMuted;
    QColor railLine;
    QColor danger; ///< text and border of destructive buttons
    QColor hot;    ///< the dots that count
    Tint privateZone;
    Tint protectedZone;
    Tint publicZone;
    Tint info;
    Tint caution;
    Tint error;
    Tint neutral;

    static Theme light();
    static Theme dark();
    /// The theme that a widget is shown in, told from the program's palette (a style sheet may have
    /// changed the widget's own).
    static Theme of(const QWidget& widget);

    QString styleSheet() const;
};

namespace text_size { // pixels
inline constexpr int kNote = 12;
inline constexpr int kBody = 14;
inline constexpr int kHeading = 15;
inline constexpr int kLead = 16;
inline constexpr int kTitle = 21;
inline constexpr int kNumber = 30;
} // namespace text_size

namespace space {
inline constexpr int kXs = 4;
inline constexpr int kS = 8;
inline constexpr int kM = 12;
inline constexpr int kL = 16;
inline constexpr int kXl = 24;
} // namespace space

/// Inter or Noto Sans when present, else the system's sans.
QFont uiFont(int pixelSize = text_size::kBody, QFont::Weight weight = QFont::Normal);

/// Style, palette, font and style sheet of the whole program. System: dark when the desktop's
/// palette is.
void applyTheme(QApplication& app, Appearance appearance = Appearance::System);

} // namespace velamen::ui
