// SPDX-License-Identifier: GPL-3.0-or-later
//
// The frame around the pages.

#include "ui/main_window.h"

#include <QApplication>
#include <QCloseEvent>
#include <QDialog>
#include <QDragEnterEvent>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QMimeData>
#include <QScreen>
#include <QShortcut>
#include <QStackedWidget>
#include <QStyle>
#include <QUrl>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/models/checkpoint_files.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/page.h"
#include "ui/widgets/rail_button.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr int kRailWidth = 196;

bool isThere(const std::filesystem::path& path)
{
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

/// A folder in diffusers' layout, or a file of weights.
bool isCheckpoint(const std::filesystem::path& folder)
{
    const bool isFile = std::ranges::any_of(
        kCheckpointEndings, [&](const char* ending) { return folder.extension() == ending; });
    return isFile || isThere(folder / "velamen.json") || isThere(folder / "model_index.json")
        || isThere(folder / "unet" / "config.json");
}

} // namespace

MainWindow::MainWindow(Studio& studio, Dialogs& dialogs, std::vector<RailEntry> entries,
                       QWidget* parent)
    : QMainWindow(parent), studio_(studio), dialogs_(dialogs), entries_(std::move(entries))
{
    setObjectName(QStringLiteral("mainWindow"));
    setWindowTitle(tr("Velamen"));
    setAcceptDrops(true);
    // 1280 x 800, or what a smaller screen leaves beside the frame.
    constexpr QSize kFrame(8, 36);
    resize(QSize(1280, 800).boundedTo(screen()->availableSize() - kFrame));
    setMinimumSize(960, 600);

    auto* all = new QWidget(this);
    auto* columns = new QHBoxLayout(all);
    columns->setContentsMargins(0, 0, 0, 0);
    columns->setSpacing(0);
    columns->addWidget(makeRail());
    auto* right = new QVBoxLayout;
    right->setSpacing(0);
    pages_ = new QStackedWidget(all);
    for (const RailEntry& entry : entries_) {
        pages_->addWidget(entry.page);
        connect(entry.page, &Page::pageRequested, this, &MainWindow::showPage);
    }
    right->addWidget(pages_, 1);
    right->addWidget(makeStatusLine());
    columns->addLayout(right, 1);
    setCentralWidget(all);

    for (std::size_t i = 0; i < entries_.size() && i < 9; ++i)
        addCommand(tr("Go to %1").arg(entries_[i].title), QKeySequence(tr("Ctrl+%1").arg(i + 1)),
                   [this, key = entries_[i].key] { showPage(key); });
    addCommand(tr("Open a project"), QKeySequence::Open, [this] {
        const QString folder = dialogs_.files.openFolder(this, tr("Open a project folder"));
        if (!folder.isEmpty()) openPath(toPath(folder));
    });
    addCommand(tr("Start, pause or go on with the run"), QKeySequence(tr("Ctrl+R")), [this] {
        showPage(QStringLiteral("train"));
        if (studio_.runState() == RunState::Running)
            studio_.pause();
        else if (studio_.canResume())
            studio_.resumeRun();
        else if (studio_.whyCannotStart().isEmpty())
            studio_.start();
    });
    addCommand(tr("Show these shortcuts"), QKeySequence(Qt::Key_F1), [this] { showShortcuts(); });
    addCommand(tr("Quit"), QKeySequence(tr("Ctrl+Q")), [this] { close(); });

    const auto again = [this] { refresh(); };
    connect(&studio_, &Studio::projectChanged, this, again);
    connect(&studio_, &Studio::sourceChanged, this, again);
    connect(&studio_, &Studio::modelChanged, this, again);
    connect(&studio_, &Studio::planChanged, this, again);
    connect(&studio_, &Studio::progressed, this, again);
    connect(&studio_, &Studio::generatedChanged, this, again);
    connect(&studio_, &Studio::generationFinished, this, again);
    connect(&studio_, &Studio::releaseChanged, this, again);
    connect(&studio_, &Studio::ledgerChanged, this, again);
    connect(&studio_, &Studio::failed, this, &MainWindow::showFailure);
    connect(&studio_, &Studio::runStateChanged, this, [this](RunState state) {
        refresh();
        if (quitsWhenPaused_
            && (state == RunState::Paused || state == RunState::Done || state == RunState::Failed))
            close();
    });
    refresh();
    if (!entries_.empty()) showPage(entries_.front().key);
}

