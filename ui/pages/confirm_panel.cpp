// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout and texts of the confirmation.

#include "ui/pages/confirm_panel.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QVBoxLayout>
#include <set>
#include <tuple>
#include <utility>

#include "engine/privacy/explain.h"
#include "ui/models/strings.h"
#include "ui/models/unit_words.h"
#include "ui/pages/cost_facts.h"
#include "ui/widgets/card.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr double kCaution = 5.0;
constexpr double kTyped = 10.0;

using Acknowledgement = std::pair<QCheckBox*, QLabel*>;

/// A check box whose words wrap: the box and a label that is its buddy.
Acknowledgement addAcknowledgement(QVBoxLayout* body, const QString& words, const QString& name,
                                   QWidget* parent)
{
    auto* row = new QHBoxLayout;
    row->setSpacing(space::kM);
    auto* box = new QCheckBox(parent);
    box->setObjectName(name);
    box->setAccessibleName(words);
    auto* label = makeText(TextRole::Body, words, parent);
    label->setBuddy(box);
    row->addWidget(box, 0, Qt::AlignTop);
    row->addWidget(label, 1);
    body->addLayout(row);
    return {box, label};
}

QString promiseText(const Studio& studio)
{
    const std::string& unit = studio.request().unit;
    const std::string key = studio.knownUnitKey();
    if (unit != kImageUnit)
        return ConfirmPanel::tr("The protected unit is one %1, told apart by %2. No %1 stands in "
                                "the folder under two of its values.")
            .arg(QString::fromStdString(unit), unitKeyText(key));
    if (!key.empty())
        return ConfirmPanel::tr("The protected unit is one image, although %1 tells which images "
                                "belong together. I know that this says little about a person "
                                "with several images in the folder.")
            .arg(unitKeyText(key));
    return ConfirmPanel::tr("The protected unit is one image. I know that this says little about a "
                            "person with several images in the folder.");
}

QString unitText(const train::TrainingPlan& plan)
{
    const train::PrivacyPlan& p = plan.privacy;
    if (p.unit == kImageUnit) return ConfirmPanel::tr("one image");
    return ConfirmPanel::tr("one %1, by %2; at most %3 in a step")
        .arg(QString::fromStdString(p.unit), unitKeyText(plan.keys.unit),
             unitCount(p.images_per_unit, kImageUnit));
}

QString warmStartText(const train::PrivacyPlan& p, const Studio& studio)
{
    QStringList parts;
    if (p.noise_warm_start > 0.0)
        parts << ConfirmPanel::tr("noisy means of the classes, σ %1")
                     .arg(QLocale().toString(p.noise_warm_start, 'g', 4));
    if (p.noise_votes > 0.0)
        parts << ConfirmPanel::tr("noisy class votes, σ %1")
                     .arg(QLocale().toString(p.noise_votes, 'g', 4));
    if (parts.empty()) return ConfirmPanel::tr("none");
    const auto epsilon =
        privacy::Epsilon::create(studio.forecast() ? studio.forecast()->epsilon_warm_start : 0.0);
    if (epsilon && epsilon->value() > 0.0)
        parts << ConfirmPanel::tr("about %1 of ε")
                     .arg(QString::fromStdString(privacy::epsilon_text(*epsilon)));
    return parts.join(QStringLiteral("; "));
}

QString methodText(const train::TrainingPlan& plan)
{
    QStringList parts{clippingText(plan.optimiser.clipping), ruleText(plan.optimiser.rule),
                      precisionText(plan.precision)};
    if (plan.optimiser.noise_multiplicity > 1)
        parts << ConfirmPanel::tr("%1 noise draws an image")
                     .arg(countText(plan.optimiser.noise_multiplicity));
    if (plan.optimiser.public_batch > 0)
        parts << ConfirmPanel::tr("%1 public images a step")
                     .arg(countText(plan.optimiser.public_batch));
    return parts.join(QStringLiteral(", "));
}

} // namespace

