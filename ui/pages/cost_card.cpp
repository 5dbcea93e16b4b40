// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the card and the way between its controls and the studio.

#include "ui/pages/cost_card.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QSpinBox>
#include <QVBoxLayout>

#include "ui/widgets/facts_table.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr std::int64_t kFewUnits = 1000;

QHBoxLayout* makeRow()
{
    auto* row = new QHBoxLayout;
    row->setSpacing(space::kM);
    return row;
}

} // namespace

CostCard::CostCard(Studio& studio, QWidget* parent)
    : Card(tr("3  What that costs"), parent), studio_(studio)
{
    auto* adjust = makeTool(tr("Adjust…"), QStringLiteral("privacy.adjust"), this);
    adjust->setCheckable(true);
    adjust->setToolTip(tr("Choose steps, batch and the kind of noise yourself"));
    setTrailing(adjust);
    costs_ = new FactsTable(2, this);
    body()->addWidget(costs_);
    adjustRow_ = new QWidget(this);
    auto* rows = new QVBoxLayout(adjustRow_);
    rows->setContentsMargins(0, 0, 0, 0);
    rows->setSpacing(space::kXs);
    auto* row = makeRow();
    const auto addSpin = [this, row](const QString& label, const QString& name, int highest) {
        auto* text = makeText(TextRole::Muted, label, adjustRow_);
        auto* spin = new QSpinBox(adjustRow_);
        spin->setObjectName(name);
        spin->setAccessibleName(label);
        spin->setRange(0, highest);
        spin->setSpecialValueText(tr("automatic"));
        spin->setKeyboardTracking(false);
        spin->setFixedWidth(108);
        text->setBuddy(spin);
        row->addWidget(text);
        row->addWidget(spin);
        connect(spin, &QSpinBox::valueChanged, this, &CostCard::setAdjustments);
        return spin;
    };
    stepCount_ = addSpin(tr("steps"), QStringLiteral("privacy.steps"), 1'000'000);
    batch_ = addSpin(tr("images a step"), QStringLiteral("privacy.batch"), 10'000'000);
    row->addStretch(1);
    rows->addLayout(row);
    auto* checks = makeRow();
    rows->addLayout(checks);
    const auto addCheck = [this, checks](const QString& label, const QString& name,
                                         const QString& tip) {
        auto* check = new QCheckBox(label, adjustRow_);
        check->setObjectName(name);
        check->setToolTip(tip);
        checks->addWidget(check);
        connect(check, &QCheckBox::toggled, this, &CostCard::setAdjustments);
        return check;
    };
    clippedFraction_ =
        addCheck(tr("show the &clipped share"), QStringLiteral("privacy.clipped"),
                 tr("Released in every step with noise of its own, at about 1 % of ε."));
    warmStart_ =
        addCheck(tr("&warm start"), QStringLiteral("privacy.warm"),
                 tr("Before the first step the means of the classes are released with noise, and "
                    "the model learns from them. Counted in ε; helps most when ε is small."));
    hardened_ = addCheck(
        tr("&hardened noise"), QStringLiteral("privacy.hardened"),
        tr("Discrete noise on an integer grid: nothing to attack in its last digits. Steps take "
           "several times as long, and ε is the Rényi bound, which asks for more noise."));
    checks->addStretch(1);
    body()->addWidget(adjustRow_);
    adjustRow_->hide();
    connect(adjust, &QToolButton::toggled, adjustRow_, &QWidget::setVisible);
    costNote_ = makeText(TextRole::Note, {}, this);
    body()->addWidget(costNote_);
    problem_ = new Notice(this);
    problem_->setObjectName(QStringLiteral("privacy.problem"));
    body()->addWidget(problem_);
    body()->addStretch(1);
}

void CostCard::setAdjustments()
{
    if (isRefreshing_) return;
    train::PlanRequest request = studio_.request();
    request.steps = stepCount_->value();
    request.expected_batch = batch_->value();
    request.release_clipped_fraction = clippedFraction_->isChecked();
    request.hardened = hardened_->isChecked();
    request.warm_start = warmStart_->isChecked();
    studio_.setRequest(request);
}

void CostCard::refresh()
{
    isRefreshing_ = true;
    const bool isLocked = studio_.isRunActive();
    const QString locked = tr("A run is in progress with the plan that was confirmed.");
    for (QWidget* control : std::initializer_list<QWidget*>{stepCount_, batch_, clippedFraction_,
                                                            warmStart_, hardened_})
        setEnabledWithReason(control, !isLocked, locked);
    stepCount_->setValue(static_cast<int>(studio_.request().steps));
    batch_->setValue(static_cast<int>(studio_.request().expected_batch));
    clippedFraction_->setChecked(studio_.request().release_clipped_fraction);
    hardened_->setChecked(studio_.request().hardened);
    warmStart_->setChecked(studio_.request().warm_start);
    const auto& plan = studio_.plan();
    const auto& forecast = studio_.forecast();
    const QString none = QStringLiteral("–");
    if (plan || !studio_.isPlanning()) { // while computing, the last numbers stay
        const auto number = [&](std::int64_t value) { return plan ? countText(value) : none; };
        costs_->setFact(QStringLiteral("steps"), tr("steps"),
                        number(plan ? plan->privacy.steps : 0));
        costs_->setFact(QStringLiteral("batch"), tr("images a step"),
                        number(plan ? plan->privacy.expected_batch : 0),
                        tr("Expected: each image is drawn by chance in every step."));
        costs_->setFact(QStringLiteral("rate"), tr("chance a step"),
                        plan ? tr("%1 %").arg(plan->privacy.rate * 100.0, 0, 'g', 3) : none,
                        tr("q: how likely one image takes part in one step"));
        costs_->setFact(
            QStringLiteral("sigma"), tr("noise σ"),
            plan ? QString::number(plan->privacy.noise_effective, 'f', 2) : none,
            tr("Noise multiplier: standard deviation over the largest share of one image"));
        const QString unmeasured = studio_.isMeasuring() ? tr("measuring…")
            : plan                                       ? tr("not measured")
                                                         : none;
        costs_->setFact(QStringLiteral("time"), tr("time"),
                        forecast && forecast->seconds > 0.0
                            ? tr("about %1").arg(durationText(forecast->seconds))
                            : unmeasured,
                        tr("From two dry steps with random data on this machine"));
        costs_->setFact(QStringLiteral("memory"), tr("memory"),
                        forecast && forecast->gigabytes > 0.0 ? gigabytesText(forecast->gigabytes)
                                                              : unmeasured);
    }
    costs_->setEnabled(plan.has_value());
    QString note;
    if (studio_.isPlanning())
        note = tr("Computing…");
    else if (plan && plan->privacy.public_units < kFewUnits)
        note = tr("Few images: expect coarse results.");
    else if (plan && forecast && forecast->total_parameters > 0)
        note = tr("%1 of %2 parameters learn. The run stops before the step that would exceed ε.")
                   .arg(shortCountText(forecast->trained_parameters),
                        shortCountText(forecast->total_parameters));
    costNote_->setText(note);
    costNote_->setVisible(!note.isEmpty());
    const auto problem = studio_.planProblem();
    if (problem && !studio_.isPlanning()) {
        problem_->setContent(
            problem->code == ErrorCode::InvalidArgument ? Notice::Information : Notice::Caution,
            QString::fromStdString(problem->message), QString::fromStdString(problem->hint));
    } else {
        problem_->clear();
    }
    isRefreshing_ = false;
}

} // namespace velamen::ui
