// SPDX-License-Identifier: GPL-3.0-or-later
//
// Plurals of English words, and keys in words.

#include "ui/models/unit_words.h"

#include <QCoreApplication>
#include <QLocale>

namespace velamen::ui {

namespace {

constexpr std::string_view kColumn = "column:";

QString tr(const char* text) { return QCoreApplication::translate("velamen::ui::UnitWords", text); }

QString columnOf(const std::string& key)
{
    return tr("column “%1”").arg(QString::fromStdString(key.substr(kColumn.size())));
}

bool endsLikeAHiss(const QString& word)
{
    for (const char* end : {"s", "x", "z", "ch", "sh"})
        if (word.endsWith(QLatin1String(end))) return true;
    return false;
}

} // namespace

QString unitPlural(const std::string& unit)
{
    if (unit == kImageUnit) return tr("images");
    if (unit == kPatientUnit) return tr("patients");
    const QString word = QString::fromStdString(unit);
    const bool isConsonantY = word.size() > 1 && word.endsWith(QLatin1Char('y'))
        && !QStringLiteral("aeiou").contains(word.at(word.size() - 2));
    if (isConsonantY) return word.chopped(1) + QStringLiteral("ies");
    return word + (endsLikeAHiss(word) ? QStringLiteral("es") : QStringLiteral("s"));
}

QString unitCount(qint64 count, const std::string& unit)
{
    return QLocale().toString(count) + QLatin1Char(' ')
        + (count == 1 ? QString::fromStdString(unit) : unitPlural(unit));
}

QString unitKeyText(const std::string& key)
{
    if (key == kFileKey) return tr("each image");
    if (key == "folder") return tr("the folder inside the class");
    return key.starts_with(kColumn) ? columnOf(key) : tr("part of the file name");
}

QString labelKeyText(const std::string& key)
{
    if (key == "folder") return tr("names of subfolders");
    return key.starts_with(kColumn) ? columnOf(key) : tr("part of the file name");
}

} // namespace velamen::ui
