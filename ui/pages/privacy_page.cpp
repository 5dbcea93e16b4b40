// SPDX-License-Identifier: GPL-3.0-or-later
//
// The cards of the privacy page side by side, and the way to the confirmation and back.

#include "ui/pages/privacy_page.h"

#include <QHBoxLayout>
#include <QPushButton>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "engine/privacy/explain.h"
#include "ui/pages/adjust_panel.h"
#include "ui/pages/budget_card.h"
#include "ui/pages/confirm_panel.h"
#include "ui/pages/cost_card.h"
#include "ui/pages/explain_card.h"
#include "ui/pages/unit_card.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

enum Step { Choose, Adjust, Confirm };

} // namespace

PrivacyPage::PrivacyPage(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Page(tr("Privacy"), {}, parent), studio_(studio)
{
    setObjectName(QStringLiteral("page.privacy"));
    back_ = makeButton(ButtonRole::Plain, tr("Back"), QStringLiteral("privacy.back"), this);
    next_ = makeButton(ButtonRole::Primary, tr("Continue to confirm"),
                       QStringLiteral("privacy.next"), this);
    addAction(back_);
    addAction(next_);
    back_->hide();

    steps_ = new QStackedWidget(this);
    auto* choose = new QWidget(steps_);
    auto* columns = new QHBoxLayout(choose);
    columns->setContentsMargins(0, 0, 0, 0);
    columns->setSpacing(14);
    auto* left = new QVBoxLayout;
    left->setSpacing(14);
    unit_ = new UnitCard(studio, choose);
    left->addWidget(unit_);
    budget_ = new BudgetCard(studio, choose);
    left->addWidget(budget_);
    cost_ = new CostCard(studio, choose);
    left->addWidget(cost_, 1);
    columns->addLayout(left, 15);
    explain_ = new ExplainCard(choose);
    columns->addWidget(explain_, 14);
    steps_->addWidget(choose);
    adjust_ = new AdjustPanel(studio, dialogs, steps_);
    steps_->addWidget(adjust_);
    confirm_ = new ConfirmPanel(studio, dialogs, steps_);
    steps_->addWidget(confirm_);
    body()->addWidget(steps_, 1);

    connect(next_, &QPushButton::clicked, this, &PrivacyPage::goOn);
    connect(back_, &QPushButton::clicked, this, [this] { showStep(Choose); });
    connect(cost_, &CostCard::adjustRequested, this, [this] { showStep(Adjust); });
    connect(confirm_, &ConfirmPanel::changed, this, &PrivacyPage::refreshActions);
    connect(&studio_, &Studio::planChanged, this, &PrivacyPage::refresh);
    connect(&studio_, &Studio::sourceChanged, this, &PrivacyPage::refresh);
    connect(&studio_, &Studio::ledgerChanged, this, &PrivacyPage::refresh);
    connect(&studio_, &Studio::runStateChanged, this, &PrivacyPage::refresh);
    connect(&studio_, &Studio::projectChanged, this, [this] {
        confirm_->reset();
        showStep(Choose);
        refresh();
    });
    showStep(Choose);
    refresh();
}

void PrivacyPage::showEvent(QShowEvent* event)
{
    Page::showEvent(event);
    refresh();
}

void PrivacyPage::goOn()
{
    if (studio_.isConfirmed()) {
        Q_EMIT pageRequested(QStringLiteral("train"));
        return;
    }
    if (steps_->currentIndex() != Confirm) {
        confirm_->reset();
        showStep(Confirm);
        return;
    }
    confirm_->confirm();
    if (studio_.isConfirmed()) Q_EMIT pageRequested(QStringLiteral("train"));
}

void PrivacyPage::showStep(int step)
{
    // Only the sheet that is seen has a say in the height: a short one does not scroll.
    for (int i = 0; i < steps_->count(); ++i) {
        const auto policy = i == step ? QSizePolicy::Preferred : QSizePolicy::Ignored;
        steps_->widget(i)->setSizePolicy(QSizePolicy::Preferred, policy);
    }
    steps_->setCurrentIndex(step);
    confirm_->refresh();
    refreshActions();
}

void PrivacyPage::refresh()
{
    unit_->refresh();
    budget_->refresh();
    cost_->refresh();
    adjust_->refresh();
    refreshClaim();
    if (steps_->currentIndex() == Confirm && !studio_.plan() && !studio_.isPlanning())
        showStep(Choose);
    confirm_->refresh();
    refreshActions();
}

void PrivacyPage::refreshClaim()
{
    const train::PlanRequest& request = studio_.request();
    const auto& plan = studio_.plan();
    double delta = plan ? plan->privacy.delta : request.delta;
    if (delta <= 0.0 && request.public_units > 0)
        delta = privacy::default_delta(request.public_units).value();
    explain_->setClaim(request.epsilon, delta,
                       studio_.forecast() ? studio_.forecast()->attacker_rate : 0.0, request.unit);
}

void PrivacyPage::refreshActions()
{
    const bool isConfirming = steps_->currentIndex() == Confirm;
    const bool isConfirmed = studio_.isConfirmed();
    back_->setVisible(steps_->currentIndex() != Choose);
    setSubtitle(isConfirmed        ? tr("Confirmed. Any change takes the confirmation back.")
                    : isConfirming ? tr("Read it once more; this is what the certificate will say")
                    : steps_->currentIndex() == Adjust
                    ? tr("Everything here has a good value by rule")
                    : tr("What may be learned about one %1 from everything you release")
                          .arg(QString::fromStdString(studio_.request().unit)));
    next_->setText(isConfirmed        ? tr("Continue to training")
                       : isConfirming ? tr("Confirm this plan")
                                      : tr("Continue to confirm"));
    next_->setAccessibleName(next_->text());
    QString whyNot;
    if (!isConfirmed && isConfirming)
        whyNot = confirm_->whyNot();
    else if (!isConfirmed && !studio_.plan())
        whyNot = studio_.planProblem() ? QString::fromStdString(studio_.planProblem()->message + ' '
                                                                + studio_.planProblem()->hint)
                                       : tr("The plan is being computed.");
    setEnabledWithReason(next_, whyNot.isEmpty(), whyNot);
}

} // namespace velamen::ui
