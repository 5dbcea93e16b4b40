// SPDX-License-Identifier: GPL-3.0-or-later
//
// A white sheet with round corners and a heading: the unit that pages are laid out in.

#pragma once

#include <QFrame>
#include <QString>

class QHBoxLayout;
class QLabel;
class QVBoxLayout;

namespace velamen::ui {

class Card : public QFrame {
    Q_OBJECT

public:
    /// Without a title there is no heading row until setTrailing().
    explicit Card(const QString& title, QWidget* parent = nullptr);

    QString title() const;
    void setTitle(const QString& title);
    /// Beside the title, left: a badge.
    void setLeading(QWidget* widget);
    /// At the right end of the heading row.
    void setTrailing(QWidget* widget);
    QVBoxLayout* body() const { return body_; }

private:
    void showHeading();

    QWidget* heading_;
    QHBoxLayout* headingRow_;
    QLabel* title_;
    QVBoxLayout* body_;
};

} // namespace velamen::ui
