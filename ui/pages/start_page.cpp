// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout and the three ways into a project.

#include "ui/pages/start_page.h"

#include <QDir>
#include <QHBoxLayout>
#include <QListWidget>
#include <QVBoxLayout>

#include "ui/widgets/badge.h"
#include "ui/widgets/card.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"
#include "ui/widgets/tile.h"

namespace velamen::ui {
namespace {

void addPromise(QVBoxLayout* body, ZoneBadge::Zone zone, const QString& words, QWidget* parent)
{
    auto* column = new QVBoxLayout;
    column->setSpacing(5);
    column->addWidget(new ZoneBadge(zone, {}, parent), 0, Qt::AlignLeft);
    column->addWidget(makeText(TextRole::Body, words, parent));
    body->addLayout(column);
    body->addSpacing(space::kS);
}

} // namespace

StartPage::StartPage(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Page(tr("Start"),
           tr("Private images in, synthetic images with a proven privacy guarantee out"), parent),
      studio_(studio), dialogs_(dialogs)
{
    setObjectName(QStringLiteral("page.start"));
    auto* tiles = new QHBoxLayout;
    tiles->setSpacing(14);
    auto* demo = new Tile(Icon::Sparkle, tr("Try the demo"),
                          tr("Handwritten digits and a small built-in model. Nothing to prepare."),
                          QStringLiteral("start.demo"), this);
    auto* made = new Tile(Icon::Plus, tr("New project"),
                          tr("For a folder of your own images. Keeps its settings by itself."),
                          QStringLiteral("start.new"), this);
    auto* open =
        new Tile(Icon::Folder, tr("Open project"), tr("Go on where you left off, even mid-run."),
                 QStringLiteral("start.open"), this);
    for (Tile* tile : {made, open, demo})
        tiles->addWidget(tile);
    body()->addLayout(tiles);

    auto* row = new QHBoxLayout;
    row->setSpacing(14);
    auto* recentCard = new Card(tr("Recent projects"), this);
    recent_ = new QListWidget(recentCard);
    recent_->setObjectName(QStringLiteral("start.recent"));
    recent_->setAccessibleName(tr("Recent projects"));
    recent_->setFrameShape(QFrame::NoFrame);
    recent_->setStyleSheet(QStringLiteral("QListView { border: none; }"));
    recent_->setIconSize({22, 22});
    recent_->setMinimumHeight(150);
    recentCard->body()->addWidget(recent_);
    row->addWidget(recentCard, 3);

    auto* promise = new Card(tr("What is protected, and what is not"), this);
    addPromise(
        promise->body(), ZoneBadge::Private,
        tr("Your images, their names and everything computed from them stay on this machine. "
           "There is no network code in this program."),
        promise);
    addPromise(
        promise->body(), ZoneBadge::Protected,
        tr("The tuned model and its images carry a guarantee: whether any one image was in the "
           "folder can hardly be told from them. You choose how hardly."),
        promise);
    addPromise(
        promise->body(), ZoneBadge::Public,
        tr("The names of the classes, the base model and facts true of the whole group are not "
           "hidden. Neither is anything the base model was trained on."),
        promise);
    promise->body()->addStretch(1);
    row->addWidget(promise, 2);
    body()->addLayout(row, 1);

    connect(made, &QPushButton::clicked, this, &StartPage::createProject);
    connect(open, &QPushButton::clicked, this, &StartPage::openProject);
    connect(demo, &QPushButton::clicked, this, [this] {
        studio_.openDemo();
        if (studio_.hasProject()) Q_EMIT pageRequested(QStringLiteral("data"));
    });
    connect(recent_, &QListWidget::itemActivated, this, &StartPage::openRecent);
    connect(recent_, &QListWidget::itemClicked, this, &StartPage::openRecent);
    connect(&studio_, &Studio::projectChanged, this, &StartPage::refresh);
    refresh();
}

void StartPage::showEvent(QShowEvent* event)
{
    Page::showEvent(event);
    refresh();
}

void StartPage::createProject()
{
    const QString name =
        dialogs_.messages.askText(this, tr("New project"), tr("Name of the project"));
    if (name.isEmpty()) return;
    const QString parent =
        dialogs_.files.openFolder(this, tr("Folder that will hold the project"), QDir::homePath());
    if (parent.isEmpty()) return;
    QString folder = name;
    folder.replace(QLatin1Char('/'), QLatin1Char('-'));
    const auto target = toPath(parent) / folder.toStdString();
    studio_.createProject(target, name);
    if (studio_.projectFolder() == target) Q_EMIT pageRequested(QStringLiteral("data"));
}

void StartPage::openProject()
{
    const QString folder =
        dialogs_.files.openFolder(this, tr("Open a project folder"), QDir::homePath());
    if (folder.isEmpty()) return;
    studio_.openProject(toPath(folder));
    if (studio_.projectFolder() == toPath(folder)) Q_EMIT pageRequested(QStringLiteral("data"));
}

void StartPage::openRecent()
{
    const QListWidgetItem* item = recent_->currentItem();
    if (item == nullptr || !item->data(Qt::UserRole).isValid()) return;
    const auto folder = toPath(item->data(Qt::UserRole).toString());
    studio_.openProject(folder);
    if (studio_.projectFolder() == folder) Q_EMIT pageRequested(QStringLiteral("data"));
}

void StartPage::refresh()
{
    recent_->clear();
    const Theme theme = Theme::of(*this);
    for (const auto& folder : project::recent_projects()) {
        auto* item =
            new QListWidgetItem(makeIcon(Icon::Folder, theme.accentText, 22),
                                QString::fromStdString(folder.filename().string())
                                    + QLatin1Char('\n') + shortPathText(folder.parent_path()),
                                recent_);
        item->setData(Qt::UserRole, pathText(folder));
        item->setToolTip(pathText(folder));
        item->setSizeHint({0, 52});
    }
    if (recent_->count() == 0) {
        auto* item = new QListWidgetItem(
            tr("None yet. Projects that you create or open are listed here."), recent_);
        item->setFlags(Qt::NoItemFlags);
    }
}

} // namespace velamen::ui
