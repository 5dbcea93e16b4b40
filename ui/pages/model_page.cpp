// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the model page and what it shows of an inspection.

#include "ui/pages/model_page.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QMenu>
#include <QScrollArea>
#include <QStackedWidget>
#include <QTableWidget>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/models/checkpoint_files.h"
#include "ui/models/strings.h"
#include "ui/pages/completion_card.h"
#include "ui/pages/selection_chooser.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/bar.h"
#include "ui/widgets/card.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/icons.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

enum Sheet { Empty, Content, Questions };

constexpr int kQuestionsWidth = 720; // px

QString percent(std::int64_t part, std::int64_t whole)
{
    if (whole <= 0) return QStringLiteral("0 %");
    return QObject::tr("%1 %").arg(100.0 * static_cast<double>(part) / static_cast<double>(whole),
                                   0, 'f', 1);
}

} // namespace

ModelPage::ModelPage(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Page(tr("Model"), {}, parent), studio_(studio), dialogs_(dialogs)
{
    setObjectName(QStringLiteral("page.model"));
    addAction(new ZoneBadge(ZoneBadge::Public, {}, this));
    builtIn_ = makeButton(ButtonRole::Plain, tr("Built in"), QStringLiteral("model.builtIn"), this);
    addAction(builtIn_);
    file_ = makeButton(ButtonRole::Plain, tr("Choose file…"), QStringLiteral("model.file"), this);
    addAction(file_);
    folder_ =
        makeButton(ButtonRole::Plain, tr("Choose folder…"), QStringLiteral("model.folder"), this);
    addAction(folder_);
    stack_ = new QStackedWidget(this);
    stack_->addWidget(makeEmpty());
    stack_->addWidget(makeContent());
    stack_->addWidget(makeQuestions());
    body()->addWidget(stack_, 1);
    auto* menu = new QMenu(builtIn_);
    for (const BuiltInCheckpoint& one : studio_.builtInCheckpoints())
        menu->addAction(QString::fromStdString(one.name), this,
                        [this, folder = one.folder] { studio_.chooseCheckpoint(folder); });
    builtIn_->setMenu(menu);
    connect(folder_, &QPushButton::clicked, this, &ModelPage::chooseFolder);
    connect(file_, &QPushButton::clicked, this, &ModelPage::chooseFile);
    connect(&studio_, &Studio::projectChanged, this, &ModelPage::refresh);
    connect(&studio_, &Studio::modelChanged, this, &ModelPage::refresh);
    connect(&studio_, &Studio::runStateChanged, this, &ModelPage::refresh);
    refresh();
}

QWidget* ModelPage::makeEmpty()
{
    auto* card = new Card({}, this);
    auto* all = card->body();
    all->setSpacing(space::kM);
    all->addStretch(2);
    auto* picture = new QLabel(card);
    picture->setPixmap(iconPixmap(Icon::Box, Theme::of(*this).fieldLine, 64));
    picture->setAlignment(Qt::AlignCenter);
    all->addWidget(picture);
    emptyTitle_ = makeText(TextRole::Title, {}, card);
    emptyTitle_->setAlignment(Qt::AlignCenter);
    all->addWidget(emptyTitle_);
    emptyNote_ = makeText(TextRole::Body, {}, card);
    emptyNote_->setAlignment(Qt::AlignCenter);
    all->addWidget(emptyNote_);
    all->addStretch(3);
    return card;
}

QWidget* ModelPage::makeQuestions()
{
    auto* sheet = new QWidget(this);
    auto* column = new QVBoxLayout(sheet);
    column->setContentsMargins(0, 0, 0, 0);
    questions_ = new CompletionCard(studio_, dialogs_, sheet);
    questions_->setMaximumWidth(kQuestionsWidth);
    column->addWidget(questions_);
    column->addStretch(1);
    return sheet;
}

QWidget* ModelPage::makeContent()
{
    auto* content = new QWidget(this);
    auto* row = new QHBoxLayout(content);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(14);

    auto* training = new Card(tr("What will learn"), content);
    selection_ = new SelectionChooser(studio_, training);
    training->body()->addWidget(selection_);
    training->body()->addWidget(makeLine(training));
    auto* number = new QHBoxLayout;
    number->setSpacing(10);
    share_ = makeText(TextRole::Number, {}, training);
    share_->setObjectName(QStringLiteral("model.share"));
    shareNote_ = makeText(TextRole::Muted, {}, training);
    shareNote_->setContentsMargins(0, 0, 0, 5);
    number->addWidget(share_, 0, Qt::AlignBottom);
    number->addWidget(shareNote_, 0, Qt::AlignBottom);
    number->addStretch(1);
    training->body()->addLayout(number);
    shareBar_ = new Bar(training);
    shareBar_->setAccessibleName(tr("Share of parameters that learn"));
    training->body()->addWidget(shareBar_);
    training->body()->addWidget(makeText(
        TextRole::Note,
        tr("Noise goes to every parameter that learns, so fewer is often better. The rest stays "
           "exactly as it is."),
        training));
    auto* scroll = new QScrollArea(training);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setFocusPolicy(Qt::NoFocus);
    blocks_ = new QWidget(scroll);
    blocks_->setObjectName(QStringLiteral("scrollBody"));
    blockGrid_ = new QGridLayout(blocks_);
    blockGrid_->setContentsMargins(0, 4, 8, 0);
    blockGrid_->setHorizontalSpacing(space::kM);
    blockGrid_->setVerticalSpacing(7);
    blockGrid_->setColumnStretch(1, 1);
    scroll->setWidget(blocks_);
    scroll->viewport()->setAutoFillBackground(false);
    training->body()->addWidget(scroll, 1);
    row->addWidget(training, 1);

    auto* right = new QVBoxLayout;
    right->setSpacing(14);
    auto* parts = new Card(tr("Components"), content);
    components_ = new QTableWidget(0, 4, parts);
    components_->setObjectName(QStringLiteral("model.components"));
    components_->setAccessibleName(tr("Components of the checkpoint"));
    components_->setHorizontalHeaderLabels(
        {tr("component"), tr("tensors"), tr("parameters"), tr("size")});
    components_->setFrameShape(QFrame::NoFrame);
    components_->setStyleSheet(QStringLiteral("QTableView { border: none; }"));
    components_->setShowGrid(false);
    components_->verticalHeader()->hide();
    components_->verticalHeader()->setDefaultSectionSize(28);
    components_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    components_->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
    components_->setEditTriggers(QAbstractItemView::NoEditTriggers);
    components_->setSelectionBehavior(QAbstractItemView::SelectRows);
    components_->setVerticalScrollBarPolicy(Qt::ScrollBarAsNeeded);
    parts->body()->addWidget(components_);
    right->addWidget(parts);
    notes_ = makeText(TextRole::Note, {}, parts);
    notes_->setObjectName(QStringLiteral("model.notes"));
    parts->body()->addWidget(notes_);
    problems_ = new Notice(content);
    problems_->setObjectName(QStringLiteral("model.problems"));
    right->addWidget(problems_);

    auto* origin = new Card(tr("Where it comes from"), content);
    origin_ = new FactsTable(1, origin);
    origin->body()->addWidget(origin_);
    provenance_ = new Notice(origin);
    provenance_->setObjectName(QStringLiteral("model.provenance"));
    origin->body()->addSpacing(space::kXs);
    origin->body()->addWidget(provenance_);
    origin->body()->addStretch(1);
    right->addWidget(origin, 1);
    row->addLayout(right, 1);

    return content;
}

void ModelPage::chooseFolder()
{
    const QString folder =
        dialogs_.files.openFolder(this, tr("Checkpoint folder (diffusers layout)"),
                                  pathText(studio_.checkpoint().parent_path()));
    if (!folder.isEmpty()) studio_.chooseCheckpoint(toPath(folder));
}

void ModelPage::chooseFile()
{
    const QString file =
        dialogs_.files.openFile(this, tr("Checkpoint file"),
                                pathText(studio_.checkpoint().parent_path()), checkpointFilter());
    if (!file.isEmpty()) studio_.chooseCheckpoint(toPath(file));
}

void ModelPage::refresh()
{
    const bool hasProject = studio_.hasProject();
    const QString whyNot = !hasProject ? tr("Create or open a project on the Start page first.")
        : studio_.isRunActive()        ? tr("A run is in progress; it goes on with this model.")
                                       : QString();
    setEnabledWithReason(builtIn_, whyNot.isEmpty(), whyNot,
                         tr("Small public models that come with Velamen"));
    setEnabledWithReason(folder_, whyNot.isEmpty(), whyNot, tr("A folder in diffusers' layout"));
    setEnabledWithReason(file_, whyNot.isEmpty(), whyNot,
                         tr("One file of a Stable Diffusion or latent diffusion model"));
    const bool isChosen = !studio_.checkpoint().empty();
    setButtonRole(folder_, isChosen ? ButtonRole::Plain : ButtonRole::Primary);
    const auto& inspection = studio_.inspection();
    const auto problem = studio_.modelProblem();
    if (problem && problem->code == ErrorCode::Incomplete) {
        setSubtitle(shortPathText(studio_.checkpoint()));
        questions_->refresh(*problem);
        stack_->setCurrentIndex(Questions);
        return;
    }
    if (!inspection) {
        setSubtitle(isChosen ? shortPathText(studio_.checkpoint())
                             : tr("The public model that the private images will fine-tune"));
        emptyTitle_->setText(!hasProject    ? tr("No project is open")
                                 : isChosen ? tr("No checkpoint could be read there yet")
                                            : tr("Drop a checkpoint here, a folder or a file"));
        emptyNote_->setText(
            !hasProject ? tr("Create one, open one or try the demo on the Start page.")
                : problem
                ? QString::fromStdString(problem->message + "\n" + problem->hint)
                : tr("A latent diffusion model: a folder in diffusers' layout (unet, vae and a "
                     "text_encoder or class_embedder inside), or one .safetensors or .ckpt file "
                     "with all of them."));
        stack_->setCurrentIndex(Empty);
        return;
    }
    const QString name = QString::fromStdString(inspection->card.name);
    setSubtitle((name.isEmpty() ? shortPathText(studio_.checkpoint()) : name) + tr(" · ")
                + QString::fromStdString(inspection->family));
    selection_->refresh();
    showComponents(*inspection);
    showBlocks(*inspection);
    showOrigin(*inspection);
    stack_->setCurrentIndex(Content);
}

void ModelPage::showComponents(const checkpoint::Inspection& inspection)
{
    components_->setRowCount(static_cast<int>(inspection.components.size()));
    int row = 0;
    for (const checkpoint::ComponentInfo& part : inspection.components) {
        const QString kind = QString::fromStdString(part.kind);
        auto* name = new QTableWidgetItem(QString::fromStdString(part.name));
        name->setToolTip(kind + QStringLiteral(", ") + QString::fromStdString(part.dtype));
        components_->setItem(row, 0, name);
        const QString numbers[] = {countText(part.tensors), shortCountText(part.parameters),
                                   bytesText(part.bytes)};
        for (int column = 0; column < 3; ++column) {
            auto* item = new QTableWidgetItem(numbers[column]);
            item->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
            components_->setItem(row, column + 1, item);
        }
        ++row;
    }
    components_->horizontalHeaderItem(0)->setTextAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    for (int column = 1; column < 4; ++column)
        components_->horizontalHeaderItem(column)->setTextAlignment(Qt::AlignRight
                                                                    | Qt::AlignVCenter);
    components_->setFixedHeight(34 + 28 * std::clamp(row, 1, 5));
    notes_->setText(toStrings(inspection.notes).join(QStringLiteral(" · ")));
    notes_->setVisible(!inspection.notes.empty());
    if (inspection.problems.empty()) {
        problems_->clear();
        return;
    }
    QStringList problems;
    for (const Error& problem : inspection.problems)
        problems << QString::fromStdString(problem.message);
    problems_->setContent(Notice::Problem, tr("This checkpoint cannot be used as it is"),
                          problems.join(QLatin1Char('\n')),
                          QString::fromStdString(inspection.problems.front().hint));
}

void ModelPage::showBlocks(const checkpoint::Inspection& inspection)
{
    share_->setText(percent(inspection.trained_parameters, inspection.total_parameters));
    QString note = tr("%1 of %2 parameters learn")
                       .arg(shortCountText(inspection.trained_parameters),
                            shortCountText(inspection.total_parameters));
    if (inspection.dead_parameters > 0)
        note += tr(", %1 left out").arg(shortCountText(inspection.dead_parameters));
    shareNote_->setText(note);
    shareNote_->setToolTip(
        tr("Left out: parameters whose gradient is zero by construction; noise is all "
           "that they would receive."));
    shareBar_->setShare(inspection.total_parameters > 0
                            ? static_cast<double>(inspection.trained_parameters)
                                / static_cast<double>(inspection.total_parameters)
                            : 0.0);
    while (QLayoutItem* item = blockGrid_->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    std::int64_t largest = 1;
    for (const checkpoint::SelectedBlock& block : inspection.blocks)
        largest = std::max(largest, block.parameters);
    const Theme theme = Theme::of(*this);
    int row = 0;
    for (const checkpoint::SelectedBlock& block : inspection.blocks) {
        const QString name = QString::fromStdString(block.name);
        auto* label = makeText(TextRole::Note, name, blocks_);
        label->setWordWrap(false);
        auto* bar = new Bar(blocks_);
        bar->setThickness(8);
        bar->setShare(static_cast<double>(block.parameters) / static_cast<double>(largest));
        if (!block.is_trained) bar->setColour(theme.fieldLine);
        bar->setAccessibleName(block.is_trained ? tr("%1, trained").arg(name)
                                                : tr("%1, frozen").arg(name));
        auto* count = makeText(TextRole::Note, shortCountText(block.parameters), blocks_);
        count->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
        count->setWordWrap(false);
        auto* state = makeText(block.is_trained ? TextRole::Strong : TextRole::Muted,
                               block.is_trained ? tr("learns") : tr("frozen"), blocks_);
        state->setFont(uiFont(text_size::kNote));
        state->setStyleSheet(QStringLiteral("font-size: 12px;"));
        blockGrid_->addWidget(label, row, 0);
        blockGrid_->addWidget(bar, row, 1);
        blockGrid_->addWidget(count, row, 2);
        blockGrid_->addWidget(state, row, 3);
        ++row;
    }
    blockGrid_->setRowStretch(row, 1);
}

void ModelPage::showOrigin(const checkpoint::Inspection& inspection)
{
    const checkpoint::Card& card = inspection.card;
    const auto said = [this](const std::string& text) {
        return text.empty() ? tr("not stated") : QString::fromStdString(text);
    };
    origin_->setFact(QStringLiteral("licence"), tr("licence"), said(card.licence));
    origin_->setFact(QStringLiteral("data"), tr("trained on"), said(card.data));
    origin_->setFact(QStringLiteral("recipe"), tr("made by"), said(card.recipe));
    QString fingerprint = QString::fromStdString(inspection.sha256);
    if (fingerprint.isEmpty()) fingerprint = tr("taken when a run begins");
    origin_->setFact(QStringLiteral("sha256"), tr("fingerprint"),
                     fingerprint.size() > 40 ? fingerprint.left(16) + QStringLiteral("…")
                                             : fingerprint,
                     tr("SHA-256 %1").arg(fingerprint));
    if (card.data.empty())
        provenance_->setContent(
            Notice::Caution, tr("Nobody says what this model was trained on."),
            tr("If private images were among it, the guarantee does not hold for "
               "them, whatever is done here."));
    else
        provenance_->setContent(
            Notice::Information, tr("The guarantee starts from this model."),
            tr("It covers what your private folder adds, not what the model already "
               "knew. Was it trained on private data? Then the guarantee does not "
               "hold for that data."));
}

} // namespace velamen::ui
