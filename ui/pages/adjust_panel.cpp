// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the sheet and the way between its controls and the request.

#include "ui/pages/adjust_panel.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <QVBoxLayout>

#include "ui/models/unit_words.h"
#include "ui/pages/cost_facts.h"
#include "ui/widgets/card.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr int kFieldWidth = 236;
constexpr const char* kTip = "tip"; ///< of an enabled control; a disabled one says why it is

/// Names on the left, fields of one width on the right.
QGridLayout* makeForm(QVBoxLayout* body)
{
    auto* form = new QGridLayout;
    form->setHorizontalSpacing(space::kL);
    form->setVerticalSpacing(space::kS);
    form->setColumnStretch(0, 1);
    body->addLayout(form);
    return form;
}

QLabel* addField(QGridLayout* form, const QString& label, QWidget* field, const char* name,
                 const QString& tip)
{
    const int row = form->rowCount();
    auto* text = makeText(TextRole::Muted, label, field->parentWidget());
    text->setBuddy(field);
    text->setToolTip(tip);
    field->setObjectName(QLatin1String(name));
    field->setAccessibleName(label);
    field->setProperty(kTip, tip);
    field->setFixedWidth(kFieldWidth);
    form->addWidget(text, row, 0);
    form->addWidget(field, row, 1);
    return text;
}

QComboBox* makeChoices(std::initializer_list<const char*> names,
                       QString (*words)(const std::string&), QWidget* parent)
{
    auto* box = new QComboBox(parent);
    for (const char* name : names)
        box->addItem(words(name), QLatin1String(name));
    return box;
}

QSpinBox* makeSpin(int most, const QString& atZero, QWidget* parent)
{
    auto* spin = new QSpinBox(parent);
    spin->setRange(0, most);
    spin->setSpecialValueText(atZero);
    spin->setKeyboardTracking(false);
    return spin;
}

} // namespace

