// SPDX-License-Identifier: GPL-3.0-or-later
//
// A grid of labels with hairlines.

#include "ui/widgets/facts_table.h"

#include <QGridLayout>
#include <QLabel>

#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

FactsTable::FactsTable(int pairs, QWidget* parent) : QWidget(parent), pairs_(pairs)
{
    grid_ = new QGridLayout(this);
    grid_->setContentsMargins(0, 0, 0, 0);
    grid_->setHorizontalSpacing(space::kL);
    grid_->setVerticalSpacing(6);
    for (int pair = 0; pair < pairs; ++pair)
        grid_->setColumnStretch(2 * pair + 1, 1);
}

void FactsTable::setFact(const QString& key, const QString& name, const QString& value,
                         const QString& tip)
{
    QLabel*& label = values_[key];
    if (label == nullptr) {
        const int index = static_cast<int>(values_.size()) - 1;
        const int row = index / pairs_ * 2;
        const int column = index % pairs_ * 2;
        auto* title = makeText(TextRole::Muted, name, this);
        label = makeText(TextRole::Body, {}, this);
        label->setObjectName(QStringLiteral("fact.") + key);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        label->setTextFormat(Qt::PlainText);
        title->setBuddy(label);
        grid_->addWidget(title, row, column, Qt::AlignTop);
        grid_->addWidget(label, row, column + 1);
        if (column == 0) grid_->addWidget(makeLine(this), row + 1, 0, 1, 2 * pairs_);
    }
    label->setText(value);
    label->setToolTip(tip);
    label->setAccessibleName(name + QStringLiteral(": ") + value);
}

QString FactsTable::value(const QString& key) const
{
    const auto found = values_.find(key);
    return found == values_.end() ? QString() : found->second->text();
}

void FactsTable::clear()
{
    while (QLayoutItem* item = grid_->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    values_.clear();
}

} // namespace velamen::ui
