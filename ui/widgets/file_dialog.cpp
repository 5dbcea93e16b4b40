// SPDX-License-Identifier: GPL-3.0-or-later
//
// The desktop's own dialogs, unless a test has answered already.

#include "ui/widgets/file_dialog.h"

#include <QFileDialog>
#include <utility>

namespace velamen::ui {

std::optional<QString> FileDialog::taken() { return std::exchange(next_, std::nullopt); }

QString FileDialog::openFolder(QWidget* parent, const QString& title, const QString& start)
{
    if (const auto answer = taken()) return *answer;
    return QFileDialog::getExistingDirectory(parent, title, start);
}

QString FileDialog::openFile(QWidget* parent, const QString& title, const QString& start,
                             const QString& filter)
{
    if (const auto answer = taken()) return *answer;
    return QFileDialog::getOpenFileName(parent, title, start, filter);
}

QString FileDialog::saveFile(QWidget* parent, const QString& title, const QString& suggested,
                             const QString& filter)
{
    if (const auto answer = taken()) return *answer;
    return QFileDialog::getSaveFileName(parent, title, suggested, filter);
}

} // namespace velamen::ui
