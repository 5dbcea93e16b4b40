// SPDX-License-Identifier: GPL-3.0-or-later

#include "ui/pages/sample_settings.h"

#include <cmath>

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QRegularExpressionValidator>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/core/random.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

namespace {

constexpr int kDefaultCount = 60;
constexpr double kPromptGuidance = 3.0;

} // namespace

QString samplerName(generate::SamplerKind kind)
{
    switch (kind) {
    case generate::SamplerKind::Ddim:
        return QStringLiteral("DDIM");
    case generate::SamplerKind::Ddpm:
        return QStringLiteral("DDPM");
    case generate::SamplerKind::DpmSolverPp2M:
        return QStringLiteral("DPM++ 2M");
    case generate::SamplerKind::DpmSolverPp2MSde:
        return QStringLiteral("DPM++ 2M SDE");
    case generate::SamplerKind::Euler:
        return QStringLiteral("Euler");
    case generate::SamplerKind::EulerAncestral:
        break;
    }
    return QStringLiteral("Euler ancestral");
}

SampleSettings::SampleSettings(Studio& studio, QWidget* parent)
    : Card(tr("Settings"), parent), studio_(studio)
{
    form_ = new QGridLayout;
    form_->setHorizontalSpacing(space::kM);
    form_->setVerticalSpacing(10);
    form_->setColumnStretch(1, 1);
    makeSubject();
    makeSampler();
    body()->addLayout(form_);
    cost_ = makeText(TextRole::Note, {}, this);
    cost_->setObjectName(QStringLiteral("sample.cost"));
    body()->addWidget(cost_);

    connect(&studio_, &Studio::runStateChanged, this, &SampleSettings::showModels);
    connect(&studio_, &Studio::modelChanged, this, &SampleSettings::showModels);
    connect(&studio_, &Studio::drawnModelChanged, this, &SampleSettings::showModels);
    connect(&studio_, &Studio::planChanged, this, &SampleSettings::showModels);
    connect(&studio_, &Studio::projectChanged, this, &SampleSettings::showRequest);
    showRequest();
}

QLabel* SampleSettings::addRow(const QString& name, QWidget* field, QWidget* extra)
{
    const int at = form_->rowCount();
    auto* label = makeText(TextRole::Muted, name, this);
    label->setBuddy(field);
    field->setAccessibleName(name);
    form_->addWidget(label, at, 0);
    form_->addWidget(field, at, 1, 1, extra ? 1 : 2);
    if (extra) form_->addWidget(extra, at, 2);
    return label;
}

