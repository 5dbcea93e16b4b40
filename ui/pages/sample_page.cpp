// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout and commands of the sampling page.

#include "ui/pages/sample_page.h"

#include <algorithm>
#include <cmath>

#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QPushButton>
#include <QVBoxLayout>

#include "engine/core/file.h"
#include "engine/image/codec.h"
#include "ui/pages/sample_settings.h"
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
    row->addWidget(makeColumn());
    row->addWidget(makePictures(), 1);
    row->addWidget(makeDetails());
    body()->addLayout(row, 1);

    connect(settings_, &SampleSettings::changed, this, &SamplePage::showState);
    connect(&studio_, &Studio::generatedChanged, this, &SamplePage::showImages);
    connect(&studio_, &Studio::generationDrafted, this, &SamplePage::showDraft);
    connect(&studio_, &Studio::generationProgressed, this, &SamplePage::showProgress);
    connect(&studio_, &Studio::generationNoted, this, [this](const QStringList& notes) {
        notice()->setContent(Notice::Caution, tr("The prompt was cut"),
                             notes.join(QLatin1Char('\n')));
    });
    connect(&studio_, &Studio::generationFinished, this, [this] {
        grid_->trimFlow(static_cast<int>(studio_.generated().size()));
        showState();
        showImages();
    });
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

QWidget* SamplePage::makeColumn()
{
    auto* column = new QWidget(this);
    column->setFixedWidth(292);
    auto* layout = new QVBoxLayout(column);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(14);
    settings_ = new SampleSettings(studio_, column);
    layout->addWidget(settings_);

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
    zones_.push_back(new ZoneBadge(ZoneBadge::Protected, {}, pictures_));
    pictures_->setLeading(zones_.back());
    countText_ = makeText(TextRole::Note, {}, pictures_);
    countText_->setWordWrap(false);
    pictures_->setTrailing(countText_);
    grid_ = new ImageGrid(pictures_);
    grid_->setObjectName(QStringLiteral("sample.grid"));
    grid_->setAccessibleName(tr("Generated images"));
    grid_->setCellSize(96);
    grid_->setEmptyText(
        tr("Choose a class or write a prompt and press Generate. Images appear here "
           "as they are drawn."));
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
    zones_.push_back(new ZoneBadge(ZoneBadge::Protected, {}, card));
    card->body()->addWidget(zones_.back());
    card->body()->addStretch(1);
    return card;
}

void SamplePage::showState()
{
    const bool isBusy = studio_.isGenerating();
    QString why = studio_.whyCannotGenerate();
    if (why.isEmpty()) why = settings_->whyNot();
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

    setSubtitle(subtitle());
}

QString SamplePage::subtitle() const
{
    if (studio_.drawnModel() == DrawnModel::Public) {
        const auto& model = studio_.inspection();
        if (!model) return tr("New images; there is no model yet");
        const QString name = QString::fromStdString(model->card.name);
        return tr("%1 · the public model, before any tuning")
            .arg(name.isEmpty() ? shortPathText(studio_.checkpoint()) : name);
    }
    QStringList words;
    if (const auto record = studio_.lastRun())
        words << tr("run %1").arg(
            QString::fromStdString(studio_.lastRunFolder().filename().string()))
              << tr("step %1").arg(countText(record->step));
    if (const auto& plan = studio_.runPlan())
        words << tr("ε at most %1").arg(plan->privacy.epsilon);
    words << tr("averaged weights");
    return words.join(QStringLiteral(" · "));
}

void SamplePage::showImages()
{
    const auto& images = studio_.generated();
    for (ZoneBadge* zone : zones_)
        zone->setZone(isShownPublic() ? ZoneBadge::Public : ZoneBadge::Protected);
    if (shown_ > images.size() || images.empty()) {
        grid_->clear();
        shown_ = 0;
    }
    for (; shown_ < images.size(); ++shown_) {
        const auto& one = images[shown_];
        grid_->putInFlow(static_cast<int>(shown_), toQImage(one.image), studio_.subjectOf(one));
    }
    countText_->setText(images.empty()
                            ? QString()
                            : tr("%1 images").arg(countText(static_cast<qint64>(images.size()))));
    if (grid_->selected() < 0 && !images.empty()) grid_->setSelected(0);
    showState();
}

void SamplePage::showDraft(const generate::Draft& draft)
{
    const auto& classes = studio_.generationRequest().classes;
    for (std::size_t i = 0; i < draft.images.size(); ++i) {
        const std::size_t at = static_cast<std::size_t>(draft.first) + i;
        if (at < shown_ || at >= classes.size()) continue; // the image itself is there
        grid_->putInFlow(static_cast<int>(at), toQImage(draft.images[i]),
                         studio_.subjectOf({.class_index = classes[at]}));
    }
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
    facts_->setFact(QStringLiteral("run"), isShownPublic() ? tr("model") : tr("run"),
                    isShownPublic()
                        ? tr("public")
                        : QString::fromStdString(studio_.lastRunFolder().filename().string()));
}

void SamplePage::generate()
{
    const generate::GenerationRequest request = settings_->request();
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

bool SamplePage::isShownPublic() const
{
    return studio_.generated().empty() ? studio_.drawnModel() == DrawnModel::Public
                                       : studio_.generatedModel() == DrawnModel::Public;
}

PngMark SamplePage::markOf(std::string parameters) const
{
    PngMark mark{.parameters = std::move(parameters)};
    if (const auto& plan = studio_.runPlan(); plan && !isShownPublic()) {
        mark.epsilon = plan->privacy.epsilon;
        mark.delta = plan->privacy.delta;
    }
    return mark;
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
    const PngMark mark = markOf(parametersOf(one));
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
    const PngMark mark =
        markOf(studio_.generated().empty() ? std::string()
                                           : "first: " + parametersOf(studio_.generated().front()));
    const auto& drawn = studio_.generationRequest().classes;
    const auto [least, most] = std::ranges::minmax(drawn);
    const int columns = least < most // in turn: a column each
        ? most + 1
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
    settings_->reuse(studio_.generated()[static_cast<std::size_t>(index)]);
}

} // namespace velamen::ui
