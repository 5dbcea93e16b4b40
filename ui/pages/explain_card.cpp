// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout and texts of the explanation.

#include "ui/pages/explain_card.h"

#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QRegularExpression>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "engine/privacy/explain.h"
#include "ui/models/unit_words.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/odds_dots.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr double kPriors[] = {0.01, 0.10, 0.50};

void addZone(QVBoxLayout* body, ZoneBadge::Zone zone, const QString& words, QWidget* parent)
{
    auto* row = new QHBoxLayout;
    row->setSpacing(space::kM);
    auto* holder = new QHBoxLayout;
    holder->addWidget(new ZoneBadge(zone, {}, parent), 0, Qt::AlignLeft);
    row->addLayout(holder);
    auto* note = makeText(TextRole::Note, words, parent);
    row->addWidget(note, 1, Qt::AlignVCenter);
    body->addLayout(row);
}

} // namespace

ExplainCard::ExplainCard(QWidget* parent) : Card(tr("In words"), parent)
{
    setObjectName(QStringLiteral("privacy.explain"));
    strength_ = makeText(TextRole::Note, {}, this);
    strength_->setWordWrap(false);
    strength_->setToolTip(tr("How strong the guarantee is in the worst case"));
    setTrailing(strength_);

    sentence_ = makeText(TextRole::Lead, {}, this);
    sentence_->setObjectName(QStringLiteral("privacy.sentence"));
    sentence_->setTextFormat(Qt::RichText);
    body()->addWidget(sentence_);
    rest_ = makeText(TextRole::Note, {}, this);
    body()->addWidget(rest_);
    body()->addSpacing(space::kXs);
    dots_ = new OddsDots(this);
    body()->addWidget(dots_);
    body()->addSpacing(space::kXs);

    auto* table = new QGridLayout;
    table->setHorizontalSpacing(space::kXl);
    table->setVerticalSpacing(5);
    table->setColumnStretch(0, 1);
    table->setColumnStretch(1, 1);
    table->addWidget(makeText(TextRole::Muted, tr("suspicion before"), this), 0, 0);
    table->addWidget(makeText(TextRole::Muted, tr("at most after"), this), 0, 1);
    const QString before[] = {tr("1 %"), tr("10 %"), tr("a coin flip")};
    for (int i = 0; i < 3; ++i) {
        table->addWidget(makeLine(this), 2 * i + 1, 0, 1, 2);
        table->addWidget(new QLabel(before[i], this), 2 * i + 2, 0);
        after_[i] = new QLabel(this);
        after_[i]->setObjectName(QStringLiteral("privacy.after.%1").arg(i));
        table->addWidget(after_[i], 2 * i + 2, 1);
    }
    table->addWidget(makeLine(this), 7, 0, 1, 2);
    body()->addLayout(table);
    body()->addSpacing(space::kXs);
    note_ = makeText(TextRole::Note, {}, this);
    note_->setObjectName(QStringLiteral("privacy.note"));
    body()->addWidget(note_);
    body()->addStretch(1);
    body()->addWidget(makeLine(this));
    body()->addSpacing(2);
    addZone(body(), ZoneBadge::Private, tr("your images, exact losses and norms"), this);
    addZone(body(), ZoneBadge::Protected, tr("tuned model, its images, noised loss"), this);
    addZone(body(), ZoneBadge::Public, tr("base model, class names, plan, σ, q, T"), this);
}

void ExplainCard::setClaim(double epsilonValue, double deltaValue, double attackerRate,
                           const std::string& unit)
{
    const auto epsilon = privacy::Epsilon::create(epsilonValue);
    if (!epsilon) return;
    const QString epsilonText = QString::number(epsilonValue, 'g', 6);
    QString words = QString::fromStdString(privacy::odds_sentence(*epsilon, unit)).toHtmlEscaped();
    static const QRegularExpression last(QStringLiteral("([0-9.]+ in 100)\\.$"));
    words.replace(last, QStringLiteral("<b>\\1</b>."));
    sentence_->setText(tr("<b>ε = %1.</b> %2").arg(epsilonText, words));
    rest_->setText(
        tr("Even with everything you release, and for someone who knows all the other %1.")
            .arg(unitPlural(unit)));
    strength_->setText(QString::fromStdString(privacy::strength_label(*epsilon)));
    dots_->setLit(static_cast<int>(std::ceil(100.0 * privacy::posterior(0.01, *epsilon) - 1e-9)));
    for (int i = 0; i < 3; ++i) {
        after_[i]->setText(QString::fromStdString(privacy::posterior_text(kPriors[i], *epsilon)));
        after_[i]->setAccessibleName(
            tr("From %1 percent to at most %2").arg(kPriors[i] * 100.0).arg(after_[i]->text()));
    }
    QString note;
    if (attackerRate > 0.0)
        note +=
            tr("An attacker who accepts 1 % false alarms finds at most %2 % of the %1 in the "
               "folder. ")
                .arg(unitPlural(unit))
                .arg(std::min(100.0, std::ceil(attackerRate * 1000.0 - 1e-6) / 10.0), 0, 'g', 3);
    if (const auto delta = privacy::Delta::create(deltaValue))
        note += tr("δ: %1 ").arg(QString::fromStdString(privacy::delta_sentence(*delta)));
    note += tr(
        "These are upper bounds; real attacks usually do worse. Facts true of the whole group are "
        "not hidden.");
    note_->setText(note);
}

QString ExplainCard::sentence() const
{
    QString plain = sentence_->text();
    return plain.remove(QRegularExpression(QStringLiteral("<[^>]*>")));
}

} // namespace velamen::ui
