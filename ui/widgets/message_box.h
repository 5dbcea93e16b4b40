// SPDX-License-Identifier: GPL-3.0-or-later
//
// The only way in which pages interrupt with a question. Tests say beforehand what the user will
// answer.

#pragma once

#include <optional>

#include <QString>
#include <QStringList>

class QWidget;

namespace velamen::ui {

class MessageBox {
public:
    /// A question with named buttons; returns the index of the chosen one, `cancel` when closed.
    int ask(QWidget* parent, const QString& title, const QString& text, const QStringList& buttons,
            int preferred, int cancel);
    /// One button that goes on and one that does not.
    bool confirm(QWidget* parent, const QString& title, const QString& text, const QString& yes);
    /// True when the user typed exactly `expected`.
    bool confirmTyped(QWidget* parent, const QString& title, const QString& text,
                      const QString& expected);
    /// A line of text; empty: cancelled.
    QString askText(QWidget* parent, const QString& title, const QString& label,
                    const QString& initial = {});
    void inform(QWidget* parent, const QString& title, const QString& text);

    /// The next ask() returns this index, the next confirm()/confirmTyped() whether it is 0, once.
    void setNextAnswer(int index) { next_ = index; }
    void setNextText(const QString& text) { nextText_ = text; }
    /// Title of the last question, shown or answered beforehand.
    QString lastTitle() const { return lastTitle_; }

private:
    std::optional<int> next_;
    std::optional<QString> nextText_;
    QString lastTitle_;
};

} // namespace velamen::ui
