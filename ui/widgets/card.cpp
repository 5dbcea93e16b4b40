// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of a card: 16 px inside, the heading row made visible when it has something to show.

#include "ui/widgets/card.h"

#include <QHBoxLayout>
#include <QVBoxLayout>

#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

Card::Card(const QString& title, QWidget* parent) : QFrame(parent)
{
    setAttribute(Qt::WA_StyledBackground);
    auto* all = new QVBoxLayout(this);
    all->setContentsMargins(space::kL, 14, space::kL, 14);
    all->setSpacing(space::kS + 2);
    heading_ = new QWidget(this);
    headingRow_ = new QHBoxLayout(heading_);
    headingRow_->setContentsMargins(0, 0, 0, 0);
    headingRow_->setSpacing(space::kM);
    title_ = makeText(TextRole::Heading, title, heading_);
    headingRow_->addWidget(title_);
    headingRow_->addStretch(1);
    all->addWidget(heading_);
    body_ = new QVBoxLayout;
    body_->setSpacing(space::kS);
    all->addLayout(body_, 1);
    heading_->setVisible(!title.isEmpty());
    setAccessibleName(title);
}

QString Card::title() const { return title_->text(); }

void Card::setTitle(const QString& title)
{
    title_->setText(title);
    setAccessibleName(title);
    showHeading();
}

void Card::setLeading(QWidget* widget)
{
    headingRow_->insertWidget(1, widget);
    showHeading();
}

void Card::setTrailing(QWidget* widget)
{
    headingRow_->addWidget(widget);
    showHeading();
}

void Card::showHeading()
{
    heading_->setVisible(!title_->text().isEmpty() || headingRow_->count() > 2);
}

} // namespace velamen::ui
