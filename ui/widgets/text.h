// SPDX-License-Identifier: GPL-3.0-or-later
//
// Labels and buttons of the few kinds that the look knows. Makers only; the style sheet does the
// rest.

#pragma once

#include <filesystem>

#include <QLabel>
#include <QPushButton>
#include <QString>
#include <QToolButton>

namespace velamen::ui {

enum class TextRole { Body, Note, Muted, Strong, Heading, Lead, Title, Number };

/// Word-wrapped where the role is prose (Body, Note, Lead).
QLabel* makeText(TextRole role, const QString& text = {}, QWidget* parent = nullptr);
void setTextRole(QLabel* label, TextRole role);

enum class ButtonRole { Plain, Primary, Danger, Link };

QPushButton* makeButton(ButtonRole role, const QString& text, const QString& objectName,
                        QWidget* parent = nullptr);
void setButtonRole(QPushButton* button, ButtonRole role);

/// Small flat tool ("Log", "Reset zoom") for the trailing end of a card.
QToolButton* makeTool(const QString& text, const QString& objectName, QWidget* parent = nullptr);

/// Enables or disables a control; when disabled the tooltip says why, when enabled it is `tip`.
void setEnabledWithReason(QWidget* control, bool enabled, const QString& whyNot,
                          const QString& tip = {});

/// A thin horizontal line in the theme's colour.
QWidget* makeLine(QWidget* parent = nullptr);

/// "1 234 567" in the user's locale; "4.61 M"; "25 min", "1 h 05 min"; "1.3 GB".
QString countText(qint64 count);
QString shortCountText(qint64 count);
QString durationText(double seconds);
QString gigabytesText(double gigabytes);
QString bytesText(qint64 bytes);

/// File names between Qt and the engine, both UTF-8.
QString pathText(const std::filesystem::path& path);
std::filesystem::path toPath(const QString& text);
/// The same with the home folder as "~".
QString shortPathText(const std::filesystem::path& path);

} // namespace velamen::ui