QWidget* MainWindow::makeRail()
{
    auto* rail = new QWidget(this);
    rail->setObjectName(QStringLiteral("rail"));
    rail->setAttribute(Qt::WA_StyledBackground);
    rail->setFixedWidth(kRailWidth);
    auto* all = new QVBoxLayout(rail);
    all->setContentsMargins(12, 20, 12, 12);
    all->setSpacing(2);
    auto* name = new QLabel(tr("Velamen"), rail);
    name->setProperty("role", QStringLiteral("railTitle"));
    name->setContentsMargins(10, 0, 0, 0);
    project_ = new QLabel(rail);
    project_->setObjectName(QStringLiteral("rail.project"));
    project_->setProperty("role", QStringLiteral("railNote"));
    project_->setContentsMargins(10, 0, 0, 0);
    all->addWidget(name);
    all->addWidget(project_);
    all->addSpacing(16);
    for (const RailEntry& entry : entries_) {
        if (entry.startsGroup) {
            auto* line = new QFrame(rail);
            line->setObjectName(QStringLiteral("railLine"));
            line->setFixedHeight(1);
            all->addSpacing(10);
            all->addWidget(line);
            all->addSpacing(10);
        }
        auto* button = new RailButton(entry.key, entry.title, rail);
        connect(button, &QPushButton::clicked, this, [this, key = entry.key] { showPage(key); });
        all->addWidget(button);
        lines_.push_back(button);
    }
    all->addStretch(1);
    auto* help = new QLabel(tr("F1  shortcuts"), rail);
    help->setProperty("role", QStringLiteral("railNote"));
    help->setContentsMargins(10, 0, 0, 0);
    all->addWidget(help);
    return rail;
}

QWidget* MainWindow::makeStatusLine()
{
    auto* line = new QWidget(this);
    line->setObjectName(QStringLiteral("statusLine"));
    line->setAttribute(Qt::WA_StyledBackground);
    line->setFixedHeight(27);
    auto* row = new QHBoxLayout(line);
    row->setContentsMargins(space::kXl, 1, space::kXl, 0);
    row->setSpacing(28);
    engine_ = new QLabel(line);
    engine_->setObjectName(QStringLiteral("status.engine"));
    ledger_ = new QLabel(line);
    ledger_->setObjectName(QStringLiteral("status.ledger"));
    auto* promise = new QLabel(tr("private data never leaves this machine"), line);
    promise->setObjectName(QStringLiteral("status.promise"));
    row->addWidget(engine_);
    row->addWidget(ledger_);
    row->addStretch(1);
    row->addWidget(promise);
    return line;
}

void MainWindow::addCommand(const QString& text, const QKeySequence& keys,
                            std::function<void()> act)
{
    commands_.push_back({text, keys});
    auto* shortcut = new QShortcut(keys, this);
    connect(shortcut, &QShortcut::activated, this, std::move(act));
}

QString MainWindow::currentPage() const
{
    const int index = pages_->currentIndex();
    return index >= 0 ? entries_[static_cast<std::size_t>(index)].key : QString();
}

void MainWindow::showPage(const QString& key)
{
    for (std::size_t i = 0; i < entries_.size(); ++i)
        if (entries_[i].key == key) {
            pages_->setCurrentIndex(static_cast<int>(i));
            lines_[i]->setChecked(true);
            return;
        }
}

void MainWindow::openPath(const std::filesystem::path& path)
{
    if (isThere(path / "project.json")) {
        studio_.openProject(path);
        if (studio_.projectFolder() == path) showPage(QStringLiteral("data"));
        return;
    }
    if (!studio_.hasProject()) {
        showFailure(tr("That could not be opened"),
                    {ErrorCode::InvalidArgument,
                     tr("No project is open to put it into.").toStdString(),
                     tr("Create or open a project first, or try the demo.").toStdString()});
        return;
    }
    if (isCheckpoint(path)) {
        showPage(QStringLiteral("model"));
        studio_.chooseCheckpoint(path);
        return;
    }
    showPage(QStringLiteral("data"));
    studio_.chooseSource(path);
}

void MainWindow::showShortcuts()
{
    if (auto* shown = findChild<QDialog*>(QStringLiteral("shortcuts"))) {
        shown->raise();
        shown->activateWindow();
        return;
    }
    auto* sheet = new QDialog(this);
    sheet->setObjectName(QStringLiteral("shortcuts"));
    sheet->setAttribute(Qt::WA_DeleteOnClose);
    sheet->setWindowTitle(tr("Shortcuts"));
    auto* grid = new QGridLayout(sheet);
    grid->setContentsMargins(24, 20, 24, 20);
    grid->setHorizontalSpacing(40);
    grid->setVerticalSpacing(8);
    grid->addWidget(makeText(TextRole::Title, tr("Shortcuts"), sheet), 0, 0, 1, 2);
    int row = 1;
    for (const Command& command : commands_) {
        grid->addWidget(new QLabel(command.text, sheet), row, 0);
        grid->addWidget(
            makeText(TextRole::Muted, command.keys.toString(QKeySequence::NativeText), sheet), row,
            1);
        ++row;
    }
    auto* close =
        makeButton(ButtonRole::Plain, tr("Close"), QStringLiteral("shortcuts.close"), sheet);
    connect(close, &QPushButton::clicked, sheet, &QDialog::close);
    grid->addWidget(close, row, 1, Qt::AlignRight);
    sheet->show();
}