ConfirmPanel::ConfirmPanel(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : QWidget(parent), studio_(studio), dialogs_(dialogs)
{
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(14);

    auto* promise = new Card(tr("What you are about to promise"), this);
    promise_ = makeText(TextRole::Lead, {}, promise);
    promise_->setObjectName(QStringLiteral("confirm.promise"));
    promise->body()->addWidget(promise_);
    promise->body()->addSpacing(space::kS);
    facts_ = new FactsTable(1, promise);
    promise->body()->addWidget(facts_);
    promise->body()->addStretch(1);
    row->addWidget(promise, 5);

    auto* right = new QVBoxLayout;
    right->setSpacing(14);
    auto* say = new Card(tr("Please confirm"), this);
    say->body()->setSpacing(space::kM);
    std::tie(unit_, unitWords_) =
        addAcknowledgement(say->body(), {}, QStringLiteral("confirm.unit"), say);
    classes_ = addAcknowledgement(
                   say->body(),
                   tr("The list of classes, the base model and the settings were not chosen "
                      "by looking at single images; they may be published."),
                   QStringLiteral("confirm.classes"), say)
                   .first;
    right->addWidget(say);
    caution_ = new Notice(this);
    caution_->setObjectName(QStringLiteral("confirm.caution"));
    right->addWidget(caution_);
    auto* spent = new Card(tr("What is spent stays spent"), this);
    earlier_ = makeText(TextRole::Body, {}, spent);
    spent->body()->addWidget(earlier_);
    spent->body()->addWidget(makeText(TextRole::Note,
                                      tr("Every step is written to the ledger before its noise is "
                                         "used. Stopping early spends less; "
                                         "starting again on the same images adds up."),
                                      spent));
    right->addWidget(spent);
    right->addStretch(1);
    row->addLayout(right, 4);

    for (QCheckBox* box : {unit_, classes_})
        connect(box, &QCheckBox::toggled, this, &ConfirmPanel::changed);
    refresh();
}

QString ConfirmPanel::whyNot() const
{
    if (!studio_.plan()) return tr("There is no plan to confirm yet.");
    if (!unit_->isChecked() || !classes_->isChecked()) return tr("Tick both statements first.");
    return {};
}

void ConfirmPanel::confirm()
{
    if (!whyNot().isEmpty()) return;
    const double epsilon = studio_.plan()->privacy.epsilon;
    if (epsilon > kTyped) {
        const QString typed = QString::number(epsilon, 'g', 6);
        if (!dialogs_.messages.confirmTyped(
                this, tr("A very weak guarantee"),
                tr("With ε = %1 somebody can become practically certain that a given %2 was "
                   "in the folder. Type %1 to go on anyway.")
                    .arg(typed, QString::fromStdString(studio_.plan()->privacy.unit)),
                typed))
            return;
    }
    studio_.confirmPlan();
}

void ConfirmPanel::reset()
{
    unit_->setChecked(false);
    classes_->setChecked(false);
}

void ConfirmPanel::refresh()
{
    const auto& plan = studio_.plan();
    if (!plan) return;
    const train::PrivacyPlan& p = plan->privacy;
    if (const auto epsilon = privacy::Epsilon::create(p.epsilon))
        promise_->setText(QString::fromStdString(privacy::odds_sentence(*epsilon, p.unit)));
    const QString acknowledged = promiseText(studio_);
    if (unitWords_->text() != acknowledged) unit_->setChecked(false); // another sentence
    unitWords_->setText(acknowledged);
    unit_->setAccessibleName(acknowledged);
    const bool isPublic = p.neighbours == privacy::Neighbours::ZeroOut;
    const QString unit = QString::fromStdString(p.unit);
    const QString units = unitPlural(p.unit);
    facts_->setFact(QStringLiteral("unit"), tr("protected unit"), unitText(*plan));
    facts_->setFact(QStringLiteral("epsilon"), tr("ε at most"), QString::number(p.epsilon, 'g', 6));
    facts_->setFact(QStringLiteral("delta"), tr("δ"),
                    QString::fromStdString(privacy::one_in(p.delta)));
    facts_->setFact(QStringLiteral("neighbours"), tr("compared with"),
                    isPublic ? tr("the same folder with one %1 blanked (zero-out)").arg(unit)
                             : tr("the folder with one %1 more or less (add/remove)").arg(unit));
    facts_->setFact(
        QStringLiteral("units"), tr("number of %1").arg(units),
        isPublic ? tr("%1, public, printed in the certificate").arg(countText(p.public_units))
                 : tr("secret; planned with %1 as you typed").arg(countText(p.public_units)));
    facts_->setFact(QStringLiteral("steps"), tr("steps"), countText(p.steps));
    facts_->setFact(QStringLiteral("batch"), tr("expected in a step"),
                    unitCount(p.expected_batch, p.unit));
    facts_->setFact(QStringLiteral("sigma"), tr("noise multiplier σ"),
                    p.hardened ? tr("%1, hardened: discrete on an integer grid")
                                     .arg(QString::number(p.noise_effective, 'f', 3))
                               : QString::number(p.noise_effective, 'f', 3));
    facts_->setFact(QStringLiteral("warm"), tr("before the first step"), warmStartText(p, studio_));
    facts_->setFact(QStringLiteral("method"), tr("method"), methodText(*plan));
    const QStringList classes = toStrings(plan->classes);
    QString list = classes.mid(0, 12).join(QStringLiteral(", "));
    if (classes.size() > 12)
        list += tr(" and %n more", nullptr, static_cast<int>(classes.size()) - 12);
    facts_->setFact(QStringLiteral("classes"), tr("public classes"), list);
    std::set<std::string> runs;
    for (const privacy::LedgerEntry& entry : studio_.ledger())
        runs.insert(entry.run);
    earlier_->setText(
        runs.empty()
            ? tr("This is the first run on these images.")
            : tr("%n earlier run(s) on these images stand in the ledger. What they spent and "
                 "what this one spends count together.",
                 nullptr, static_cast<int>(runs.size())));
    if (p.epsilon > kTyped)
        caution_->setContent(Notice::Caution, tr("ε = %1 is a very weak guarantee.").arg(p.epsilon),
                             tr("You will be asked to type the number."));
    else if (p.epsilon >= kCaution)
        caution_->setContent(Notice::Caution,
                             tr("ε = %1 is weak in the worst case.").arg(p.epsilon),
                             tr("Common for images, but say so when you release them."));
    else
        caution_->clear();
}

} // namespace velamen::ui
