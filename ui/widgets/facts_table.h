// SPDX-License-Identifier: GPL-3.0-or-later
//
// Name and value in rows with hairlines between them, in one or more column pairs. For a handful of
// facts; lists of data belong in a view.

#pragma once

#include <QString>
#include <QWidget>
#include <map>

class QGridLayout;
class QLabel;

namespace velamen::ui {

class FactsTable final : public QWidget {
    Q_OBJECT

public:
    /// `pairs`: how many name/value pairs stand side by side.
    explicit FactsTable(int pairs = 1, QWidget* parent = nullptr);

    /// Adds the row, or changes its value. `key` becomes "fact.<key>" as the value's objectName.
    void setFact(const QString& key, const QString& name, const QString& value,
                 const QString& tip = {});
    QString value(const QString& key) const;
    void clear();

private:
    QGridLayout* grid_;
    std::map<QString, QLabel*> values_;
    int pairs_;
};

} // namespace velamen::ui
