// SPDX-License-Identifier: GPL-3.0-or-later
//
// What every page has: a title, one line of what it is about, the main actions at the top right, a
// place for a notice, and a body that scrolls when the window is small.

#pragma once

#include <QString>
#include <QWidget>

class QHBoxLayout;
class QLabel;
class QVBoxLayout;

namespace velamen::ui {

class Notice;

class Page : public QWidget {
    Q_OBJECT

public:
    explicit Page(const QString& title, const QString& subtitle = {}, QWidget* parent = nullptr);

    QString title() const;
    void setSubtitle(const QString& subtitle);
    /// Added from left to right at the top right; the main action comes last.
    void addAction(QWidget* widget);
    using QWidget::addAction;
    QVBoxLayout* body() const { return body_; }
    /// Hidden until it is given something to say.
    Notice* notice() const { return notice_; }

Q_SIGNALS:
    /// The user asked for another page: "start", "data", "model", "privacy", "train", "sample",
    /// "release", "ledger".
    void pageRequested(const QString& key);

private:
    QLabel* title_;
    QLabel* subtitle_;
    QHBoxLayout* actions_;
    Notice* notice_;
    QVBoxLayout* body_;
};

} // namespace velamen::ui
