// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the data page and what it shows of a manifest.

#include "ui/pages/data_page.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QStackedWidget>
#include <QTableWidget>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/models/unit_words.h"
#include "ui/pages/keys_card.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/bar.h"
#include "ui/widgets/card.h"
#include "ui/widgets/icons.h"
#include "ui/widgets/image_grid.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/problem_list.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr int kThumbnailsOfClass = 8;
constexpr int kShownClasses = 12; ///< with pictures
constexpr int kListedClasses = 500;
constexpr std::int64_t kSmallClass = 20;
constexpr std::size_t kFewUnits = 1000;

enum Sheet { Empty, Scanning, Content };

} // namespace

DataPage::DataPage(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Page(tr("Data"), {}, parent), studio_(studio), dialogs_(dialogs)
{
    setObjectName(QStringLiteral("page.data"));
    addAction(new ZoneBadge(ZoneBadge::Private, {}, this));
    folder_ =
        makeButton(ButtonRole::Plain, tr("Choose folder…"), QStringLiteral("data.folder"), this);
    zip_ = makeButton(ButtonRole::Plain, tr("Choose zip…"), QStringLiteral("data.zip"), this);
    addAction(zip_);
    addAction(folder_);
    keys_ = new KeysCard(studio, this);
    body()->addWidget(keys_);
    stack_ = new QStackedWidget(this);
    stack_->addWidget(makeEmpty());
    stack_->addWidget(makeScanning());
    stack_->addWidget(makeContent());
    body()->addWidget(stack_, 1);

    connect(folder_, &QPushButton::clicked, this, &DataPage::chooseFolder);
    connect(zip_, &QPushButton::clicked, this, &DataPage::chooseZip);
    connect(&studio_, &Studio::projectChanged, this, &DataPage::refresh);
    connect(&studio_, &Studio::sourceChanged, this, &DataPage::refresh);
    connect(&studio_, &Studio::runStateChanged, this, &DataPage::refresh);
    connect(&studio_, &Studio::planChanged, keys_, &KeysCard::refresh); // the unit may be renamed
    connect(&studio_, &Studio::scanProgressed, this, [this](qint64 done, qint64 total) {
        scanBar_->setShare(total > 0 ? static_cast<double>(done) / static_cast<double>(total)
                                     : 0.0);
        scanNote_->setText(total > 0
                               ? tr("%1 of %2 images read").arg(countText(done), countText(total))
                               : tr("%1 images read").arg(countText(done)));
    });
    connect(&studio_, &Studio::thumbnailReady, this, [this](int classIndex, const QImage& image) {
        if (classIndex < 0 || classIndex >= static_cast<int>(filled_.size())) return;
        int& next = filled_[static_cast<std::size_t>(classIndex)];
        pictures_->setImage(classIndex, next++, image);
    });
    refresh();
}

QWidget* DataPage::makeEmpty()
{
    auto* card = new Card({}, this);
    auto* all = card->body();
    all->setSpacing(space::kM);
    all->addStretch(2);
    auto* picture = new QLabel(card);
    picture->setPixmap(iconPixmap(Icon::Folder, Theme::of(*this).fieldLine, 64));
    picture->setAlignment(Qt::AlignCenter);
    all->addWidget(picture);
    emptyTitle_ = makeText(TextRole::Title, {}, card);
    emptyTitle_->setAlignment(Qt::AlignCenter);
    all->addWidget(emptyTitle_);
    emptyNote_ = makeText(TextRole::Body, {}, card);
    emptyNote_->setAlignment(Qt::AlignCenter);
    all->addWidget(emptyNote_);
    auto* note = makeText(TextRole::Note,
                          tr("One subfolder for each class, or a metadata.csv that names file, "
                             "class and patient. JPEG, PNG, BMP or TIFF; a zip works too."),
                          card);
    note->setAlignment(Qt::AlignCenter);
    all->addWidget(note);
    all->addStretch(3);
    return card;
}

QWidget* DataPage::makeScanning()
{
    auto* card = new Card({}, this);
    auto* all = card->body();
    all->addStretch(2);
    auto* title = makeText(TextRole::Heading, tr("Reading every image once"), card);
    title->setAlignment(Qt::AlignCenter);
    all->addWidget(title);
    scanBar_ = new Bar(card);
    scanBar_->setFixedWidth(420);
    scanBar_->setAccessibleName(tr("Images read"));
    all->addWidget(scanBar_, 0, Qt::AlignCenter);
    scanNote_ = makeText(TextRole::Note, tr("Looking for images…"), card);
    scanNote_->setAlignment(Qt::AlignCenter);
    all->addWidget(scanNote_);
    auto* cancel =
        makeButton(ButtonRole::Plain, tr("Stop reading"), QStringLiteral("data.cancelScan"), card);
    connect(cancel, &QPushButton::clicked, &studio_, &Studio::cancelScan);
    all->addWidget(cancel, 0, Qt::AlignCenter);
    all->addStretch(3);
    return card;
}

QWidget* DataPage::makeContent()
{
    auto* content = new QWidget(this);
    auto* row = new QHBoxLayout(content);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(14);

    auto* left = new QVBoxLayout;
    left->setSpacing(14);
    auto* classCard = new Card(tr("Classes"), content);
    classSource_ = makeText(TextRole::Note, {}, classCard);
    classSource_->setWordWrap(false);
    classCard->setTrailing(classSource_);
    classes_ = new QTableWidget(0, 3, classCard);
    classes_->setObjectName(QStringLiteral("data.classes"));
    classes_->setAccessibleName(tr("Classes with their numbers of images"));
    classes_->setFrameShape(QFrame::NoFrame);
    classes_->setStyleSheet(QStringLiteral("QTableView { border: none; }"));
    classes_->setShowGrid(false);
    classes_->verticalHeader()->hide();
    classes_->verticalHeader()->setDefaultSectionSize(26);
    classes_->horizontalHeader()->hide();
    classes_->horizontalHeader()->setSectionResizeMode(0, QHeaderView::ResizeToContents);
    classes_->horizontalHeader()->setSectionResizeMode(1, QHeaderView::Stretch);
    classes_->horizontalHeader()->setSectionResizeMode(2, QHeaderView::ResizeToContents);
    classes_->setEditTriggers(QAbstractItemView::NoEditTriggers);
    classes_->setSelectionBehavior(QAbstractItemView::SelectRows);
    classes_->setSelectionMode(QAbstractItemView::SingleSelection);
    classes_->setMinimumHeight(120);
    classCard->body()->addWidget(classes_);
    classCard->body()->addWidget(
        makeText(TextRole::Note,
                 tr("The list of classes is public: it stands in every model and release. Rename a "
                    "class on disk if its name says something about a person."),
                 classCard));
    left->addWidget(classCard, 3);

    auto* problemCard = new Card(tr("Problems"), content);
    problems_ = new ProblemList(problemCard);
    problems_->setObjectName(QStringLiteral("data.problems"));
    problems_->setFrameShape(QFrame::NoFrame);
    problems_->setStyleSheet(QStringLiteral("QListView { border: none; }"));
    problemCard->body()->addWidget(problems_);
    left->addWidget(problemCard, 2);
    row->addLayout(left, 4);

    auto* look = new Card(tr("A look inside"), content);
    look->setLeading(new ZoneBadge(ZoneBadge::Private, {}, look));
    reveal_ = makeButton(ButtonRole::Plain, tr("Reveal"), QStringLiteral("data.reveal"), look);
    reveal_->setCheckable(true);
    reveal_->setToolTip(tr("Shows the images on this screen until you leave the page"));
    look->setTrailing(reveal_);
    pictures_ = new ImageGrid(look);
    pictures_->setObjectName(QStringLiteral("data.pictures"));
    pictures_->setAccessibleName(tr("Some private images of each class"));
    pictures_->setFitsView(true);
    pictures_->setVeiled(true);
    look->body()->addWidget(pictures_, 1);
    look->body()->addWidget(makeText(
        TextRole::Note,
        tr("A random few of each class. Blurred until you reveal them; never written anywhere."),
        look));
    row->addWidget(look, 5);
    connect(reveal_, &QPushButton::toggled, this, &DataPage::setRevealed);
    return content;
}

void DataPage::chooseFolder()
{
    const QString folder = dialogs_.files.openFolder(this, tr("Folder of private images"),
                                                     pathText(studio_.source().parent_path()));
    if (!folder.isEmpty()) studio_.chooseSource(toPath(folder));
}

void DataPage::chooseZip()
{
    const QString zip = dialogs_.files.openFile(this, tr("Zip of private images"),
                                                pathText(studio_.source().parent_path()),
                                                tr("Zip archives (*.zip)"));
    if (!zip.isEmpty()) studio_.chooseSource(toPath(zip));
}

void DataPage::setRevealed(bool revealed)
{
    pictures_->setVeiled(!revealed);
    reveal_->setChecked(revealed);
    reveal_->setText(revealed ? tr("Blur again") : tr("Reveal"));
}

void DataPage::showEvent(QShowEvent* event)
{
    Page::showEvent(event);
    if (wantsThumbnails_) wantThumbnails();
}

void DataPage::hideEvent(QHideEvent* event)
{
    Page::hideEvent(event);
    setRevealed(false);
}

void DataPage::refresh()
{
    const bool hasProject = studio_.hasProject();
    const QString whyNot = !hasProject ? tr("Create or open a project on the Start page first.")
        : studio_.isRunActive()        ? tr("A run is in progress; it goes on with these images.")
                                       : QString();
    setEnabledWithReason(folder_, whyNot.isEmpty(), whyNot);
    setEnabledWithReason(zip_, whyNot.isEmpty(), whyNot);
    const bool hasSource = !studio_.source().empty();
    keys_->setVisible(hasProject && hasSource);
    keys_->refresh();
    setButtonRole(folder_, hasSource ? ButtonRole::Plain : ButtonRole::Primary);
    setSubtitle(hasSource ? shortPathText(studio_.source())
                          : tr("The private images that the model will learn from"));
    emptyTitle_->setText(hasProject ? hasSource ? tr("These images are not read")
                                                : tr("Drop a folder or zip of images here")
                                    : tr("No project is open"));
    emptyNote_->setText(
        hasProject ? tr("Or choose one at the top right. Nothing is copied or sent anywhere.")
                   : tr("Create one, open one or try the demo on the Start page."));
    if (studio_.isScanning()) {
        if (stack_->currentIndex() != Scanning) {
            scanBar_->setShare(0.0);
            scanNote_->setText(tr("Looking for images…"));
        }
        stack_->setCurrentIndex(Scanning);
        return;
    }
    const auto& manifest = studio_.manifest();
    if (!manifest) {
        stack_->setCurrentIndex(Empty);
        return;
    }
    const bool isShown = stack_->currentIndex() == Content;
    stack_->setCurrentIndex(Content);
    if (isShown && sender() != nullptr && studio_.isRunActive()) return;
    showClasses(*manifest);
    showProblems(*manifest);
    wantThumbnails();
}

void DataPage::showClasses(const data::Manifest& manifest)
{
    classSource_->setText(labelKeyText(studio_.keys().label));
    std::int64_t most = 1;
    for (const std::int64_t count : manifest.class_counts)
        most = std::max(most, count);
    const int shown = std::min(static_cast<int>(manifest.classes.size()), kListedClasses);
    classes_->setRowCount(0);
    classes_->setRowCount(shown);
    for (int i = 0; i < shown; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const std::int64_t count =
            at < manifest.class_counts.size() ? manifest.class_counts[at] : 0;
        const QString name = QString::fromStdString(manifest.classes[at]);
        auto* label = new QTableWidgetItem(name);
        auto* number = new QTableWidgetItem(countText(count));
        number->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
        classes_->setItem(i, 0, label);
        classes_->setItem(i, 2, number);
        auto* holder = new QWidget(classes_);
        auto* inside = new QHBoxLayout(holder);
        inside->setContentsMargins(8, 0, 8, 0);
        auto* bar = new Bar(holder);
        bar->setThickness(8);
        bar->setShare(static_cast<double>(count) / static_cast<double>(most));
        bar->setAccessibleName(tr("%1: %2 images").arg(name, countText(count)));
        inside->addWidget(bar);
        classes_->setCellWidget(i, 1, holder);
    }
}

void DataPage::showProblems(const data::Manifest& manifest)
{
    std::vector<ProblemItem> items;
    for (const data::Problem& problem : manifest.problems)
        items.push_back(
            {problem.blocks && problem.name.empty() ? ProblemItem::Blocking : ProblemItem::Caution,
             QString::fromStdString(problem.message), QString::fromStdString(problem.name)});
    bool fewSaid = false;
    for (const data::Problem& problem : manifest.problems)
        fewSaid = fewSaid || problem.kind == data::ProblemKind::FewUnits;
    if (!fewSaid && manifest.units.size() < kFewUnits)
        items.push_back(
            {ProblemItem::Caution,
             tr("There are fewer than 1 000 %1. Expect coarse results; a thousand or more is "
                "better.")
                 .arg(unitPlural(studio_.request().unit)),
             {}});
    int small = 0;
    for (const std::int64_t count : manifest.class_counts)
        small += count < kSmallClass ? 1 : 0;
    if (small > 0)
        items.push_back({ProblemItem::Caution,
                         tr("%n class(es) have fewer than 20 images.", nullptr, small),
                         tr("That a rare class exists is not protected. Merge it with another.")});
    if (studio_.request().unit == kImageUnit && !studio_.knownUnitKey().empty())
        items.push_back({ProblemItem::Caution,
                         tr("Each image is protected on its own, although %1 tells whose it is.")
                             .arg(unitKeyText(studio_.knownUnitKey())),
                         tr("That says little about a person with several images.")});
    problems_->setEmptyText(tr("Every image could be read."));
    problems_->setProblems(items);
}

void DataPage::wantThumbnails()
{
    wantsThumbnails_ = !isVisible();
    const auto& manifest = studio_.manifest();
    if (wantsThumbnails_ || !manifest) return;
    const int shown = std::min(static_cast<int>(manifest->classes.size()), kShownClasses);
    filled_.assign(static_cast<std::size_t>(shown), 0);
    pictures_->setGrid(shown, kThumbnailsOfClass);
    QStringList labels;
    for (int i = 0; i < shown; ++i)
        labels << QString::fromStdString(manifest->classes[static_cast<std::size_t>(i)]);
    pictures_->setRowLabels(labels);
    setRevealed(false);
    studio_.requestThumbnails(static_cast<int>(manifest->classes.size()) * kThumbnailsOfClass);
}

} // namespace velamen::ui
