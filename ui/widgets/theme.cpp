// SPDX-License-Identifier: GPL-3.0-or-later
//
// The colour table and the style sheet. Contrast of text was checked against WCAG 2 (>= 4.5:1); the
// test of this folder checks it again.

#include "ui/widgets/theme.h"

#include <QApplication>
#include <QFontDatabase>
#include <QPalette>
#include <QWidget>

#include "ui/widgets/box_style.h"

namespace velamen::ui {
namespace {

QPalette paletteOf(const Theme& t)
{
    QPalette p;
    const auto set = [&p](QPalette::ColorRole role, const QColor& colour) {
        p.setColor(QPalette::All, role, colour);
    };
    set(QPalette::Window, t.ground);
    set(QPalette::WindowText, t.ink);
    set(QPalette::Base, t.field);
    set(QPalette::AlternateBase, t.ground);
    set(QPalette::Text, t.ink);
    set(QPalette::PlaceholderText, t.muted);
    set(QPalette::Button, t.card);
    set(QPalette::ButtonText, t.ink);
    set(QPalette::BrightText, t.danger);
    set(QPalette::Highlight, t.accent);
    set(QPalette::HighlightedText, t.accentInk);
    set(QPalette::Link, t.accentText);
    set(QPalette::LinkVisited, t.accentText);
    set(QPalette::ToolTipBase, t.rail);
    set(QPalette::ToolTipText, t.railInk);
    set(QPalette::Light, t.card);
    set(QPalette::Midlight, t.ground);
    set(QPalette::Mid, t.line);
    set(QPalette::Dark, t.fieldLine);
    set(QPalette::Shadow, t.line);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        p.setColor(QPalette::Disabled, role, t.muted);
    return p;
}

} // namespace

Theme Theme::light()
{
    return {
        .isDark = false,
        .accent = "#0f766e",
        .accentInk = "#ffffff",
        .accentText = "#0f766e",
        .ink = "#1d2529",
        .muted = "#5d6d72",
        .ground = "#f4f6f6",
        .card = "#ffffff",
        .line = "#e1e7e8",
        .fieldLine = "#b9c5c8",
        .field = "#ffffff",
        .track = "#e2e8e9",
        .grid = "#edf0f1",
        .statusGround = "#e8eeee",
        .rail = "#18252b",
        .railInk = "#dbe4e6",
        .railMuted = "#93a5ab",
        .railLine = "#2b3b42",
        .danger = "#a12f10",
        .hot = "#c2410c",
        .privateZone = {"#8c3d12", "#fbe7dc"},
        .protectedZone = {"#12674b", "#dff3ec"},
        .publicZone = {"#31507c", "#e3eaf4"},
        .info = {"#31507c", "#eaf0f8"},
        .caution = {"#7a4a00", "#fdf1d8"},
        .error = {"#962b12", "#fbe5df"},
        .neutral = {"#4c5b60", "#e8edee"},
    };
}

Theme Theme::dark()
{
    return {
        .isDark = true,
        .accent = "#0f766e",
        .accentInk = "#ffffff",
        .accentText = "#4fc7b8",
        .ink = "#e4ebed",
        .muted = "#9db0b6",
        .ground = "#12191c",
        .card = "#1b2529",
        .line = "#2a373c",
        .fieldLine = "#46575d",
        .field = "#162023",
        .track = "#324046",
        .grid = "#26333a",
        .statusGround = "#172024",
        .rail = "#0d1518",
        .railInk = "#dbe4e6",
        .railMuted = "#8fa2a8",
        .railLine = "#223036",
        .danger = "#f2937a",
        .hot = "#ee7c4b",
        .privateZone = {"#f5b48f", "#472613"},
        .protectedZone = {"#86d9b9", "#123d2f"},
        .publicZone = {"#aac4ec", "#22344f"},
        .info = {"#aac4ec", "#1f2f47"},
        .caution = {"#f1cd85", "#40300f"},
        .error = {"#f5a48e", "#46211a"},
        .neutral = {"#b6c5ca", "#2b393e"},
    };
}

Theme Theme::of(const QWidget&)
{
    return QApplication::palette().color(QPalette::Window).lightness() < 128 ? dark() : light();
}

QString Theme::styleSheet() const
{
    QString sheet = QStringLiteral(R"(
QToolTip { color: @railInk; background: @rail; border: 1px solid @railLine; padding: 4px 6px; }
velamen--ui--Card, velamen--ui--StatCard { background: @card; border: 1px solid @line; border-radius: 10px; }
QLabel { background: transparent; }
QLabel[role="note"] { color: @muted; font-size: 12px; }
QLabel[role="muted"] { color: @muted; }
QLabel[role="strong"] { font-weight: 600; }
QLabel[role="heading"] { font-size: 14px; font-weight: 600; }
QLabel[role="lead"] { font-size: 16px; }
QLabel[role="title"] { font-size: 21px; font-weight: 600; }
QLabel[role="number"] { font-size: 30px; font-weight: 600; }
QLabel[role="railTitle"] { color: #ffffff; font-size: 18px; font-weight: 600; }
QLabel[role="railNote"] { color: @railMuted; font-size: 12px; }

QPushButton { color: @ink; background: @card; border: 1px solid @fieldLine; border-radius: 7px;
  padding: 6px 15px; min-height: 18px; }
QPushButton:hover { border-color: @muted; }
QPushButton:pressed { background: @line; }
QPushButton:focus { border: 2px solid @accentText; padding: 5px 14px; }
QPushButton:disabled { color: @muted; background: @ground; border-color: @line; }
QPushButton[role="primary"] { color: @accentInk; background: @accent; border-color: @accent; font-weight: 500; }
QPushButton[role="primary"]:hover { background: #0c625b; border-color: #0c625b; }
QPushButton[role="primary"]:pressed { background: #0a524c; }
QPushButton[role="primary"]:focus { border: 2px solid @ink; }
QPushButton[role="primary"]:disabled { color: @muted; background: @track; border-color: @track; }
QPushButton[role="danger"] { color: @danger; border-color: @danger; }
QPushButton[role="danger"]:disabled { color: @muted; border-color: @line; }
QPushButton[role="link"] { color: @accentText; background: transparent; border: 1px solid transparent;
  padding: 2px 2px; text-decoration: underline; }
QPushButton[role="link"]:focus { border: 1px solid @accentText; padding: 2px 2px; }
QPushButton::menu-indicator { width: 10px; subcontrol-position: right center; right: 8px; }

QToolButton { color: @muted; background: transparent; border: 1px solid transparent; border-radius: 5px;
  padding: 1px 5px; font-size: 12px; }
QToolButton:hover { color: @ink; background: @ground; }
QToolButton:checked { color: @accentText; background: @ground; }
QToolButton:focus { border-color: @accentText; }
QToolButton:disabled { color: @fieldLine; }

QLineEdit, QSpinBox, QDoubleSpinBox, QPlainTextEdit, QTextEdit { color: @ink; background: @field;
  border: 1px solid @fieldLine; border-radius: 7px; padding: 6px 10px;
  selection-background-color: @accent; selection-color: @accentInk; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QPlainTextEdit:focus, QTextEdit:focus {
  border: 2px solid @accentText; padding: 5px 9px; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QPlainTextEdit:disabled {
  color: @muted; background: @ground; border-color: @line; }
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button {
  width: 0px; border: none; }

QComboBox { color: @ink; background: @field; border: 1px solid @fieldLine; border-radius: 7px;
  padding: 6px 10px; min-height: 18px; }
QComboBox:focus { border: 2px solid @accentText; padding: 5px 9px; }
QComboBox:disabled { color: @muted; background: @ground; border-color: @line; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox::down-arrow { image: none; width: 0px; height: 0px; border-left: 4px solid @field;
  border-right: 4px solid @field; border-top: 5px solid @muted; }
QComboBox QAbstractItemView { color: @ink; background: @card; border: 1px solid @line;
  selection-background-color: @selected; selection-color: @ink; }

QRadioButton, QCheckBox { spacing: 8px; padding: 2px; border: 1px solid transparent; border-radius: 4px; }
QRadioButton:focus, QCheckBox:focus { border-color: @accentText; }
QRadioButton:disabled, QCheckBox:disabled { color: @muted; }

QRadioButton::indicator { width: 14px; height: 14px; border: 1px solid @muted; border-radius: 8px;
  background: @field; }
QRadioButton::indicator:checked { width: 6px; height: 6px; border: 5px solid @accentText; border-radius: 8px; }
QRadioButton::indicator:disabled { border-color: @fieldLine; }
QListView, QTreeView, QTableView { background: @card; border: 1px solid @line; border-radius: 7px;
  outline: none; gridline-color: @line; }
QListView:focus, QTreeView:focus, QTableView:focus { border-color: @accentText; }
QListView::item, QTreeView::item { padding: 5px 6px; border: none; }
QListView::item:hover, QTreeView::item:hover { background: @ground; }
QListView::item:selected, QTreeView::item:selected, QTableView::item:selected { color: @ink;
  background: @selected; }
QTableView::item { padding: 0 6px; }
QHeaderView { background: @card; }
QHeaderView::section { color: @muted; background: @card; border: none; border-bottom: 1px solid @line;
  padding: 5px 6px; font-weight: 400; }

QScrollArea, QScrollArea > QWidget > QWidget#scrollBody { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: @fieldLine; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: @muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QMenu { color: @ink; background: @card; border: 1px solid @line; padding: 4px; }
QMenu::item { padding: 5px 22px 5px 12px; border-radius: 4px; }
QMenu::item:selected { background: @selected; }
QProgressBar { background: @track; border: none; border-radius: 4px; max-height: 8px; text-align: center;
  color: transparent; }
QProgressBar::chunk { background: @accent; border-radius: 4px; }

QWidget#rail { background: @rail; }
QPushButton[role="rail"] { color: @railInk; background: transparent; border: none; border-radius: 7px; }
QFrame#railLine { background: @railLine; border: none; }
QWidget#statusLine { background: @statusGround; border-top: 1px solid @line; }
QWidget#statusLine QLabel { color: @muted; font-size: 12px; }
)");
    const auto blend = [this](double share) {
        const auto mix = [share](int a, int b) { return static_cast<int>(a + share * (b - a)); };
        return QColor(mix(card.red(), accent.red()), mix(card.green(), accent.green()),
                      mix(card.blue(), accent.blue()));
    };
    const std::pair<const char*, QColor> table[] = {
        {"@accentInk", accentInk},
        {"@accentText", accentText},
        {"@accent", accent},
        {"@selected", blend(isDark ? 0.35 : 0.14)},
        {"@statusGround", statusGround},
        {"@railInk", railInk},
        {"@railMuted", railMuted},
        {"@railLine", railLine},
        {"@rail", rail},
        {"@ink", ink},
        {"@muted", muted},
        {"@ground", ground},
        {"@card", card},
        {"@line", line},
        {"@fieldLine", fieldLine},
        {"@field", field},
        {"@track", track},
        {"@danger", danger},
    };
    for (const auto& [name, colour] : table) // longer names stand before their beginnings
        sheet.replace(QLatin1String(name), colour.name());
    return sheet;
}

QFont uiFont(int pixelSize, QFont::Weight weight)
{
    static const QStringList wanted{QStringLiteral("Inter"),     QStringLiteral("Inter Variable"),
                                    QStringLiteral("Noto Sans"), QStringLiteral("Cantarell"),
                                    QStringLiteral("Ubuntu"),    QStringLiteral("Roboto"),
                                    QStringLiteral("Open Sans")};
    QFont font;
    const QStringList present = QFontDatabase::families();
    for (const QString& family : wanted)
        if (present.contains(family)) {
            font.setFamily(family);
            break;
        }
    font.setPixelSize(pixelSize);
    font.setWeight(weight);
    return font;
}

void applyTheme(QApplication& app, Appearance appearance)
{
    const bool dark = appearance == Appearance::Dark
        || (appearance == Appearance::System
            && QApplication::palette().color(QPalette::Window).lightness() < 128);
    const Theme theme = dark ? Theme::dark() : Theme::light();
    app.setStyle(new BoxStyle(theme)); // owned by the application
    app.setPalette(paletteOf(theme));
    app.setFont(uiFont());
    app.setStyleSheet(theme.styleSheet());
}

} // namespace velamen::ui
