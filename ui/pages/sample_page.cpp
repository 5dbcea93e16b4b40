// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout and commands of the sampling page.

#include "ui/pages/sample_page.h"

#include <algorithm>
#include <cmath>

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRegularExpressionValidator>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/core/file.h"
#include "engine/core/random.h"
#include "engine/image/codec.h"
#include "ui/pages/marked_png.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/bar.h"
#include "ui/widgets/card.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/image_grid.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

namespace {

constexpr int kLargeSide = 176;
constexpr int kDefaultCount = 60;

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

/// A prompt or class as part of a file's name.
QString fileStem(const QString& subject)
{
    QString stem = subject.left(40);
    for (QChar& c : stem)
        if (!c.isLetterOrNumber()) c = QLatin1Char('_');
    return stem;
}

} // namespace

SamplePage::SamplePage(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Page(tr("Sample"), {}, parent), studio_(studio), dialogs_(dialogs)
{
    setObjectName(QStringLiteral("page.sample"));
    makeActions();
    auto* row = new QHBoxLayout;
    row->setSpacing(14);
    row->addWidget(makeSettings());
    row->addWidget(makePictures(), 1);
    row->addWidget(makeDetails());
    body()->addLayout(row, 1);

    connect(&studio_, &Studio::runStateChanged, this, &SamplePage::showState);
    connect(&studio_, &Studio::runStateChanged, this, &SamplePage::showClasses);
    connect(&studio_, &Studio::planChanged, this, &SamplePage::showClasses);
    connect(&studio_, &Studio::projectChanged, this, &SamplePage::showSettings);
    connect(&studio_, &Studio::generatedChanged, this, &SamplePage::showImages);
    connect(&studio_, &Studio::generationProgressed, this, &SamplePage::showProgress);
    connect(&studio_, &Studio::modelChanged, this, &SamplePage::showPrompt);
    connect(&studio_, &Studio::generationNoted, this, [this](const QStringList& notes) {
        notice()->setContent(Notice::Caution, tr("The prompt was cut"),
                             notes.join(QLatin1Char('\n')));
    });
    connect(&studio_, &Studio::generationFinished, this, [this] {
        showState();
        showImages();
    });
    showSettings();
    showClasses();
    showState();
    showImages();
}

void SamplePage::makeActions()
{
    saveGrid_ = makeButton(ButtonRole::Plain, tr("Save grid…"), QStringLiteral("sample.saveGrid"));
    generate_ = makeButton(ButtonRole::Primary, tr("Generate"), QStringLiteral("sample.generate"));
    addAction(saveGrid_);
    addAction(generate_);
    connect(saveGrid_, &QPushButton::clicked, this, &SamplePage::saveGrid);
    connect(generate_, &QPushButton::clicked, this, &SamplePage::generate);
}

QWidget* SamplePage::makeSettings()
{
    auto* column = new QWidget(this);
    column->setFixedWidth(292);
    auto* layout = new QVBoxLayout(column);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(14);

    auto* card = new Card(tr("Settings"), column);
    auto* form = new QGridLayout;
    form->setHorizontalSpacing(space::kM);
    form->setVerticalSpacing(10);
    form->setColumnStretch(1, 1);
    const auto addRow = [&](const QString& name, QWidget* field, QWidget* extra = nullptr) {
        const int at = form->rowCount();
        auto* label = makeText(TextRole::Muted, name, card);
        label->setBuddy(field);
        field->setAccessibleName(name);
        form->addWidget(label, at, 0);
        form->addWidget(field, at, 1, 1, extra ? 1 : 2);
        if (extra) form->addWidget(extra, at, 2);
        return label;
    };

    class_ = new QComboBox(card);
    class_->setObjectName(QStringLiteral("sample.class"));
    addRow(tr("Class"), class_);
    prompt_ = new QLineEdit(card);
    prompt_->setObjectName(QStringLiteral("sample.prompt"));
    prompt_->setPlaceholderText(tr("instead of the class"));
    prompt_->setToolTip(tr("(word:1.3) weighs a word, [word] takes weight from it"));
    negative_ = new QLineEdit(card);
    negative_->setObjectName(QStringLiteral("sample.negative"));
    negative_->setPlaceholderText(tr("to keep away from"));
    promptRows_ = {prompt_, addRow(tr("Prompt"), prompt_), negative_,
                   addRow(tr("Negative"), negative_)};
    connect(prompt_, &QLineEdit::textChanged, this, &SamplePage::showPrompt);
    count_ = new QSpinBox(card);
    count_->setObjectName(QStringLiteral("sample.count"));
    count_->setRange(1, 20'000);
    count_->setValue(kDefaultCount);
    count_->setGroupSeparatorShown(true);
    addRow(tr("Images"), count_);
    seed_ = new QLineEdit(card);
    seed_->setObjectName(QStringLiteral("sample.seed"));
    seed_->setValidator(
        new QRegularExpressionValidator(QRegularExpression(QStringLiteral("[0-9]{1,19}")), seed_));
    seed_->setToolTip(tr("The same seed, class and settings give the same image again"));
    auto* roll = makeTool(QStringLiteral("⟳"), QStringLiteral("sample.reroll"), card);
    roll->setToolTip(tr("Another random seed"));
    roll->setAccessibleName(tr("Another random seed"));
    connect(roll, &QToolButton::clicked, this,
            [this] { seed_->setText(QString::number(core::random_seed() % 1'000'000'000U)); });
    addRow(tr("Seed"), seed_, roll);
    guidance_ = new QDoubleSpinBox(card);
    guidance_->setObjectName(QStringLiteral("sample.guidance"));
    guidance_->setRange(0.0, 10.0);
    guidance_->setSingleStep(0.1);
    guidance_->setDecimals(1);
    guidance_->setToolTip(tr("How strongly the class is followed; 0 is off"));
    addRow(tr("Guidance"), guidance_);
    sampler_ = new QComboBox(card);
    sampler_->setObjectName(QStringLiteral("sample.sampler"));
    for (const auto kind : generate::kSamplerKinds)
        sampler_->addItem(samplerName(kind), static_cast<int>(kind));
    addRow(tr("Sampler"), sampler_);
    connect(sampler_, &QComboBox::currentIndexChanged, this, &SamplePage::showSampler);
    steps_ = new QSpinBox(card);
    steps_->setObjectName(QStringLiteral("sample.steps"));
    steps_->setRange(1, 1000);
    steps_->setToolTip(tr("More steps take longer; 20 to 50 are usual"));
    addRow(tr("Steps"), steps_);
    eta_ = new QDoubleSpinBox(card);
    eta_->setObjectName(QStringLiteral("sample.eta"));
    eta_->setRange(0.0, 1.0);
    eta_->setSingleStep(0.1);
    eta_->setDecimals(2);
    addRow(tr("Noise η"), eta_);
    card->body()->addLayout(form);
    card->body()->addWidget(makeText(
        TextRole::Note, tr("Drawing images costs no ε: it only uses the protected model."), card));
    layout->addWidget(card);

    progressCard_ = new Card(tr("Drawing"), column);
    bar_ = new Bar(progressCard_);
    bar_->setAccessibleName(tr("Images drawn"));
    progressCard_->body()->addWidget(bar_);
    progressText_ = makeText(TextRole::Note, {}, progressCard_);
    progressText_->setObjectName(QStringLiteral("sample.progress"));
    progressCard_->body()->addWidget(progressText_);
    cancel_ = makeButton(ButtonRole::Plain, tr("Cancel"), QStringLiteral("sample.cancel"));
    connect(cancel_, &QPushButton::clicked, this, [this] {
        setEnabledWithReason(cancel_, false, tr("The sampler stops after this step."));
        progressText_->setText(tr("Stopping; what is drawn is kept."));
        studio_.cancelGeneration();
    });
    progressCard_->body()->addWidget(cancel_);
    progressCard_->hide();
    layout->addWidget(progressCard_);
    layout->addStretch(1);
    return column;
}

QWidget* SamplePage::makePictures()
{
    pictures_ = new Card(tr("Images"), this);
    pictures_->setLeading(new ZoneBadge(ZoneBadge::Protected, {}, pictures_));
    countText_ = makeText(TextRole::Note, {}, pictures_);
    countText_->setWordWrap(false);
    pictures_->setTrailing(countText_);
    grid_ = new ImageGrid(pictures_);
    grid_->setObjectName(QStringLiteral("sample.grid"));
    grid_->setAccessibleName(tr("Generated images"));
    grid_->setCellSize(96);
    grid_->setEmptyText(tr("Choose a class and press Generate. Images appear here as they are "
                           "drawn."));
    connect(grid_, &ImageGrid::selectionChanged, this, &SamplePage::showDetails);
    connect(grid_, &ImageGrid::activated, this, [this](int index) {
        grid_->setSelected(index);
        saveSelected();
    });
    pictures_->body()->addWidget(grid_, 1);
    return pictures_;
}

QWidget* SamplePage::makeDetails()
{
    auto* card = new Card(tr("Selected"), this);
    card->setFixedWidth(216);
    large_ = new QLabel(card);
    large_->setObjectName(QStringLiteral("sample.large"));
    large_->setAlignment(Qt::AlignCenter);
    large_->setFixedHeight(kLargeSide);
    large_->setWordWrap(true);
    card->body()->addWidget(large_);
    facts_ = new FactsTable(1, card);
    card->body()->addWidget(facts_);
    saveOne_ = makeButton(ButtonRole::Plain, tr("Save image…"), QStringLiteral("sample.saveOne"));
    reuse_ = makeButton(ButtonRole::Plain, tr("Reuse settings"), QStringLiteral("sample.reuse"));
    connect(saveOne_, &QPushButton::clicked, this, &SamplePage::saveSelected);
    connect(reuse_, &QPushButton::clicked, this, &SamplePage::reuseSettings);
    card->body()->addWidget(saveOne_);
    card->body()->addWidget(reuse_);
    card->body()->addWidget(new ZoneBadge(ZoneBadge::Protected, {}, card));
    card->body()->addStretch(1);
    return card;
}

void SamplePage::showClasses()
{
    QStringList wanted{tr("All, in turn")};
    wanted += studio_.classNames();
    QStringList present;
    for (int i = 0; i < class_->count(); ++i)
        present << class_->itemText(i);
    showPrompt();
    if (wanted == present) return;
    class_->clear();
    class_->addItems(wanted);
}

void SamplePage::showPrompt()
{
    const bool takesPrompts = studio_.takesPrompts();
    for (QWidget* part : promptRows_)
        part->setVisible(takesPrompts);
    const bool hasPrompt = takesPrompts && !prompt_->text().trimmed().isEmpty();
    setEnabledWithReason(class_, !hasPrompt, tr("The prompt says what to draw."));
    setEnabledWithReason(negative_, hasPrompt, tr("It goes with a prompt."),
                         tr("Guidance leads away from it"));
}

void SamplePage::showSettings()
{
    const auto& request = studio_.generationRequest();
    seed_->setText(QString::number(request.seed));
    guidance_->setValue(request.guidance);
    steps_->setValue(request.steps);
    eta_->setValue(request.eta);
    sampler_->setCurrentIndex(sampler_->findData(static_cast<int>(request.sampler)));
    showSampler();
    showClasses();
    showState();
}

void SamplePage::showSampler()
{
    const bool isDdim =
        sampler_->currentData().toInt() == static_cast<int>(generate::SamplerKind::Ddim);
    setEnabledWithReason(eta_, isDdim,
                         tr("Eta is DDIM's own: the other samplers have their share of noise."),
                         tr("Fresh noise between the steps: 0 none, 1 as in training"));
}

void SamplePage::showState()
{
    const bool isBusy = studio_.isGenerating();
    const QString why = studio_.whyCannotGenerate();
    setEnabledWithReason(generate_, why.isEmpty(), why, tr("Draw the images"));
    progressCard_->setVisible(isBusy);
    if (isBusy && !sinceStart_.isValid()) {
        sinceStart_.start();
        setEnabledWithReason(cancel_, true, {}, tr("What is drawn so far is kept"));
    }
    if (!isBusy) sinceStart_.invalidate();
    const bool hasImages = !studio_.generated().empty();
    setEnabledWithReason(saveGrid_, hasImages && !isBusy,
                         isBusy ? tr("Images are being drawn.") : tr("There are no images yet."),
                         tr("One PNG with all images in rows"));
    showDetails(grid_->selected());

    QStringList words;
    if (const auto record = studio_.lastRun(); record && !record->checkpoint.empty()) {
        words << tr("run %1").arg(
            QString::fromStdString(studio_.lastRunFolder().filename().string()))
              << tr("step %1").arg(countText(record->step));
        if (const auto& plan = studio_.runPlan())
            words << tr("ε at most %1").arg(plan->privacy.epsilon);
        words << tr("averaged weights");
        setSubtitle(words.join(QStringLiteral(" · ")));
    } else {
        setSubtitle(tr("New images from the tuned model; there is none yet"));
    }
}

void SamplePage::showImages()
{
    const auto& images = studio_.generated();
    if (shown_ > images.size() || images.empty()) {
        grid_->clear();
        shown_ = 0;
    }
    for (; shown_ < images.size(); ++shown_) {
        const auto& one = images[shown_];
        grid_->addToFlow(toQImage(one.image), studio_.subjectOf(one));
    }
    countText_->setText(images.empty()
                            ? QString()
                            : tr("%1 images").arg(countText(static_cast<qint64>(images.size()))));
    if (grid_->selected() < 0 && !images.empty()) grid_->setSelected(0);
    showState();
}

void SamplePage::showProgress(double done, double total)
{
    if (!studio_.isGenerating() || !cancel_->isEnabled()) return;
    bar_->setShare(total > 0.0 ? done / total : 0.0);
    QString text = tr("%1 of %2")
                       .arg(countText(static_cast<qint64>(std::floor(done))),
                            countText(static_cast<qint64>(total)));
    if (done > 0.0 && sinceStart_.isValid() && sinceStart_.elapsed() > 500) {
        const double elapsed = static_cast<double>(sinceStart_.elapsed()) / 1000.0;
        text += tr(" · %1 left").arg(durationText(elapsed * (total - done) / done));
    } else {
        text = tr("Opening the model…");
    }
    progressText_->setText(text);
}

void SamplePage::showDetails(int index)
{
    const auto& images = studio_.generated();
    const bool isOne = index >= 0 && static_cast<std::size_t>(index) < images.size();
    setEnabledWithReason(saveOne_, isOne, tr("Select an image first."));
    setEnabledWithReason(reuse_, isOne, tr("Select an image first."),
                         tr("Takes over class and seed of this image"));
    facts_->setVisible(isOne);
    if (!isOne) {
        large_->setPixmap({});
        large_->setText(tr("Select an image to see how it was made."));
        return;
    }
    const auto& one = images[static_cast<std::size_t>(index)];
    const auto& request = studio_.generationRequest();
    const QImage picture = toQImage(one.image);
    const int times = std::max(1, kLargeSide / std::max(1, picture.width()));
    large_->setPixmap(QPixmap::fromImage(
        picture.scaled(picture.width() * times, picture.height() * times, Qt::KeepAspectRatio)));
    large_->setAccessibleName(tr("Generated image of %1").arg(studio_.subjectOf(one)));
    facts_->setFact(QStringLiteral("class"), request.prompts.empty() ? tr("class") : tr("prompt"),
                    studio_.subjectOf(one));
    facts_->setFact(QStringLiteral("seed"), tr("seed"), QString::number(one.seed));
    facts_->setFact(QStringLiteral("guidance"), tr("guidance"),
                    QLocale().toString(request.guidance, 'f', 1));
    facts_->setFact(QStringLiteral("steps"), tr("steps"), QString::number(request.steps));
    facts_->setFact(QStringLiteral("sampler"), tr("sampler"), samplerName(request.sampler));
    facts_->setFact(QStringLiteral("run"), tr("run"),
                    QString::fromStdString(studio_.lastRunFolder().filename().string()));
}

void SamplePage::generate()
{
    generate::GenerationRequest request;
    const int count = count_->value();
    const int classes = static_cast<int>(studio_.classNames().size());
    const int chosen = class_->currentIndex() - 1; // -1: all
    const std::string prompt = prompt_->text().trimmed().toStdString();
    if (studio_.takesPrompts() && !prompt.empty()) {
        request.prompts = {prompt};
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
    notice()->clear();
    grid_->clear();
    shown_ = 0;
    bar_->setShare(0.0);
    progressText_->setText(tr("Opening the model…"));
    studio_.generate(request);
}

std::string SamplePage::parametersOf(const generate::GeneratedImage& image) const
{
    const auto& request = studio_.generationRequest();
    return tr("%1 %2, seed %3, guidance %4, steps %5, sampler %6")
        .arg(request.prompts.empty() ? tr("class") : tr("prompt"))
        .arg(studio_.subjectOf(image))
        .arg(image.seed)
        .arg(request.guidance)
        .arg(request.steps)
        .arg(samplerName(request.sampler))
        .toStdString();
}

void SamplePage::saveSelected()
{
    const int index = grid_->selected();
    if (index < 0 || static_cast<std::size_t>(index) >= studio_.generated().size()) return;
    const auto& one = studio_.generated()[static_cast<std::size_t>(index)];
    const QString file = dialogs_.files.saveFile(
        this, tr("Save this image"),
        QStringLiteral("%1-%2.png").arg(fileStem(studio_.subjectOf(one))).arg(one.seed),
        tr("Picture (*.png)"));
    if (file.isEmpty()) return;
    PngMark mark{.parameters = parametersOf(one)};
    if (const auto& plan = studio_.runPlan()) {
        mark.epsilon = plan->privacy.epsilon;
        mark.delta = plan->privacy.delta;
    }
    const auto saved = markedPng(one.image, mark).and_then([&](const auto& bytes) {
        return core::write_file(file.toStdString(), std::span<const std::byte>(bytes));
    });
    if (saved)
        notice()->setContent(Notice::Information, tr("Image saved"), file);
    else
        notice()->showError(tr("The image was not saved"), saved.error());
}

void SamplePage::saveGrid()
{
    const QString file =
        dialogs_.files.saveFile(this, tr("Save all images as one picture"),
                                QStringLiteral("samples.png"), tr("Picture (*.png)"));
    if (file.isEmpty()) return;
    std::vector<image::Image> images;
    for (const auto& one : studio_.generated())
        images.push_back(one.image);
    PngMark mark{.parameters = studio_.generated().empty()
                     ? std::string()
                     : "first: " + parametersOf(studio_.generated().front())};
    if (const auto& plan = studio_.runPlan()) {
        mark.epsilon = plan->privacy.epsilon;
        mark.delta = plan->privacy.delta;
    }
    const int classes = std::max(1, static_cast<int>(studio_.classNames().size()));
    const bool isInTurn =
        class_->currentIndex() == 0 && studio_.generationRequest().prompts.empty();
    const int columns = isInTurn
        ? classes
        : std::max(1, static_cast<int>(std::ceil(std::sqrt(static_cast<double>(images.size())))));
    saving_.start<void>(
        this,
        [images = std::move(images), columns, mark,
         path = file.toStdString()](std::stop_token, const TaskWorker::Report&) -> Result<> {
            VELAMEN_ASSIGN(const auto bytes,
                           markedPng(image::contact_sheet(images, columns), mark));
            return core::write_file(path, std::span<const std::byte>(bytes));
        },
        [this, file](Result<> saved) {
            if (saved)
                notice()->setContent(Notice::Information, tr("Grid saved"), file);
            else
                notice()->showError(tr("The grid was not saved"), saved.error());
        });
}

void SamplePage::reuseSettings()
{
    const int index = grid_->selected();
    if (index < 0 || static_cast<std::size_t>(index) >= studio_.generated().size()) return;
    const auto& one = studio_.generated()[static_cast<std::size_t>(index)];
    const auto& prompts = studio_.generationRequest().prompts;
    prompt_->setText(prompts.empty() ? QString() : studio_.subjectOf(one));
    if (prompts.empty()) class_->setCurrentIndex(one.class_index + 1);
    seed_->setText(QString::number(one.seed));
}

} // namespace velamen::ui