AdjustPanel::AdjustPanel(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : QWidget(parent), studio_(studio), dialogs_(dialogs)
{
    auto* columns = new QHBoxLayout(this);
    columns->setContentsMargins(0, 0, 0, 0);
    columns->setSpacing(14);
    auto* left = new QVBoxLayout;
    left->setSpacing(14);
    left->addWidget(makeStartCard());
    left->addWidget(makeStepCard());
    left->addWidget(makeMachineCard());
    left->addStretch(1);
    columns->addLayout(left, 1);
    auto* right = new QVBoxLayout;
    right->setSpacing(14);
    right->addWidget(makeCostCard());
    right->addWidget(makeNoiseCard());
    right->addWidget(makePublicCard());
    right->addStretch(1);
    columns->addLayout(right, 1);
    refresh();
}

QCheckBox* AdjustPanel::addCheck(QVBoxLayout* body, const QString& label, const QString& note,
                                 const char* name)
{
    auto* box = new QCheckBox(label, this);
    box->setObjectName(QLatin1String(name));
    box->setProperty(kTip, note);
    auto* words = makeText(TextRole::Note, note, this);
    words->setContentsMargins(26, 0, 0, 0);
    body->addWidget(box);
    body->addWidget(words);
    return box;
}

Card* AdjustPanel::makeStartCard()
{
    auto* card = new Card(tr("Before the first step"), this);
    card->body()->setSpacing(space::kXs);
    means_ = addCheck(card->body(), tr("Start from class &means"),
                      tr("The mean of each class is released with noise and the model practises on "
                         "public draws around it. Helps most when ε is small."),
                      "privacy.warm");
    votes_ = addCheck(card->body(), tr("Let the public model &vote"),
                      tr("Private images vote for the public class that they resemble; each class "
                         "begins as a mix of the winners, which are shown."),
                      "privacy.votes");
    warmCost_ = makeText(TextRole::Body, {}, card);
    warmCost_->setObjectName(QStringLiteral("privacy.warmCost"));
    card->body()->addSpacing(space::kXs);
    card->body()->addWidget(warmCost_);
    connect(means_, &QCheckBox::toggled, this,
            [this](bool on) { change([on](auto& request) { request.warm_start = on; }); });
    connect(votes_, &QCheckBox::toggled, this,
            [this](bool on) { change([on](auto& request) { request.class_votes = on; }); });
    return card;
}

Card* AdjustPanel::makeStepCard()
{
    auto* card = new Card(tr("Each step"), this);
    auto* form = makeForm(card->body());
    steps_ = makeSpin(1'000'000, tr("automatic"), card);
    batch_ = makeSpin(10'000'000, tr("automatic"), card);
    clipping_ = makeChoices({"flat", "per_block", "automatic"}, clippingText, card);
    rule_ = makeChoices({"adamw", "adam_bc", "sgd"}, ruleText, card);
    addField(form, tr("number of &steps"), steps_, "privacy.steps",
             tr("More steps learn longer but each needs more noise."));
    batchTitle_ = addField(form, tr("expected in a step"), batch_, "privacy.batch",
                           tr("Large steps pay: the noise is shared by all that take part."));
    addField(form, tr("&clipping"), clipping_, "privacy.clipping",
             tr("How the part of one protected unit in a step is bounded before noise is added."));
    addField(form, tr("&update rule"), rule_, "privacy.rule",
             tr("What turns a noisy gradient into a step. Costs no ε."));
    connect(steps_, &QSpinBox::valueChanged, this,
            [this](int value) { change([value](auto& request) { request.steps = value; }); });
    connect(batch_, &QSpinBox::valueChanged, this, [this](int value) {
        change([value](auto& request) { request.expected_batch = value; });
    });
    connect(clipping_, &QComboBox::activated, this, [this] {
        change([name = clipping_->currentData().toString().toStdString()](auto& request) {
            request.clipping = name;
        });
    });
    connect(rule_, &QComboBox::activated, this, [this] {
        change([name = rule_->currentData().toString().toStdString()](auto& request) {
            request.rule = name;
        });
    });
    return card;
}

Card* AdjustPanel::makeMachineCard()
{
    auto* card = new Card(tr("On this machine"), this);
    auto* form = makeForm(card->body());
    precision_ = makeChoices({"fp32", "bf16"}, precisionText, card);
    memory_ = new QDoubleSpinBox(card);
    memory_->setRange(0.0, 4096.0);
    memory_->setDecimals(1);
    memory_->setSingleStep(0.5);
    memory_->setSuffix(tr(" GiB"));
    memory_->setSpecialValueText(tr("no limit"));
    memory_->setKeyboardTracking(false);
    addField(form, tr("&precision"), precision_, "privacy.precision",
             tr("bf16 rounds frozen weights and activations; norms, sums and noise stay fp32."));
    addField(
        form, tr("memory for a &micro-batch"), memory_, "privacy.memory",
        tr("The largest micro-batch that fits is found by a dry run on random data. The result "
           "of training is the same."));
    connect(precision_, &QComboBox::activated, this, [this] {
        change([name = precision_->currentData().toString().toStdString()](auto& request) {
            request.precision = name;
        });
    });
    connect(memory_, &QDoubleSpinBox::valueChanged, this, [this](double value) {
        change([value](auto& request) { request.memory_limit = value; });
    });
    return card;
}

Card* AdjustPanel::makePublicCard()
{
    auto* card = new Card(tr("Public images mixed in"), this);
    auto* form = makeForm(card->body());
    publicFolder_ = makeButton(ButtonRole::Plain, tr("Choose folder…"), {}, card);
    publicBatch_ = makeSpin(1 << 20, tr("none"), card);
    addField(form, tr("public &folder"), publicFolder_, "privacy.publicFolder",
             tr("Images that anybody may know. Never put private ones in it."));
    addField(form, tr("public images a step"), publicBatch_, "privacy.publicBatch",
             tr("Their gradient is added after the noise; it costs no ε."));
    publicNote_ = makeText(TextRole::Note, {}, card);
    card->body()->addWidget(publicNote_);
    connect(publicFolder_, &QPushButton::clicked, this, &AdjustPanel::choosePublicFolder);
    connect(publicBatch_, &QSpinBox::valueChanged, this, [this](int value) {
        change([value](auto& request) { request.public_batch = value; });
    });
    return card;
}

Card* AdjustPanel::makeNoiseCard()
{
    auto* card = new Card(tr("Noise, and what is shown"), this);
    card->body()->setSpacing(space::kXs);
    clippedShare_ = addCheck(card->body(), tr("Show the &clipped share"),
                             tr("Released in every step with noise of its own, at about 1 % of ε."),
                             "privacy.clipped");
    hardened_ = addCheck(card->body(), tr("&Hardened noise"),
                         tr("Discrete noise: nothing to attack in its last digits. Steps take "
                            "several times as long, and ε is the Rényi bound, which asks for more "
                            "noise."),
                         "privacy.hardened");
    connect(clippedShare_, &QCheckBox::toggled, this, [this](bool on) {
        change([on](auto& request) { request.release_clipped_fraction = on; });
    });
    connect(hardened_, &QCheckBox::toggled, this,
            [this](bool on) { change([on](auto& request) { request.hardened = on; }); });
    return card;
}

Card* AdjustPanel::makeCostCard()
{
    auto* card = new Card(tr("What that costs now"), this);
    reset_ = makeButton(ButtonRole::Link, tr("Everything by rule"),
                        QStringLiteral("privacy.adjustReset"), card);
    card->setTrailing(reset_);
    costs_ = new FactsTable(2, card);
    card->body()->addWidget(costs_);
    costNote_ = makeText(TextRole::Note, {}, card);
    card->body()->addWidget(costNote_);
    connect(reset_, &QPushButton::clicked, this, &AdjustPanel::reset);
    return card;
}

void AdjustPanel::change(const std::function<void(train::PlanRequest&)>& edit)
{
    if (isRefreshing_) return;
    train::PlanRequest request = studio_.request();
    edit(request);
    studio_.setRequest(request);
}

void AdjustPanel::choosePublicFolder()
{
    const QString folder =
        dialogs_.files.openFolder(this, tr("Folder of public images"),
                                  pathText(studio_.request().public_source.parent_path()));
    if (folder.isEmpty()) return;
    change([path = toPath(folder)](auto& request) { request.public_source = path; });
}

void AdjustPanel::reset()
{
    change([](train::PlanRequest& request) {
        const train::PlanRequest rule;
        request.warm_start = rule.warm_start;
        request.class_votes = rule.class_votes;
        request.steps = rule.steps;
        request.expected_batch = rule.expected_batch;
        request.clipping = rule.clipping;
        request.rule = rule.rule;
        request.precision = rule.precision;
        request.memory_limit = rule.memory_limit;
        request.public_batch = rule.public_batch;
        request.release_clipped_fraction = rule.release_clipped_fraction;
        request.hardened = rule.hardened;
    });
}

void AdjustPanel::refresh()
{
    isRefreshing_ = true;
    showValues();
    lock();
    isRefreshing_ = false;
    showCosts(*costs_, studio_);
    const auto problem = studio_.planProblem();
    costNote_->setText(studio_.isPlanning() ? tr("Computing…")
                           : problem
                           ? QString::fromStdString(problem->message + ' ' + problem->hint)
                           : QString());
    costNote_->setVisible(!costNote_->text().isEmpty());
    const QString warm = warmStartSentence(studio_);
    const bool isWarm = studio_.request().warm_start || studio_.request().class_votes;
    warmCost_->setText(!isWarm               ? tr("Both are counted in ε, and off by rule.")
                           : !warm.isEmpty() ? warm
                           : studio_.isPlanning()
                           ? tr("Computing what that takes from ε…")
                           : tr("Counted in ε; known once there is a plan."));
}

void AdjustPanel::showValues()
{
    const train::PlanRequest& request = studio_.request();
    const auto show = [](QComboBox* box, const std::string& name) {
        box->setCurrentIndex(box->findData(QString::fromStdString(name)));
    };
    means_->setChecked(request.warm_start);
    votes_->setChecked(request.class_votes);
    steps_->setValue(static_cast<int>(request.steps));
    batch_->setValue(static_cast<int>(request.expected_batch));
    batchTitle_->setText(tr("%1 expected in a step").arg(unitPlural(request.unit)));
    batch_->setAccessibleName(batchTitle_->text());
    show(clipping_, request.clipping);
    show(rule_, request.rule);
    show(precision_, request.precision);
    memory_->setValue(request.memory_limit);
    publicBatch_->setValue(static_cast<int>(request.public_batch));
    publicNote_->setText(request.public_source.empty() ? tr("No folder is chosen.")
                                                       : shortPathText(request.public_source));
    clippedShare_->setChecked(request.release_clipped_fraction);
    hardened_->setChecked(request.hardened);
}

void AdjustPanel::lock()
{
    const QString locked = studio_.isRunActive()
        ? tr("A run is in progress with the plan that was confirmed.")
        : QString();
    const auto allow = [](QWidget* control, const QString& whyNot) {
        setEnabledWithReason(control, whyNot.isEmpty(), whyNot, control->property(kTip).toString());
    };
    for (QWidget* control : std::initializer_list<QWidget*>{
             means_, votes_, steps_, batch_, clipping_, rule_, precision_, memory_, publicFolder_,
             clippedShare_, hardened_, reset_})
        allow(control, locked);
    const bool hasFolder = !studio_.request().public_source.empty();
    allow(publicBatch_,
          locked.isEmpty() && !hasFolder ? tr("Choose a folder of public images first.") : locked);
    reset_->setVisible(!adjustedText(studio_.request()).isEmpty());
}

} // namespace velamen::ui