QString MainWindow::railState(const QString& key) const
{
    if (key == QLatin1String("data"))
        return studio_.isScanning() ? tr("reading")
            : studio_.manifest() ? countText(static_cast<qint64>(studio_.manifest()->images.size()))
                                 : QString();
    if (key == QLatin1String("model"))
        return studio_.inspection() ? QString::fromStdString(studio_.inspection()->card.name)
                                    : QString();
    if (key == QLatin1String("privacy"))
        return !studio_.plan()
            ? QString()
            : tr("ε %1%2").arg(QString::number(studio_.plan()->privacy.epsilon, 'g', 4),
                               studio_.isConfirmed() ? QStringLiteral(" ✓") : QString());
    if (key == QLatin1String("train")) {
        const train::Progress& now = studio_.progress();
        switch (studio_.runState()) {
        case RunState::Idle:
            return studio_.canResume() ? tr("interrupted") : QString();
        case RunState::Preparing:
            return tr("preparing");
        case RunState::Running:
            return now.phase == train::Phase::Training && now.total > 0
                ? tr("%1 %").arg(100 * now.done / now.total)
                : QString::fromLatin1(train::name_of(now.phase));
        case RunState::Pausing:
            return tr("pausing");
        case RunState::Paused:
            return tr("paused");
        case RunState::Stopping:
            return tr("stopping");
        case RunState::Done:
            return tr("done");
        case RunState::Failed:
            return tr("failed");
        }
    }
    if (key == QLatin1String("sample"))
        return studio_.isGenerating() ? tr("drawing")
            : studio_.generated().empty()
            ? QString()
            : countText(static_cast<qint64>(studio_.generated().size()));
    if (key == QLatin1String("release"))
        return studio_.isReleasing()   ? tr("writing")
            : studio_.releaseSummary() ? tr("written")
                                       : QString();
    if (key == QLatin1String("ledger"))
        return studio_.ledger().empty() ? QString()
                                        : countText(static_cast<qint64>(studio_.ledger().size()));
    return {};
}

QString MainWindow::engineText() const
{
    if (quitsWhenPaused_) return tr("pausing, then quitting");
    if (studio_.isRunActive())
        return studio_.runState() == RunState::Running
            ? tr("engine running")
            : tr("engine %1").arg(railState(QStringLiteral("train")));
    if (studio_.isGenerating()) return tr("engine drawing images");
    if (studio_.isReleasing()) return tr("engine writing the release");
    if (studio_.isCompleting()) return tr("engine writing a model");
    if (studio_.isScanning()) return tr("engine reading images");
    return tr("engine idle");
}

void MainWindow::refresh()
{
    for (std::size_t i = 0; i < entries_.size(); ++i)
        lines_[i]->setState(railState(entries_[i].key));
    const QString name = studio_.hasProject() ? studio_.projectName() : tr("no project");
    project_->setText(project_->fontMetrics().elidedText(name, Qt::ElideRight, kRailWidth - 44));
    project_->setToolTip(studio_.hasProject() ? pathText(studio_.projectFolder()) : QString());
    setWindowTitle(studio_.hasProject() ? tr("%1 – Velamen").arg(name) : tr("Velamen"));
    const bool isBusy = studio_.isBusy() || studio_.isScanning();
    engine_->setText((isBusy ? QStringLiteral("● ") : QStringLiteral("○ ")) + engineText());
    engine_->setAccessibleName(engineText());
    ledger_->setText(studio_.ledger().empty() ? QString()
                                              : tr("ledger: %n entries", nullptr,
                                                   static_cast<int>(studio_.ledger().size())));
}

void MainWindow::showFailure(const QString& title, const Error& error)
{
    if (auto* page = qobject_cast<Page*>(pages_->currentWidget()))
        page->notice()->showError(title, error);
}

void MainWindow::closeEvent(QCloseEvent* event)
{
    const RunState state = studio_.runState();
    const bool isCutOff = studio_.isRunActive() && state != RunState::Paused;
    if (isCutOff && quitsWhenPaused_) { // asked for a second time: what is on the disk is whole
        studio_.stopRun();
        event->accept();
        return;
    }
    if (isCutOff) {
        const int answer =
            dialogs_.messages.ask(this, tr("A run is in progress"),
                                  tr("Pausing saves everything; you can go on later from the same "
                                     "step. What was spent stays "
                                     "spent."),
                                  {tr("Pause and quit"), tr("Keep running"), tr("Cancel")}, 0, 2);
        event->ignore();
        if (answer == 0) {
            quitsWhenPaused_ = true;
            studio_.pause();
            refresh();
        } else if (answer == 1) {
            showMinimized();
        }
        return;
    }
    if ((studio_.isGenerating() || studio_.isReleasing())
        && !dialogs_.messages.confirm(this, tr("Something is still being made"),
                                      tr("Quitting now cuts it off. Nothing private is lost."),
                                      tr("Quit"))) {
        event->ignore();
        return;
    }
    event->accept();
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event)
{
    const QList<QUrl> urls = event->mimeData()->urls();
    if (urls.size() == 1 && urls.first().isLocalFile()) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event)
{
    const QList<QUrl> urls = event->mimeData()->urls();
    if (urls.size() != 1 || !urls.first().isLocalFile()) return;
    event->acceptProposedAction();
    openPath(toPath(urls.first().toLocalFile()));
}

} // namespace velamen::ui
