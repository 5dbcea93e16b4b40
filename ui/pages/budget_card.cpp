// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the card and the way between its controls and the studio.

#include "ui/pages/budget_card.h"

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QVBoxLayout>
#include <cmath>

#include "engine/privacy/explain.h"
#include "ui/models/unit_words.h"
#include "ui/widgets/epsilon_slider.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr double kCaution = 5.0;
constexpr double kTyped = 10.0;

} // namespace

BudgetCard::BudgetCard(Studio& studio, QWidget* parent)
    : Card(tr("2  How much may leak?"), parent), studio_(studio)
{
    slider_ = new EpsilonSlider(this);
    slider_->setObjectName(QStringLiteral("privacy.slider"));
    body()->addWidget(slider_);
    auto* row = new QHBoxLayout;
    row->setSpacing(space::kM);
    auto* epsilonLabel = new QLabel(tr("&ε"), this);
    epsilon_ = new QDoubleSpinBox(this);
    epsilon_->setObjectName(QStringLiteral("privacy.epsilon"));
    epsilon_->setAccessibleName(tr("Epsilon"));
    epsilon_->setRange(0.01, 1000.0);
    epsilon_->setDecimals(2);
    epsilon_->setSingleStep(0.1);
    epsilon_->setKeyboardTracking(false);
    epsilon_->setFixedWidth(90);
    epsilonLabel->setBuddy(epsilon_);
    auto* deltaLabel = new QLabel(tr("&δ"), this);
    delta_ = new QComboBox(this);
    delta_->setObjectName(QStringLiteral("privacy.delta"));
    delta_->setAccessibleName(tr("Delta"));
    delta_->setMinimumWidth(168);
    deltaLabel->setBuddy(delta_);
    deltaNote_ = makeText(TextRole::Note, {}, this);
    deltaNote_->setWordWrap(false);
    deltaNote_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    row->addWidget(epsilonLabel);
    row->addWidget(epsilon_);
    row->addSpacing(space::kXs);
    row->addWidget(deltaLabel);
    row->addWidget(delta_);
    row->addWidget(deltaNote_, 1);
    body()->addLayout(row);
    advice_ = makeText(TextRole::Note, {}, this);
    advice_->setObjectName(QStringLiteral("privacy.advice"));
    body()->addWidget(advice_);
    connect(slider_, &EpsilonSlider::epsilonChanged, this, &BudgetCard::setEpsilon);
    connect(epsilon_, &QDoubleSpinBox::valueChanged, this, &BudgetCard::setEpsilon);
    connect(delta_, &QComboBox::activated, this, &BudgetCard::setDelta);
}

void BudgetCard::setEpsilon(double epsilon)
{
    if (isRefreshing_) return;
    train::PlanRequest request = studio_.request();
    if (request.epsilon == epsilon) return;
    request.epsilon = epsilon;
    studio_.setRequest(request);
}

void BudgetCard::setDelta(int index)
{
    train::PlanRequest request = studio_.request();
    request.delta = delta_->itemData(index).toDouble();
    studio_.setRequest(request);
}

void BudgetCard::refresh()
{
    isRefreshing_ = true;
    const bool isLocked = studio_.isRunActive();
    const QString locked = tr("A run is in progress with the plan that was confirmed.");
    for (QWidget* control : std::initializer_list<QWidget*>{slider_, epsilon_, delta_})
        setEnabledWithReason(control, !isLocked, locked);
    const train::PlanRequest& request = studio_.request();
    slider_->setEpsilon(request.epsilon);
    if (!epsilon_->hasFocus() || epsilon_->value() != request.epsilon)
        epsilon_->setValue(request.epsilon);
    const std::int64_t units = request.public_units;
    delta_->clear();
    if (units > 0) {
        const double byRule = privacy::default_delta(units).value();
        delta_->addItem(QString::fromStdString(privacy::one_in(byRule)), 0.0);
        for (const double value : {1e-5, 1e-6, 1e-7, 1e-8, 1e-9})
            if (value < 1.0 / static_cast<double>(units)
                && std::abs(value - byRule) > 1e-3 * byRule)
                delta_->addItem(QString::fromStdString(privacy::one_in(value)), value);
        for (int i = 0; i < delta_->count(); ++i)
            if (std::abs(delta_->itemData(i).toDouble() - request.delta) < 1e-3 * request.delta)
                delta_->setCurrentIndex(i);
        deltaNote_->setText(request.delta == 0.0
                                ? tr("by rule, %1").arg(unitCount(units, request.unit))
                                : tr("your choice"));
    } else {
        delta_->addItem(request.delta > 0.0 ? QString::fromStdString(privacy::one_in(request.delta))
                                            : tr("from the number"),
                        request.delta);
        deltaNote_->setText({});
    }
    const QString rule =
        tr("At most 1 in a million and a tenth of 1 in the number of %1, rounded down to a power "
           "of ten.")
            .arg(unitPlural(request.unit));
    deltaNote_->setToolTip(rule);
    if (delta_->isEnabled()) delta_->setToolTip(rule);
    const double epsilon = request.epsilon;
    advice_->setText(
        epsilon > kTyped ? tr(
            "⚠ Above 10 the worst case is hardly bounded. You will be asked to type the number.")
            : epsilon >= kCaution
            ? tr("⚠ From 5 on it is weak in the worst case: say so in the release.")
            : tr("Lower means more noise and coarser images. There is no wrong low value."));
    isRefreshing_ = false;
}

} // namespace velamen::ui
