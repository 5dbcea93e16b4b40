// SPDX-License-Identifier: GPL-3.0-or-later
//
// Totals above, the table below. The total epsilon is computed off the GUI thread.

#include "ui/pages/ledger_page.h"

#include <set>

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QStackedLayout>
#include <QTableView>

#include "engine/core/file.h"
#include "engine/privacy/composition.h"
#include "engine/privacy/explain.h"
#include "engine/privacy/ledger.h"
#include "ui/models/ledger_table_model.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/card.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/stat_card.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

LedgerPage::LedgerPage(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Page(tr("Ledger"),
           tr("Every spend on these images, in all projects of this user; nothing can be undone"),
           parent),
      studio_(studio), dialogs_(dialogs)
{
    setObjectName(QStringLiteral("page.ledger"));
    save_ = makeButton(ButtonRole::Plain, tr("Save as CSV…"), QStringLiteral("ledger.save"));
    auto* refresh =
        makeButton(ButtonRole::Plain, tr("Check again"), QStringLiteral("ledger.refresh"));
    refresh->setToolTip(tr("Reads the file again and checks every link of the chain"));
    addAction(save_);
    addAction(refresh);
    connect(save_, &QPushButton::clicked, this, &LedgerPage::saveTable);
    connect(refresh, &QPushButton::clicked, this, [this] { studio_.refreshLedger(); });

    auto* stats = new QWidget(this);
    auto* row = new QHBoxLayout(stats);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(14);
    spent_ = new StatCard(tr("Spent on this dataset"), stats);
    spent_->setObjectName(QStringLiteral("ledger.spent"));
    steps_ = new StatCard(tr("Steps reserved"), stats);
    lines_ = new StatCard(tr("Lines"), stats);
    lines_->setObjectName(QStringLiteral("ledger.lines"));
    row->addWidget(spent_, 2);
    row->addWidget(steps_, 1);
    row->addWidget(lines_, 1);
    stats->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
    body()->addWidget(stats);

    auto* card = new Card(tr("Lines"), this);
    auto* badge = new ZoneBadge(ZoneBadge::Public, {}, card);
    badge->setToolTip(tr("A line holds numbers of the method only: nothing from any image."));
    card->setLeading(badge);
    chain_ = makeText(TextRole::Note, {}, card);
    chain_->setObjectName(QStringLiteral("ledger.chain"));
    chain_->setWordWrap(false);
    card->setTrailing(chain_);
    auto* holder = new QWidget(card);
    stack_ = new QStackedLayout(holder);
    model_ = new LedgerTableModel(this);
    table_ = new QTableView(holder);
    table_->setObjectName(QStringLiteral("ledger.table"));
    table_->setAccessibleName(tr("Lines of the ledger"));
    table_->setModel(model_);
    table_->setSelectionBehavior(QAbstractItemView::SelectRows);
    table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
    table_->setAlternatingRowColors(false);
    table_->setShowGrid(false);
    table_->setFrameShape(QFrame::NoFrame);
    table_->setWordWrap(false);
    table_->verticalHeader()->hide();
    table_->verticalHeader()->setDefaultSectionSize(30);
    table_->horizontalHeader()->setHighlightSections(false);
    table_->horizontalHeader()->setSectionResizeMode(QHeaderView::Interactive);
    table_->horizontalHeader()->setStretchLastSection(true);
    constexpr int kWidths[] = {50, 146, 78, 64, 64, 80, 96, 72, 116, 120};
    for (int column = 0; column < model_->columnCount(); ++column)
        table_->setColumnWidth(column, kWidths[column]);
    empty_ = makeText(TextRole::Body, {}, holder);
    setTextRole(empty_, TextRole::Muted);
    empty_->setAlignment(Qt::AlignCenter);
    stack_->addWidget(table_);
    stack_->addWidget(empty_);
    card->body()->addWidget(holder, 1);
    body()->addWidget(card, 1);

    connect(&studio_, &Studio::ledgerChanged, this, &LedgerPage::showLedger);
    connect(&studio_, &Studio::sourceChanged, this, &LedgerPage::showLedger);
    showLedger();
}

void LedgerPage::showEvent(QShowEvent* event)
{
    Page::showEvent(event);
    studio_.refreshLedger();
}

void LedgerPage::showLedger()
{
    const auto& entries = studio_.ledger();
    model_->setEntries(entries);
    stack_->setCurrentIndex(entries.empty() ? 1 : 0);
    if (studio_.source().empty())
        empty_->setText(tr("Choose private images on the Data page: their ledger appears here."));
    else if (studio_.ledgerProblem())
        empty_->setText(tr("The ledger cannot be shown."));
    else if (!studio_.isLedgerRead())
        empty_->setText(tr("The ledger is being read…"));
    else
        empty_->setText(tr("Nothing was spent on these images yet. The first step of a run writes "
                           "the first line."));

    const Theme theme = Theme::of(*this);
    QString colour = theme.muted.name();
    QString state;
    if (const auto& problem = studio_.ledgerProblem()) {
        state = tr("✕ chain broken");
        colour = theme.danger.name();
        notice()->showError(tr("The ledger does not hold"), *problem);
    } else if (studio_.isLedgerRead() && !entries.empty()) {
        state =
            tr("✓ chain verified, %1 links").arg(countText(static_cast<qint64>(entries.size())));
        colour = theme.protectedZone.ink.name();
    }
    chain_->setText(state);
    chain_->setStyleSheet(QStringLiteral("color: %1; font-weight: 600;").arg(colour));
    setEnabledWithReason(save_, !entries.empty(), tr("There are no lines yet."),
                         tr("The table as it is shown"));

    std::int64_t steps = 0;
    std::set<std::string> runs;
    for (const auto& entry : entries) {
        steps += privacy::times_of(entry.event);
        runs.insert(entry.run);
    }
    lines_->setNumber(countText(static_cast<qint64>(entries.size())));
    lines_->setNote(tr("each is on the disk before its noise is drawn"));
    steps_->setNumber(countText(steps));
    steps_->setNote(runs.size() == 1 ? tr("in one run") : tr("in %1 runs").arg(runs.size()));
    showTotals();
}

void LedgerPage::showTotals()
{
    const auto& entries = studio_.ledger();
    if (entries.empty()) {
        totals_.cancel();
        totalled_ = 0;
        spent_->setNumber(tr("ε 0"));
        spent_->setNote(tr("nothing reserved"));
        return;
    }
    if (totalled_ == entries.size()) return;
    const double wanted = studio_.runPlan() ? studio_.runPlan()->privacy.delta
        : studio_.plan()                    ? studio_.plan()->privacy.delta
                                            : 1e-6;
    spent_->setNote(tr("being added up…"));
    totals_.start<double>(
        this,
        [entries, wanted](std::stop_token, const TaskWorker::Report&) -> Result<double> {
            VELAMEN_ASSIGN(const auto delta, privacy::Delta::create(wanted));
            VELAMEN_ASSIGN(const auto spendings, privacy::spendings_of(entries));
            VELAMEN_ASSIGN(const auto bound, privacy::bound_of(spendings, delta));
            return bound.epsilon.value();
        },
        [this, wanted, count = entries.size()](Result<double> total) {
            if (!total) {
                spent_->setNumber(QStringLiteral("–"));
                spent_->setNote(QString::fromStdString(total.error().message));
                return;
            }
            totalled_ = count;
            const auto epsilon = privacy::Epsilon::create(*total);
            spent_->setNumber(
                tr("ε %1").arg(QString::fromStdString(privacy::epsilon_text(*epsilon))));
            spent_->setNote(tr("all runs together, every reserved step counted · δ = %1")
                                .arg(QString::fromStdString(privacy::one_in(wanted))));
        });
}

void LedgerPage::saveTable()
{
    const QString file = dialogs_.files.saveFile(this, tr("Save the table"),
                                                 QStringLiteral("ledger.csv"), tr("Table (*.csv)"));
    if (file.isEmpty()) return;
    std::string text = "seq,run,attempt,unit,neighbours,type,purpose,steps,rate,noise_effective,"
                       "noise_gradient,noise_loss,noise_clipped,prev\n";
    const auto number = [](std::optional<double> value) {
        return value ? QString::number(*value, 'g', 17).toStdString() : std::string();
    };
    for (const auto& entry : studio_.ledger()) {
        text += std::to_string(entry.seq) + ',' + entry.run + ',' + std::to_string(entry.attempt)
            + ',' + entry.unit + ',' + std::string(privacy::name_of(entry.neighbours)) + ','
            + privacy::type_of(entry.event) + ',';
        const auto* training = std::get_if<privacy::TrainingSteps>(&entry.event);
        if (training == nullptr) text += std::get<privacy::NoisyRelease>(entry.event).purpose;
        text += ',' + std::to_string(privacy::times_of(entry.event)) + ',';
        if (training != nullptr)
            text += number(training->rate) + ',' + number(training->noise_effective) + ','
                + number(training->noise_gradient) + ',' + number(training->noise_loss) + ','
                + number(training->noise_clipped) + ',';
        else
            text += ",,,,,";
        text += entry.prev + '\n';
    }
    if (const auto saved = core::write_file(file.toStdString(), text); !saved)
        notice()->showError(tr("The table was not saved"), saved.error());
}

} // namespace velamen::ui
