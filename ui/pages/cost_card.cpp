// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the card and what it says of a plan.

#include "ui/pages/cost_card.h"

#include <QLabel>
#include <QVBoxLayout>

#include "ui/models/unit_words.h"
#include "ui/pages/cost_facts.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/text.h"

namespace velamen::ui {
namespace {

constexpr std::int64_t kFewUnits = 1000;

} // namespace

CostCard::CostCard(Studio& studio, QWidget* parent)
    : Card(tr("3  What that costs"), parent), studio_(studio), costs_(new FactsTable(2, this)),
      note_(makeText(TextRole::Note, {}, this)), problem_(new Notice(this))
{
    auto* adjust = makeTool(tr("Adjust…"), QStringLiteral("privacy.adjust"), this);
    adjust->setToolTip(tr("Warm start, steps, clipping, precision and memory"));
    setTrailing(adjust);
    note_->setObjectName(QStringLiteral("privacy.costNote"));
    problem_->setObjectName(QStringLiteral("privacy.problem"));
    body()->addWidget(costs_);
    body()->addWidget(note_);
    body()->addWidget(problem_);
    body()->addStretch(1);
    connect(adjust, &QToolButton::clicked, this, &CostCard::adjustRequested);
}

QString CostCard::note() const
{
    const auto& plan = studio_.plan();
    const auto& forecast = studio_.forecast();
    if (studio_.isPlanning()) return tr("Computing…");
    if (!plan) return {};
    if (plan->privacy.public_units < kFewUnits)
        return tr("Few %1: expect coarse results.").arg(unitPlural(plan->privacy.unit));
    if (!forecast || forecast->total_parameters == 0) return {};
    return tr("%1 of %2 parameters learn. The run stops before the step that would exceed ε.")
        .arg(shortCountText(forecast->trained_parameters),
             shortCountText(forecast->total_parameters));
}

void CostCard::refresh()
{
    showCosts(*costs_, studio_);
    const QString adjusted = adjustedText(studio_.request());
    QStringList said;
    if (!adjusted.isEmpty()) said << tr("Adjusted: %1.").arg(adjusted);
    for (const QString& sentence : {warmStartSentence(studio_), note()})
        if (!sentence.isEmpty()) said << sentence;
    note_->setText(said.join(QLatin1Char(' ')));
    note_->setVisible(!said.isEmpty());
    const auto problem = studio_.planProblem();
    if (problem && !studio_.isPlanning())
        problem_->setContent(
            problem->code == ErrorCode::InvalidArgument ? Notice::Information : Notice::Caution,
            QString::fromStdString(problem->message), QString::fromStdString(problem->hint));
    else
        problem_->clear();
}

} // namespace velamen::ui
