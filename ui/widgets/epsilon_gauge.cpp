// SPDX-License-Identifier: GPL-3.0-or-later
//
// Number, limit, bar and sentence; every rounding goes up.

#include "ui/widgets/epsilon_gauge.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QVBoxLayout>
#include <algorithm>

#include "engine/privacy/explain.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/bar.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

QString roundedUp(double epsilon)
{
    const auto value = privacy::Epsilon::create(std::max(epsilon, 0.0));
    return value ? QString::fromStdString(privacy::epsilon_text(*value)) : QStringLiteral("–");
}

} // namespace

EpsilonGauge::EpsilonGauge(QWidget* parent) : QWidget(parent)
{
    auto* all = new QVBoxLayout(this);
    all->setContentsMargins(0, 0, 0, 0);
    all->setSpacing(space::kS);
    auto* row = new QHBoxLayout;
    row->setSpacing(10);
    number_ = makeText(TextRole::Number, {}, this);
    limit_ = makeText(TextRole::Muted, {}, this);
    row->addWidget(number_, 0, Qt::AlignBottom);
    row->addWidget(limit_, 0, Qt::AlignBottom);
    row->addStretch(1);
    row->addWidget(new ZoneBadge(ZoneBadge::Protected, {}, this), 0, Qt::AlignBottom);
    limit_->setContentsMargins(0, 0, 0, 5);
    all->addLayout(row);
    bar_ = new Bar(this);
    all->addWidget(bar_);
    note_ = makeText(TextRole::Note, {}, this);
    all->addWidget(note_);
    setValue(0.0, 0.0, 0.0);
}

void EpsilonGauge::setValue(double spent, double limit, double delta)
{
    number_->setText(tr("ε %1").arg(roundedUp(spent)));
    QString of = limit > 0.0 ? tr("of %1").arg(QString::number(limit, 'g', 4)) : QString();
    if (delta > 0.0) of += tr(" · δ = %1").arg(QString::fromStdString(privacy::one_in(delta)));
    limit_->setText(of);
    bar_->setShare(limit > 0.0 ? spent / limit : 0.0);
    bar_->setAccessibleName(tr("Privacy budget spent"));
    setAccessibleName(tr("Privacy budget: %1 %2").arg(number_->text(), of));
}

void EpsilonGauge::setNote(const QString& note) { note_->setText(note); }

QString EpsilonGauge::numberText() const { return number_->text(); }

} // namespace velamen::ui
