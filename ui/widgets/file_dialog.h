// SPDX-License-Identifier: GPL-3.0-or-later
//
// The only way in which pages ask for a file or folder. Tests say beforehand what the user will
// choose.

#pragma once

#include <optional>

#include <QString>

class QWidget;

namespace velamen::ui {

class FileDialog {
public:
    /// Empty when the user cancelled.
    QString openFolder(QWidget* parent, const QString& title, const QString& start = {});
    QString openFile(QWidget* parent, const QString& title, const QString& start = {},
                     const QString& filter = {});
    /// `suggested`: full path or bare name.
    QString saveFile(QWidget* parent, const QString& title, const QString& suggested = {},
                     const QString& filter = {});

    /// The next question is answered with this, once, without showing anything. Empty: cancelled.
    void setNextFileName(const QString& fileName) { next_ = fileName; }

private:
    std::optional<QString> taken();
    std::optional<QString> next_;
};

} // namespace velamen::ui
