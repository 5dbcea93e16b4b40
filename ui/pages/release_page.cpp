// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the release page; writing and checking are Studio's.

#include "ui/pages/release_page.h"

#include <algorithm>
#include <map>
#include <ranges>

#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QMimeData>
#include <QPushButton>
#include <QStackedLayout>
#include <QTextBrowser>
#include <QUrl>
#include <QVBoxLayout>

#include "engine/privacy/explain.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/card.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/problem_list.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

namespace {

QString epsilonText(double value)
{
    const auto epsilon = privacy::Epsilon::create(value);
    return epsilon ? QString::fromStdString(privacy::epsilon_text(*epsilon)) : QStringLiteral("–");
}

QString zipIn(const QMimeData* data)
{
    if (!data->hasUrls() || data->urls().size() != 1) return {};
    const QString file = data->urls().front().toLocalFile();
    return file.endsWith(QLatin1String(".zip"), Qt::CaseInsensitive) ? file : QString();
}

} // namespace

ReleasePage::ReleasePage(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Page(tr("Release"), tr("Synthetic images with a certificate that anyone can check"), parent),
      studio_(studio), dialogs_(dialogs)
{
    setObjectName(QStringLiteral("page.release"));
    setAcceptDrops(true);
    verify_ = makeButton(ButtonRole::Plain, tr("Verify a zip…"), QStringLiteral("release.verify"));
    cancel_ = makeButton(ButtonRole::Plain, tr("Cancel"), QStringLiteral("release.cancel"));
    write_ = makeButton(ButtonRole::Primary, tr("Write release…"), QStringLiteral("release.write"));
    addAction(verify_);
    addAction(cancel_);
    addAction(write_);
    connect(verify_, &QPushButton::clicked, this, &ReleasePage::chooseAndVerify);
    connect(cancel_, &QPushButton::clicked, this, [this] { studio_.cancelRelease(); });
    connect(write_, &QPushButton::clicked, this, &ReleasePage::writeZip);

    auto* row = new QHBoxLayout;
    row->setSpacing(14);
    auto* left = new QWidget(this);
    left->setFixedWidth(368);
    auto* column = new QVBoxLayout(left);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(14);
    column->addWidget(makeContents());
    column->addWidget(makeLimits());
    column->addStretch(1);
    row->addWidget(left);
    row->addWidget(makeCertificate(), 1);
    body()->addLayout(row, 1);

    connect(&studio_, &Studio::generatedChanged, this, &ReleasePage::showContents);
    connect(&studio_, &Studio::generationFinished, this, &ReleasePage::showContents);
    connect(&studio_, &Studio::runStateChanged, this, &ReleasePage::showContents);
    connect(&studio_, &Studio::projectChanged, this, &ReleasePage::showContents);
    connect(&studio_, &Studio::releaseChanged, this, &ReleasePage::showContents);
    connect(&studio_, &Studio::releaseChanged, this, &ReleasePage::showResult);
    showContents();
    showResult();
}

QWidget* ReleasePage::makeContents()
{
    auto* card = new Card(tr("In the zip"), this);
    card->setLeading(new ZoneBadge(ZoneBadge::Protected, {}, card));
    contents_ = new FactsTable(1, card);
    card->body()->addWidget(contents_);
    files_ =
        makeText(TextRole::Note,
                 tr("Beside the images: manifest.csv, the certificate as JSON and as a page, a "
                    "data card, the ledger and SHA-256 sums. No private image, caption or "
                    "exact number goes in."),
                 card);
    card->body()->addWidget(files_);
    return card;
}

QWidget* ReleasePage::makeLimits()
{
    auto* card = new Card(tr("Not covered"), this);
    const QStringList limits{
        tr("Facts true of the whole group: they are learned on purpose."),
        tr("Other releases from the same images; the ledger adds up this program's only."),
        tr("Choosing images by comparing them with the private ones."),
        tr("Names of classes, and the base model if it has seen these images."),
        tr("The safety of this computer and of the private files on it."),
    };
    auto* list = makeText(TextRole::Note, {}, card);
    QString html = QStringLiteral("<table cellspacing='0' cellpadding='0'>");
    for (const QString& limit : limits)
        html += QStringLiteral("<tr><td style='padding: 0 8px 5px 0'>–</td>"
                               "<td style='padding-bottom: 5px'>%1</td></tr>")
                    .arg(limit.toHtmlEscaped());
    list->setText(html + QStringLiteral("</table>"));
    list->setTextFormat(Qt::RichText);
    card->body()->addWidget(list);
    return card;
}

QWidget* ReleasePage::makeCertificate()
{
    certificateCard_ = new Card(tr("Certificate"), this);
    verdict_ = makeText(TextRole::Strong, {}, certificateCard_);
    verdict_->setObjectName(QStringLiteral("release.verdict"));
    certificateCard_->setTrailing(verdict_);
    auto* holder = new QWidget(certificateCard_);
    stack_ = new QStackedLayout(holder);
    empty_ = makeText(TextRole::Body, {}, holder);
    setTextRole(empty_, TextRole::Muted);
    empty_->setAlignment(Qt::AlignCenter);
    empty_->setMargin(40);
    stack_->addWidget(empty_);

    auto* shown = new QWidget(holder);
    auto* column = new QVBoxLayout(shown);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(space::kM);
    checked_ = new FactsTable(2, shown);
    column->addWidget(checked_);
    findings_ = new ProblemList(shown);
    findings_->setObjectName(QStringLiteral("release.findings"));
    findings_->setAccessibleName(tr("What does not match"));
    findings_->setMaximumHeight(150);
    column->addWidget(findings_);
    certificate_ = new QTextBrowser(shown);
    certificate_->setObjectName(QStringLiteral("release.certificate"));
    certificate_->setAccessibleName(tr("Certificate"));
    certificate_->setOpenLinks(false);
    certificate_->setFrameShape(QFrame::NoFrame);
    column->addWidget(certificate_, 1);
    stack_->addWidget(shown);
    certificateCard_->body()->addWidget(holder, 1);
    return certificateCard_;
}

void ReleasePage::showContents()
{
    const QStringList classes = studio_.classNames();
    std::map<int, int> counts;
    for (const auto& one : studio_.generated())
        ++counts[one.class_index];
    QStringList words;
    for (const auto& [index, count] : counts)
        words << QStringLiteral("%1 × %2").arg(classes.value(index, QString::number(index)),
                                               countText(count));
    QString perClass = words.isEmpty() ? tr("none yet") : words.join(QStringLiteral(", "));
    if (words.size() > 6) {
        const auto [least, most] = std::ranges::minmax(counts | std::views::values);
        perClass = least == most ? tr("%1 classes × %2").arg(words.size()).arg(countText(least))
                                 : tr("%1 classes, %2 to %3 each")
                                       .arg(words.size())
                                       .arg(countText(least), countText(most));
    }
    contents_->setFact(QStringLiteral("images"), tr("synthetic images"),
                       countText(static_cast<qint64>(studio_.generated().size())));
    contents_->setFact(QStringLiteral("classes"), tr("of them"), perClass,
                       words.join(QStringLiteral(", ")));
    const auto& plan = studio_.runPlan();
    const auto record = studio_.lastRun();
    contents_->setFact(
        QStringLiteral("run"), tr("from run"),
        record && plan
            ? tr("%1, step %2 of %3")
                  .arg(QString::fromStdString(studio_.lastRunFolder().filename().string()))
                  .arg(countText(record->step), countText(plan->privacy.steps))
            : QStringLiteral("–"));
    contents_->setFact(QStringLiteral("claim"), tr("certified"),
                       plan ? tr("ε %1, δ %2")
                                  .arg(epsilonText(plan->privacy.epsilon),
                                       QString::fromStdString(privacy::one_in(plan->privacy.delta)))
                            : QStringLiteral("–"),
                       tr("The declared limit; what was spent is never more"));
    contents_->setFact(QStringLiteral("unit"), tr("protects each"),
                       plan ? QString::fromStdString(plan->privacy.unit) : QStringLiteral("–"));

    const bool isBusy = studio_.isReleasing();
    const QString why = studio_.whyCannotRelease();
    setEnabledWithReason(write_, why.isEmpty(), why, tr("Writes the zip and checks it at once"));
    setEnabledWithReason(verify_, !isBusy, tr("A zip is being written or checked."),
                         tr("Or drop a zip on this page"));
    cancel_->setVisible(isBusy);
    if (stack_ && stack_->currentIndex() == 0) showResult();
}

void ReleasePage::showResult()
{
    const auto& verification = studio_.verification();
    if (verification) {
        showVerdict(*verification);
        return;
    }
    stack_->setCurrentIndex(0);
    verdict_->clear();
    if (studio_.isReleasing())
        empty_->setText(isVerifyOnly_
                            ? tr("Checking every hash, the ledger's chain and ε…")
                            : tr("Writing the zip, then checking every hash and ε again…"));
    else
        empty_->setText(tr("The certificate appears here when a release is written or a zip is "
                           "verified.\nDrop a zip on this page to check it."));
}

void ReleasePage::showVerdict(const release::Verification& found)
{
    const Theme theme = Theme::of(*this);
    stack_->setCurrentIndex(1);
    verdict_->setText(found.is_valid
                          ? tr("✓ verified, %1").arg(QString::fromStdString(found.status).toLower())
                          : tr("✕ does not verify"));
    verdict_->setStyleSheet(
        QStringLiteral("color: %1;")
            .arg((found.is_valid ? theme.protectedZone.ink : theme.danger).name()));
    checked_->setFact(QStringLiteral("file"), tr("file"), QFileInfo(lastFile_).fileName(),
                      lastFile_);
    checked_->setFact(QStringLiteral("images"), tr("images checked"), countText(found.images));
    checked_->setFact(QStringLiteral("epsilon"), tr("ε certified"), epsilonText(found.epsilon));
    checked_->setFact(QStringLiteral("recomputed"), tr("ε recomputed"),
                      epsilonText(found.epsilon_recomputed),
                      tr("From the recorded events alone; must not be above the certified ε"));
    checked_->setFact(QStringLiteral("delta"), tr("δ"),
                      found.delta > 0.0 && found.delta < 1.0
                          ? QString::fromStdString(privacy::one_in(found.delta))
                          : QStringLiteral("–"));
    checked_->setFact(QStringLiteral("ledger"), tr("ledger lines"), countText(found.ledger_lines));

    std::vector<ProblemItem> problems;
    for (const auto& finding : found.findings)
        problems.push_back({ProblemItem::Blocking, QString::fromStdString(finding.message),
                            QString::fromStdString(finding.file)});
    findings_->setProblems(problems);
    findings_->setVisible(!problems.empty());
    certificate_->setHtml(QString::fromStdString(found.certificate_html));
    if (const auto& summary = studio_.releaseSummary(); summary && found.is_valid)
        notice()->setContent(Notice::Information,
                             tr("Release written: %1 images").arg(countText(summary->images)),
                             QString::fromStdString(summary->path.string()),
                             tr("Anyone can check it on this page or with velamen-cli verify."));
    else if (!found.is_valid)
        notice()->setContent(
            Notice::Problem, tr("This zip is not what it claims to be"),
            found.findings.size() == 1
                ? tr("One thing does not match; see the list.")
                : tr("%1 things do not match; see the list.").arg(found.findings.size()),
            tr("Ask for the original file."));
}

void ReleasePage::writeZip()
{
    const QString suggested = studio_.projectName().isEmpty()
        ? QStringLiteral("release.zip")
        : QStringLiteral("%1-release.zip").arg(studio_.projectName());
    QString file =
        dialogs_.files.saveFile(this, tr("Write the release"), suggested, tr("Release (*.zip)"));
    if (file.isEmpty()) return;
    if (QFileInfo(file).suffix().isEmpty()) file += QStringLiteral(".zip");
    notice()->clear();
    lastFile_ = file;
    isVerifyOnly_ = false;
    studio_.writeRelease(file.toStdString());
}

void ReleasePage::chooseAndVerify()
{
    const QString file =
        dialogs_.files.openFile(this, tr("Verify a release"), {}, tr("Release (*.zip)"));
    if (!file.isEmpty()) verifyFile(file);
}

void ReleasePage::verifyFile(const QString& file)
{
    notice()->clear();
    lastFile_ = file;
    isVerifyOnly_ = true;
    studio_.verify(file.toStdString());
}

void ReleasePage::dragEnterEvent(QDragEnterEvent* event)
{
    if (!studio_.isReleasing() && !zipIn(event->mimeData()).isEmpty())
        event->acceptProposedAction();
}

void ReleasePage::dropEvent(QDropEvent* event)
{
    event->acceptProposedAction();
    verifyFile(zipIn(event->mimeData()));
}

} // namespace velamen::ui
