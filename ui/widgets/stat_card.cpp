// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of a number card.

#include "ui/widgets/stat_card.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QVBoxLayout>

#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

StatCard::StatCard(const QString& label, QWidget* parent) : Card({}, parent)
{
    label_ = makeText(TextRole::Muted, label, this);
    body()->addWidget(label_);
    body()->setSpacing(3);
    auto* row = new QHBoxLayout;
    row->setSpacing(space::kS);
    number_ = makeText(TextRole::Number, QStringLiteral("–"), this);
    unit_ = makeText(TextRole::Muted, {}, this);
    unit_->setContentsMargins(0, 0, 0, 5);
    row->addWidget(number_, 0, Qt::AlignBottom);
    row->addWidget(unit_, 0, Qt::AlignBottom);
    row->addStretch(1);
    body()->addLayout(row);
    note_ = makeText(TextRole::Note, {}, this);
    body()->addWidget(note_);
    body()->addStretch(1);
    setAccessibleName(label);
}

void StatCard::setNumber(const QString& number, const QString& unit)
{
    number_->setText(number);
    unit_->setText(unit);
    setAccessibleName(QStringLiteral("%1: %2 %3").arg(label_->text(), number, unit));
}

void StatCard::setNote(const QString& note)
{
    note_->setText(note);
    setAccessibleDescription(note);
}

QString StatCard::number() const { return number_->text(); }

QString StatCard::note() const { return note_->text(); }

} // namespace velamen::ui
