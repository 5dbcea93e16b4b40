// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the privacy page and the way between its controls and the studio.

#include "ui/pages/privacy_page.h"

#include <QButtonGroup>
#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QIntValidator>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QRadioButton>
#include <QSpinBox>
#include <QStackedWidget>
#include <QVBoxLayout>
#include <cmath>

#include "engine/privacy/explain.h"
#include "ui/pages/confirm_panel.h"
#include "ui/pages/explain_card.h"
#include "ui/widgets/card.h"
#include "ui/widgets/epsilon_slider.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr double kCaution = 5.0;
constexpr double kTyped = 10.0;
constexpr std::int64_t kFewUnits = 1000;

enum Step { Choose, Confirm };

QHBoxLayout* makeRow()
{
    auto* row = new QHBoxLayout;
    row->setSpacing(space::kM);
    return row;
}

/// A radio button in a first column of fixed width, a note beside it.
QLabel* addChoice(QVBoxLayout* body, QRadioButton* choice, const QString& note, QWidget* parent)
{
    auto* row = makeRow();
    choice->setFixedWidth(150);
    auto* label = makeText(TextRole::Note, note, parent);
    row->addWidget(choice, 0, Qt::AlignVCenter);
    row->addWidget(label, 1, Qt::AlignVCenter);
    body->addLayout(row);
    return label;
}

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
    left->addWidget(makeUnitCard());
    left->addWidget(makeBudgetCard());
    left->addWidget(makeCostCard(), 1);
    columns->addLayout(left, 15);
    explain_ = new ExplainCard(choose);
    columns->addWidget(explain_, 14);
    steps_->addWidget(choose);
    confirm_ = new ConfirmPanel(studio, dialogs, steps_);
    steps_->addWidget(confirm_);
    body()->addWidget(steps_, 1);

    connect(next_, &QPushButton::clicked, this, &PrivacyPage::goOn);
    connect(back_, &QPushButton::clicked, this, [this] { showConfirmation(false); });
    connect(confirm_, &ConfirmPanel::changed, this, &PrivacyPage::refreshActions);
    connect(&studio_, &Studio::planChanged, this, &PrivacyPage::refresh);
    connect(&studio_, &Studio::sourceChanged, this, &PrivacyPage::refresh);
    connect(&studio_, &Studio::ledgerChanged, this, &PrivacyPage::refresh);
    connect(&studio_, &Studio::runStateChanged, this, &PrivacyPage::refresh);
    connect(&studio_, &Studio::projectChanged, this, [this] {
        confirm_->reset();
        showConfirmation(false);
        refresh();
    });
    refresh();
}

