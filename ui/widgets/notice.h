// SPDX-License-Identifier: GPL-3.0-or-later
//
// An inline banner: title, cause and way out. For errors that a person can do something about and
// for facts that must be read before going on. Not a dialog and not a log.

#pragma once

#include <QFrame>
#include <QString>

#include "engine/core/result.h"

class QLabel;
class QPushButton;
class QToolButton;

namespace velamen::ui {

class Notice final : public QFrame {
    Q_OBJECT

public:
    enum Kind { Information, Caution, Problem };
    Q_ENUM(Kind)

    explicit Notice(QWidget* parent = nullptr);

    /// Shows the banner. `hint` is the way out and may be empty.
    void setContent(Kind kind, const QString& title, const QString& cause = {},
                    const QString& hint = {});
    void showError(const QString& title, const Error& error);
    /// A button at the right end; emits actionRequested(). Empty text removes it.
    void setAction(const QString& text);
    void setClosable(bool closable);
    /// Hides the banner and forgets its text.
    void clear();

    Kind kind() const { return kind_; }
    /// Title, cause and hint in one string.
    QString text() const;

Q_SIGNALS:
    void actionRequested();
    void closed();

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    Kind kind_ = Information;
    QLabel* title_;
    QLabel* cause_;
    QLabel* hint_;
    QPushButton* action_;
    QToolButton* close_;
};

} // namespace velamen::ui
