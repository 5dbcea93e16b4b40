// SPDX-License-Identifier: GPL-3.0-or-later
//
// The engine's lists of texts as Qt's.

#pragma once

#include <string>
#include <vector>

#include <QString>
#include <QStringList>

namespace velamen::ui {

inline QStringList toStrings(const std::vector<std::string>& texts)
{
    QStringList out;
    for (const std::string& text : texts)
        out << QString::fromStdString(text);
    return out;
}

} // namespace velamen::ui