Card* PrivacyPage::makeUnitCard()
{
    auto* card = new Card(tr("1  Who is protected?"), this);
    image_ = new QRadioButton(tr("&Image"), card);
    image_->setObjectName(QStringLiteral("privacy.unit.image"));
    patient_ = new QRadioButton(tr("&Patient"), card);
    patient_->setObjectName(QStringLiteral("privacy.unit.patient"));
    auto* units = new QButtonGroup(card);
    units->addButton(image_);
    units->addButton(patient_);
    image_->setChecked(true);
    setEnabledWithReason(
        patient_, false,
        tr("Needs a patient key for each image (a table or DICOM tags), which this version "
           "does not read yet."));
    imageNote_ = addChoice(card->body(), image_, {}, card);
    card->body()->addWidget(makeLine(card));
    auto* note = addChoice(card->body(), patient_,
                           tr("needs a key that says whose image it is; not yet"), card);
    note->setToolTip(patient_->toolTip());
    card->body()->addWidget(makeLine(card));
    card->body()->addSpacing(2);
    card->body()->addWidget(
        makeText(TextRole::Strong, tr("Is the number of images public?"), card));

    public_ = new QRadioButton(tr("&Yes, public"), card);
    public_->setObjectName(QStringLiteral("privacy.units.public"));
    secret_ = new QRadioButton(tr("&No, secret"), card);
    secret_->setObjectName(QStringLiteral("privacy.units.secret"));
    auto* group = new QButtonGroup(card);
    group->addButton(public_);
    group->addButton(secret_);
    publicNote_ = addChoice(card->body(), public_, {}, card);
    secretNote_ = addChoice(card->body(), secret_,
                            tr("it appears nowhere; you plan with a rough public number"), card);
    typedRow_ = new QWidget(card);
    auto* row = makeRow();
    typedRow_->setLayout(row);
    row->setContentsMargins(0, 0, 0, 0);
    auto* label = makeText(TextRole::Note, tr("plan with about"), typedRow_);
    label->setWordWrap(false);
    typed_ = new QLineEdit(typedRow_);
    typed_->setObjectName(QStringLiteral("privacy.units.typed"));
    typed_->setAccessibleName(tr("Public number of images to plan with"));
    typed_->setPlaceholderText(tr("a round number"));
    typed_->setValidator(new QIntValidator(1, 2'000'000'000, typed_));
    typed_->setFixedWidth(136);
    const QString tip =
        tr("Something anybody could guess without seeing the folder. It is printed in the "
           "certificate.");
    typed_->setToolTip(tip);
    label->setToolTip(tip);
    label->setBuddy(typed_);
    auto* images = makeText(TextRole::Note, tr("images"), typedRow_);
    images->setWordWrap(false);
    row->addWidget(label);
    row->addWidget(typed_);
    row->addWidget(images);
    row->addStretch(1);
    // Takes the place of the note once the answer is "secret".
    auto* choice =
        static_cast<QHBoxLayout*>(card->body()->itemAt(card->body()->count() - 1)->layout());
    choice->addWidget(typedRow_, 1);
    connect(public_, &QRadioButton::clicked, this, [this] { studio_.setUnitsArePublic(true); });
    connect(secret_, &QRadioButton::clicked, this, [this] {
        studio_.setUnitsArePublic(false);
        typed_->setFocus();
    });
    connect(typed_, &QLineEdit::textEdited, this, &PrivacyPage::setUnits);
    return card;
}

Card* PrivacyPage::makeBudgetCard()
{
    auto* card = new Card(tr("2  How much may leak?"), this);
    slider_ = new EpsilonSlider(card);
    slider_->setObjectName(QStringLiteral("privacy.slider"));
    card->body()->addWidget(slider_);
    auto* row = makeRow();
    auto* epsilonLabel = new QLabel(tr("&ε"), card);
    epsilon_ = new QDoubleSpinBox(card);
    epsilon_->setObjectName(QStringLiteral("privacy.epsilon"));
    epsilon_->setAccessibleName(tr("Epsilon"));
    epsilon_->setRange(0.01, 1000.0);
    epsilon_->setDecimals(2);
    epsilon_->setSingleStep(0.1);
    epsilon_->setKeyboardTracking(false);
    epsilon_->setFixedWidth(90);
    epsilonLabel->setBuddy(epsilon_);
    auto* deltaLabel = new QLabel(tr("&δ"), card);
    delta_ = new QComboBox(card);
    delta_->setObjectName(QStringLiteral("privacy.delta"));
    delta_->setAccessibleName(tr("Delta"));
    delta_->setMinimumWidth(168);
    deltaLabel->setBuddy(delta_);
    deltaNote_ = makeText(TextRole::Note, {}, card);
    deltaNote_->setWordWrap(false);
    deltaNote_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    row->addWidget(epsilonLabel);
    row->addWidget(epsilon_);
    row->addSpacing(space::kXs);
    row->addWidget(deltaLabel);
    row->addWidget(delta_);
    row->addWidget(deltaNote_, 1);
    card->body()->addLayout(row);
    advice_ = makeText(TextRole::Note, {}, card);
    advice_->setObjectName(QStringLiteral("privacy.advice"));
    card->body()->addWidget(advice_);
    connect(slider_, &EpsilonSlider::epsilonChanged, this, &PrivacyPage::setEpsilon);
    connect(epsilon_, &QDoubleSpinBox::valueChanged, this, &PrivacyPage::setEpsilon);
    connect(delta_, &QComboBox::activated, this, &PrivacyPage::setDelta);
    return card;
}

Card* PrivacyPage::makeCostCard()
{
    auto* card = new Card(tr("3  What that costs"), this);
    auto* adjust = makeTool(tr("Adjust…"), QStringLiteral("privacy.adjust"), card);
    adjust->setCheckable(true);
    adjust->setToolTip(tr("Choose steps, batch and the kind of noise yourself"));
    card->setTrailing(adjust);
    costs_ = new FactsTable(2, card);
    card->body()->addWidget(costs_);
    adjustRow_ = new QWidget(card);
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
        connect(spin, &QSpinBox::valueChanged, this, &PrivacyPage::setAdjustments);
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
        connect(check, &QCheckBox::toggled, this, &PrivacyPage::setAdjustments);
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
    card->body()->addWidget(adjustRow_);
    adjustRow_->hide();
    connect(adjust, &QToolButton::toggled, adjustRow_, &QWidget::setVisible);
    costNote_ = makeText(TextRole::Note, {}, card);
    card->body()->addWidget(costNote_);
    problem_ = new Notice(card);
    problem_->setObjectName(QStringLiteral("privacy.problem"));
    card->body()->addWidget(problem_);
    card->body()->addStretch(1);
    return card;
}

void PrivacyPage::showEvent(QShowEvent* event)
{
    Page::showEvent(event);
    refresh();
}

void PrivacyPage::setEpsilon(double epsilon)
{
    if (isRefreshing_) return;
    train::PlanRequest request = studio_.request();
    if (request.epsilon == epsilon) return;
    request.epsilon = epsilon;
    studio_.setRequest(request);
}

void PrivacyPage::setUnits(const QString& typed)
{
    train::PlanRequest request = studio_.request();
    bool isNumber = false;
    const qint64 units = QLocale().toLongLong(typed, &isNumber);
    request.public_units = isNumber ? units : 0;
    studio_.setRequest(request);
}

void PrivacyPage::setDelta(int index)
{
    train::PlanRequest request = studio_.request();
    request.delta = delta_->itemData(index).toDouble();
    studio_.setRequest(request);
}

void PrivacyPage::setAdjustments()
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

void PrivacyPage::goOn()
{
    if (studio_.isConfirmed()) {
        Q_EMIT pageRequested(QStringLiteral("train"));
        return;
    }
    if (steps_->currentIndex() == Choose) {
        confirm_->reset();
        showConfirmation(true);
        return;
    }
    confirm_->confirm();
    if (studio_.isConfirmed()) Q_EMIT pageRequested(QStringLiteral("train"));
}

void PrivacyPage::showConfirmation(bool shown)
{
    steps_->setCurrentIndex(shown ? Confirm : Choose);
    confirm_->refresh();
    refreshActions();
}

void PrivacyPage::refresh()
{
    isRefreshing_ = true;
    refreshUnit();
    refreshBudget();
    refreshCost();
    isRefreshing_ = false;
    if (steps_->currentIndex() == Confirm && !studio_.plan() && !studio_.isPlanning())
        steps_->setCurrentIndex(Choose);
    confirm_->refresh();
    refreshActions();
}

void PrivacyPage::refreshUnit()
{
    const auto& manifest = studio_.manifest();
    const qint64 units = manifest ? static_cast<qint64>(manifest->units.size()) : 0;
    const auto answer = studio_.unitsArePublic();
    imageNote_->setText(tr("says little about a person who has several images in the folder"));
    publicNote_->setText(manifest
                             ? tr("%1 images; printed in the certificate").arg(countText(units))
                             : tr("the count is printed in the certificate"));
    QButtonGroup* group = public_->group();
    group->setExclusive(false);
    public_->setChecked(answer == true);
    secret_->setChecked(answer == false);
    group->setExclusive(true);
    typedRow_->setVisible(answer == false);
    secretNote_->setVisible(answer != false);
    const std::int64_t planned = studio_.request().public_units;
    if (answer == false && !typed_->hasFocus())
        typed_->setText(planned > 0 ? QString::number(planned) : QString());
    const bool isLocked = studio_.isRunActive();
    const QString locked = tr("A run is in progress with the plan that was confirmed.");
    for (QWidget* control : std::initializer_list<QWidget*>{
             public_, secret_, typed_, slider_, epsilon_, delta_, stepCount_, batch_,
             clippedFraction_, warmStart_, hardened_})
        setEnabledWithReason(control, !isLocked, locked);
}

void PrivacyPage::refreshBudget()
{
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
        deltaNote_->setText(request.delta == 0.0 ? tr("by rule, %1 images").arg(countText(units))
                                                 : tr("your choice"));
    } else {
        delta_->addItem(request.delta > 0.0 ? QString::fromStdString(privacy::one_in(request.delta))
                                            : tr("from the number"),
                        request.delta);
        deltaNote_->setText({});
    }
    const QString rule =
        tr("At most 1 in a million and a tenth of 1 in the number of images, rounded down "
           "to a power of ten.");
    deltaNote_->setToolTip(rule);
    if (delta_->isEnabled()) delta_->setToolTip(rule);
    const double epsilon = request.epsilon;
    advice_->setText(
        epsilon > kTyped ? tr(
            "⚠ Above 10 the worst case is hardly bounded. You will be asked to type the number.")
            : epsilon >= kCaution
            ? tr("⚠ 5 and more is weak in the worst case. Common for images, but say so in the "
                 "release.")
            : tr("Lower means more noise and coarser images. There is no wrong low value."));
    const auto& plan = studio_.plan();
    double delta = plan ? plan->privacy.delta : request.delta;
    if (delta <= 0.0 && units > 0) delta = privacy::default_delta(units).value();
    explain_->setClaim(epsilon, delta,
                       studio_.forecast() ? studio_.forecast()->attacker_rate : 0.0);
}

void PrivacyPage::refreshCost()
{
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
}

void PrivacyPage::refreshActions()
{
    const bool isConfirming = steps_->currentIndex() == Confirm;
    const bool isConfirmed = studio_.isConfirmed();
    back_->setVisible(isConfirming);
    setSubtitle(isConfirmed ? tr("Confirmed. Any change takes the confirmation back.")
                    : isConfirming
                    ? tr("Read it once more; this is what the certificate will say")
                    : tr("What may be learned about one image from everything you release"));
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
