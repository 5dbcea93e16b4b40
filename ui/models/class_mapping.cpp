// SPDX-License-Identifier: GPL-3.0-or-later

#include "ui/models/class_mapping.h"

#include <cmath>

#include <QCoreApplication>
#include <QStringList>

namespace velamen::ui {

namespace {

constexpr std::size_t kNamedParts = 3;

QString tr(const char* text)
{
    return QCoreApplication::translate("velamen::ui::ClassMapping", text);
}

} // namespace

QString mappingText(const train::ClassMapping::Row& row)
{
    if (row.parts.empty()) return tr("no public class stood out");
    QStringList words;
    double named = 0.0;
    for (std::size_t i = 0; i < row.parts.size() && i < kNamedParts; ++i) {
        named += row.parts[i].share;
        words << tr("%1 %2 %")
                     .arg(QString::fromStdString(row.parts[i].from))
                     .arg(std::lround(100.0 * row.parts[i].share));
    }
    if (row.parts.size() > kNamedParts)
        words << tr("others %1 %").arg(std::lround(100.0 * (1.0 - named)));
    return words.join(QStringLiteral(", "));
}

} // namespace velamen::ui