void SampleSettings::makeSubject()
{
    model_ = new QComboBox(this);
    model_->setObjectName(QStringLiteral("sample.model"));
    model_->addItem(tr("Tuned"), static_cast<int>(DrawnModel::Tuned));
    model_->addItem(tr("Public"), static_cast<int>(DrawnModel::Public));
    addRow(tr("Model"), model_);
    connect(model_, &QComboBox::activated, this, [this] {
        studio_.setDrawnModel(static_cast<DrawnModel>(model_->currentData().toInt()));
    });
    class_ = new QComboBox(this);
    class_->setObjectName(QStringLiteral("sample.class"));
    classRow_ = {class_, addRow(tr("Class"), class_)};
    prompt_ = new QLineEdit(this);
    prompt_->setObjectName(QStringLiteral("sample.prompt"));
    prompt_->setToolTip(tr("(word:1.3) weighs a word, [word] takes weight from it"));
    negative_ = new QLineEdit(this);
    negative_->setObjectName(QStringLiteral("sample.negative"));
    negative_->setPlaceholderText(tr("to keep away from"));
    promptRows_ = {prompt_, addRow(tr("Prompt"), prompt_), negative_,
                   addRow(tr("Negative"), negative_)};
    connect(prompt_, &QLineEdit::textChanged, this, &SampleSettings::showPrompt);
    count_ = new QSpinBox(this);
    count_->setObjectName(QStringLiteral("sample.count"));
    count_->setRange(1, 20'000);
    count_->setValue(kDefaultCount);
    count_->setGroupSeparatorShown(true);
    addRow(tr("Images"), count_);
    seed_ = new QLineEdit(this);
    seed_->setObjectName(QStringLiteral("sample.seed"));
    seed_->setValidator(
        new QRegularExpressionValidator(QRegularExpression(QStringLiteral("[0-9]{1,19}")), seed_));
    seed_->setToolTip(tr("The same seed, class and settings give the same image again"));
    auto* roll = makeTool(QStringLiteral("⟳"), QStringLiteral("sample.reroll"), this);
    roll->setToolTip(tr("Another random seed"));
    roll->setAccessibleName(tr("Another random seed"));
    connect(roll, &QToolButton::clicked, this,
            [this] { seed_->setText(QString::number(core::random_seed() % 1'000'000'000U)); });
    addRow(tr("Seed"), seed_, roll);
}

void SampleSettings::makeSampler()
{
    guidance_ = new QDoubleSpinBox(this);
    guidance_->setObjectName(QStringLiteral("sample.guidance"));
    guidance_->setRange(0.0, 20.0);
    guidance_->setSingleStep(0.1);
    guidance_->setDecimals(1);
    guidance_->setToolTip(tr("How strongly class or prompt is followed; 0 is off. Programs that "
                             "count from 1 call this one more: their 7.5 is 6.5 here"));
    addRow(tr("Guidance"), guidance_);
    sampler_ = new QComboBox(this);
    sampler_->setObjectName(QStringLiteral("sample.sampler"));
    for (const auto kind : generate::kSamplerKinds)
        sampler_->addItem(samplerName(kind), static_cast<int>(kind));
    addRow(tr("Sampler"), sampler_);
    connect(sampler_, &QComboBox::currentIndexChanged, this, &SampleSettings::showSampler);
    steps_ = new QSpinBox(this);
    steps_->setObjectName(QStringLiteral("sample.steps"));
    steps_->setRange(1, 1000);
    steps_->setToolTip(tr("More steps take longer; 20 to 50 are usual"));
    addRow(tr("Steps"), steps_);
    eta_ = new QDoubleSpinBox(this);
    eta_->setObjectName(QStringLiteral("sample.eta"));
    eta_->setRange(0.0, 1.0);
    eta_->setSingleStep(0.1);
    eta_->setDecimals(2);
    addRow(tr("Noise η"), eta_);
}

void SampleSettings::showModels()
{
    const bool hasTuned = studio_.hasTunedModel();
    const bool isTuned = studio_.drawnModel() == DrawnModel::Tuned;
    model_->setCurrentIndex(model_->findData(static_cast<int>(studio_.drawnModel())));
    setEnabledWithReason(model_, hasTuned,
                         tr("There is no tuned model yet: these are images of the public one."),
                         tr("The tuned model is protected; the public one knows nothing private"));
    cost_->setText(isTuned
                       ? tr("Drawing images costs no ε: it only uses the protected model.")
                       : tr("Nothing private is in these images, and none of them is released."));
    suggestGuidance();
    showClasses();
}

void SampleSettings::suggestGuidance()
{
    const double usual =
        studio_.takesPrompts() ? kPromptGuidance : generate::GenerationRequest{}.guidance;
    if (std::abs(guidance_->value() - suggested_) < 0.05) guidance_->setValue(usual);
    suggested_ = usual;
}

void SampleSettings::showClasses()
{
    const QStringList classes = studio_.drawableClasses();
    for (QWidget* part : classRow_)
        part->setVisible(!classes.isEmpty() || !studio_.takesPrompts());
    prompt_->setPlaceholderText(classes.isEmpty() ? tr("what to draw")
                                                  : tr("instead of the class"));
    const QStringList wanted = QStringList{tr("All, in turn")} + classes;
    QStringList present;
    for (int i = 0; i < class_->count(); ++i)
        present << class_->itemText(i);
    if (wanted != present) {
        class_->clear();
        class_->addItems(wanted);
    }
    showPrompt();
}

bool SampleSettings::hasPrompt() const
{
    return studio_.takesPrompts() && !prompt_->text().trimmed().isEmpty();
}

void SampleSettings::showPrompt()
{
    for (QWidget* part : promptRows_)
        part->setVisible(studio_.takesPrompts());
    setEnabledWithReason(class_, !hasPrompt(), tr("The prompt says what to draw."));
    setEnabledWithReason(negative_, hasPrompt(), tr("It goes with a prompt."),
                         tr("Guidance leads away from it"));
    Q_EMIT changed();
}

void SampleSettings::showRequest()
{
    const auto& last = studio_.generationRequest();
    seed_->setText(QString::number(last.seed));
    guidance_->setValue(last.guidance);
    steps_->setValue(last.steps);
    eta_->setValue(last.eta);
    sampler_->setCurrentIndex(sampler_->findData(static_cast<int>(last.sampler)));
    showSampler();
    showModels();
}

void SampleSettings::showSampler()
{
    const bool isDdim =
        sampler_->currentData().toInt() == static_cast<int>(generate::SamplerKind::Ddim);
    setEnabledWithReason(eta_, isDdim,
                         tr("Eta is DDIM's own: the other samplers have their share of noise."),
                         tr("Fresh noise between the steps: 0 none, 1 as in training"));
}

QString SampleSettings::whyNot() const
{
    if (!studio_.takesPrompts() || hasPrompt() || !studio_.drawableClasses().isEmpty()) return {};
    return tr("Write a prompt first: this model has no list of classes.");
}

generate::GenerationRequest SampleSettings::request() const
{
    generate::GenerationRequest request;
    const int count = count_->value();
    const int classes = static_cast<int>(studio_.drawableClasses().size());
    const int chosen = class_->currentIndex() - 1; // -1: all
    if (hasPrompt()) {
        request.prompts = {prompt_->text().trimmed().toStdString()};
        request.negative = negative_->text().trimmed().toStdString();
        request.classes.assign(static_cast<std::size_t>(count), 0);
    } else {
        for (int i = 0; i < count; ++i)
            request.classes.push_back(chosen >= 0 ? chosen : classes > 0 ? i % classes : 0);
    }
    request.seed = seed_->text().toULongLong();
    request.guidance = guidance_->value();
    request.steps = steps_->value();
    request.eta = eta_->isEnabled() ? eta_->value() : 0.0;
    request.sampler = static_cast<generate::SamplerKind>(sampler_->currentData().toInt());
    return request;
}

void SampleSettings::reuse(const generate::GeneratedImage& image)
{
    const auto& prompts = studio_.generationRequest().prompts;
    prompt_->setText(prompts.empty() ? QString() : studio_.subjectOf(image));
    if (prompts.empty()) class_->setCurrentIndex(image.class_index + 1);
    seed_->setText(QString::number(image.seed));
}

} // namespace velamen::ui
