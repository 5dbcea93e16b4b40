// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout and refresh of the training page.

#include "ui/pages/train_page.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QListWidget>
#include <QPushButton>
#include <QStackedWidget>
#include <QTableWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/privacy/explain.h"
#include "ui/models/class_mapping.h"
#include "ui/models/strings.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/card.h"
#include "ui/widgets/curve.h"
#include "ui/widgets/epsilon_gauge.h"
#include "ui/widgets/image_grid.h"
#include "ui/widgets/notice.h"
#include "ui/widgets/plot_widget.h"
#include "ui/widgets/stat_card.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

namespace {

constexpr int kSampleColumns = 6; ///< of the growing grid; older ones are thinned out

StateBadge::State badgeOf(RunState state)
{
    switch (state) {
    case RunState::Idle:
        return StateBadge::Idle;
    case RunState::Preparing:
        return StateBadge::Preparing;
    case RunState::Running:
        return StateBadge::Running;
    case RunState::Pausing:
        return StateBadge::Pausing;
    case RunState::Paused:
        return StateBadge::Paused;
    case RunState::Stopping:
        return StateBadge::Stopping;
    case RunState::Done:
        return StateBadge::Done;
    case RunState::Failed:
        return StateBadge::Failed;
    }
    return StateBadge::Idle;
}

QString phaseText(train::Phase phase)
{
    switch (phase) {
    case train::Phase::Preparing:
        return TrainPage::tr("loading the model");
    case train::Phase::Scanning:
        return TrainPage::tr("reading the images");
    case train::Phase::Encoding:
        return TrainPage::tr("encoding the images");
    case train::Phase::Calibrating:
        return TrainPage::tr("fitting batches into memory");
    case train::Phase::WarmStart:
        return TrainPage::tr("warm start");
    case train::Phase::Training:
        return TrainPage::tr("training");
    case train::Phase::Sampling:
        return TrainPage::tr("drawing samples");
    case train::Phase::Saving:
        return TrainPage::tr("saving");
    case train::Phase::Paused:
        return TrainPage::tr("paused");
    case train::Phase::Done:
        return TrainPage::tr("done");
    }
    return {};
}

/// The first row, the newest row and evenly spread ones between.
std::vector<const train::SampleRow*> thinned(const std::vector<train::SampleRow>& rows)
{
    std::vector<const train::SampleRow*> chosen;
    const std::size_t wanted = std::min<std::size_t>(rows.size(), kSampleColumns);
    for (std::size_t i = 0; i < wanted; ++i) {
        const std::size_t at = wanted == 1 ? 0 : i * (rows.size() - 1) / (wanted - 1);
        chosen.push_back(&rows[at]);
    }
    return chosen;
}

} // namespace

TrainPage::TrainPage(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Page(tr("Training"), {}, parent), studio_(studio), dialogs_(dialogs)
{
    setObjectName(QStringLiteral("page.train"));
    makeActions();
    body()->addWidget(makeStatRow());
    auto* lower = new QHBoxLayout;
    lower->setSpacing(14);
    lower->addWidget(makeCurves(), 704);
    lower->addWidget(makeSamples(), 318);
    body()->addLayout(lower, 1);

    connect(&studio_, &Studio::runStateChanged, this, &TrainPage::showState);
    connect(&studio_, &Studio::planChanged, this, &TrainPage::showState);
    connect(&studio_, &Studio::projectChanged, this, &TrainPage::showState);
    connect(&studio_, &Studio::modelChanged, this, &TrainPage::showState);
    connect(&studio_, &Studio::progressed, this, &TrainPage::showProgress);
    connect(&studio_, &Studio::stepped, this, &TrainPage::showCurves);
    connect(&studio_, &Studio::sampleRowsChanged, this, &TrainPage::showSamples);
    connect(&studio_, &Studio::classMappingChanged, this, &TrainPage::showMapping);
    connect(&studio_, &Studio::eventLogged, this, [this](const QString& line) {
        log_->addItem(line);
        log_->scrollToBottom();
    });
    connect(&studio_, &Studio::commandAnswered, this,
            [this](const QString& command, bool isAccepted, const QString& reason) {
                // A newer command that replaced this one is no news.
                if (!isAccepted && command == QLatin1String("pause") && !studio_.isRunActive())
                    notice()->setContent(Notice::Information, tr("The run was not paused"), reason);
            });
    showState();
    showCurves();
    showSamples();
    showMapping();
}

void TrainPage::makeActions()
{
    state_ = new StateBadge(this);
    state_->setObjectName(QStringLiteral("train.state"));
    sampleNow_ = makeButton(ButtonRole::Plain, tr("Sample now"), QStringLiteral("train.sampleNow"));
    resume_ = makeButton(ButtonRole::Primary, tr("Resume"), QStringLiteral("train.resume"));
    pause_ = makeButton(ButtonRole::Plain, tr("Pause"), QStringLiteral("train.pause"));
    stop_ = makeButton(ButtonRole::Danger, tr("Stop and keep"), QStringLiteral("train.stop"));
    start_ = makeButton(ButtonRole::Primary, tr("Start"), QStringLiteral("train.start"));
    addAction(state_);
    for (QPushButton* button : {sampleNow_, pause_, stop_, resume_, start_})
        addAction(button);
    connect(start_, &QPushButton::clicked, this, [this] {
        notice()->clear();
        studio_.start();
    });
    connect(pause_, &QPushButton::clicked, this, [this] { studio_.pause(); });
    connect(resume_, &QPushButton::clicked, this, [this] {
        notice()->clear();
        studio_.resumeRun();
    });
    connect(sampleNow_, &QPushButton::clicked, this, [this] { studio_.sampleNow(); });
    connect(stop_, &QPushButton::clicked, this, [this] {
        const bool isSure = dialogs_.messages.confirm(
            this, tr("Stop this run?"),
            tr("What was trained so far is kept and can be resumed later. The ε spent so far "
               "stays spent."),
            tr("Stop and keep"));
        if (isSure) studio_.stopRun();
    });
}

QWidget* TrainPage::makeStatRow()
{
    auto* row = new QWidget(this);
    auto* layout = new QHBoxLayout(row);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(14);
    auto* budget = new Card({}, row);
    gauge_ = new EpsilonGauge(budget);
    gauge_->setObjectName(QStringLiteral("train.gauge"));
    budget->body()->addWidget(gauge_);
    step_ = new StatCard(tr("Step"), row);
    step_->setObjectName(QStringLiteral("train.step"));
    memory_ = new StatCard(tr("Memory"), row);
    memory_->setObjectName(QStringLiteral("train.memory"));
    layout->addWidget(budget, 405);
    layout->addWidget(step_, 331);
    layout->addWidget(memory_, 272);
    row->setMinimumHeight(132);
    row->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
    return row;
}

QWidget* TrainPage::makeCurves()
{
    auto* column = new QWidget(this);
    auto* layout = new QVBoxLayout(column);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(14);

    auto* lossCard = new Card(tr("Loss"), column);
    auto* lossBadge = new ZoneBadge(ZoneBadge::Protected, tr("noised, counted in ε"), lossCard);
    lossBadge->setToolTip(tr("Noise was added before anything was shown, and ε pays for it. The "
                             "exact loss is never shown."));
    auto* leading = new QWidget(lossCard);
    auto* leadingRow = new QHBoxLayout(leading);
    leadingRow->setContentsMargins(0, 0, 0, 0);
    leadingRow->addWidget(lossBadge);
    clippedShare_ = makeText(TextRole::Note, {}, leading);
    clippedShare_->setObjectName(QStringLiteral("train.clipped"));
    clippedShare_->setWordWrap(false);
    clippedShare_->setToolTip(tr("Share of gradients that were clipped, the mean of the last "
                                 "steps; its noise is counted in ε"));
    leadingRow->addWidget(clippedShare_);
    lossCard->setLeading(leading);
    loss_ = new PlotWidget(lossCard);
    loss_->setObjectName(QStringLiteral("train.loss"));
    loss_->setAccessibleName(tr("Noised loss over steps"));
    loss_->setAxisTitles(tr("step"), tr("loss"));
    loss_->setEmptyText(tr("The noised loss appears here with the first steps."));
    lossRaw_ = loss_->addSeries(tr("noised loss"), PlotWidget::SeriesStyle::Thin);
    lossSmooth_ = loss_->addSeries(tr("smoothed"), PlotWidget::SeriesStyle::Strong);
    lossCard->setTrailing(loss_->tools());
    // Without a say of its own in the height, so that the page fits the window and only then
    // scrolls.
    loss_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Ignored);
    loss_->setMinimumHeight(110);
    lossCard->body()->addWidget(loss_, 1);
    connect(loss_, &PlotWidget::saveRequested, this,
            [this] { savePlot(loss_, QStringLiteral("loss.png")); });

    auto* budgetCard = new Card(tr("Budget"), column);
    planKey_ = makeText(TextRole::Note, tr("– –  plan"), budgetCard);
    planKey_->setWordWrap(false);
    budgetCard->setLeading(planKey_);
    budget_ = new PlotWidget(budgetCard);
    budget_->setObjectName(QStringLiteral("train.budget"));
    budget_->setAccessibleName(tr("Epsilon spent and planned over steps"));
    budget_->setAxisTitles(tr("step"), tr("ε spent"));
    budget_->setEmptyText(tr("Start a run to see how the budget is spent."));
    budgetPlan_ = budget_->addSeries(tr("plan"), PlotWidget::SeriesStyle::Dashed);
    budgetSpent_ = budget_->addSeries(tr("spent"), PlotWidget::SeriesStyle::Strong);
    budgetCard->setTrailing(budget_->tools());
    budget_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Ignored);
    budget_->setMinimumHeight(110);
    budgetCard->body()->addWidget(budget_, 1);
    connect(budget_, &PlotWidget::saveRequested, this,
            [this] { savePlot(budget_, QStringLiteral("budget.png")); });

    log_ = new QListWidget(column);
    log_->setObjectName(QStringLiteral("train.log"));
    log_->setProperty("role", QStringLiteral("log"));
    log_->setAccessibleName(tr("Event log"));
    log_->setFixedHeight(72);
    log_->setFrameShape(QFrame::NoFrame);
    log_->setSelectionMode(QAbstractItemView::NoSelection);
    log_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    log_->setUniformItemSizes(true);
    log_->setFont(uiFont(text_size::kNote));
    log_->viewport()->setAutoFillBackground(false);
    log_->setStyleSheet(QStringLiteral("QListWidget { background: transparent; border: none; }"
                                       "QListWidget::item { padding: 1px 4px; border: none; }"));

    layout->addWidget(lossCard, 1);
    layout->addWidget(budgetCard, 1);
    layout->addWidget(log_);
    return column;
}

QWidget* TrainPage::makeSamples()
{
    auto* card = new Card(tr("Samples"), this);
    card->setLeading(new ZoneBadge(ZoneBadge::Protected, {}, card));
    samples_ = new ImageGrid(card);
    samples_->setObjectName(QStringLiteral("train.samples"));
    samples_->setAccessibleName(tr("Fixed-seed samples: classes in rows, steps in columns"));
    samples_->setEmptyText(tr("One column of samples appears after every few steps, always from "
                              "the same seeds."));
    samples_->setFitsView(true);
    samples_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Ignored);
    samples_->setMinimumHeight(240);
    mapping_ = makeMapping(card);
    samplesOrMapping_ = new QStackedWidget(card);
    samplesOrMapping_->addWidget(samples_);
    samplesOrMapping_->addWidget(mapping_);
    card->body()->addWidget(samplesOrMapping_, 1);
    showsMapping_ = makeTool(tr("Class votes"), QStringLiteral("train.votes"), card);
    showsMapping_->setCheckable(true);
    showsMapping_->setToolTip(tr("Which public classes the private ones began as"));
    card->setTrailing(showsMapping_);
    connect(showsMapping_, &QToolButton::toggled, this, &TrainPage::showMapping);
    samplesNote_ = makeText(TextRole::Note, {}, card);
    card->body()->addWidget(samplesNote_);
    return card;
}

QTableWidget* TrainPage::makeMapping(QWidget* parent)
{
    auto* table = new QTableWidget(0, 2, parent);
    table->setObjectName(QStringLiteral("train.mapping"));
    table->setAccessibleName(tr("Which public classes the private ones began as"));
    table->setFrameShape(QFrame::NoFrame);
    table->setStyleSheet(QStringLiteral("QTableView { border: none; }"));
    table->setShowGrid(false);
    table->verticalHeader()->hide();
    table->verticalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    table->verticalHeader()->setMinimumSectionSize(28);
    table->setFont(uiFont(text_size::kNote));
    table->setHorizontalHeaderLabels({tr("class"), tr("began as")});
    table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    table->horizontalHeader()->setSectionResizeMode(0, QHeaderView::ResizeToContents);
    table->horizontalHeader()->setSectionResizeMode(1, QHeaderView::Stretch);
    table->setEditTriggers(QAbstractItemView::NoEditTriggers);
    table->setSelectionMode(QAbstractItemView::NoSelection);
    return table;
}

void TrainPage::showMapping()
{
    const auto& mapping = studio_.classMapping();
    showsMapping_->setVisible(mapping.has_value());
    const bool isShown = mapping && showsMapping_->isChecked();
    samplesOrMapping_->setCurrentWidget(isShown ? static_cast<QWidget*>(mapping_) : samples_);
    showSamplesNote();
    if (!mapping) return;
    mapping_->setRowCount(static_cast<int>(mapping->rows.size()));
    int at = 0;
    for (const train::ClassMapping::Row& row : mapping->rows) {
        const QString parts = mappingText(row);
        mapping_->setItem(at, 0, new QTableWidgetItem(QString::fromStdString(row.name)));
        auto* words = new QTableWidgetItem(parts);
        words->setToolTip(parts);
        mapping_->setItem(at, 1, words);
        ++at;
    }
}

void TrainPage::showSamplesNote()
{
    const bool isMapping = samplesOrMapping_->currentWidget() == mapping_;
    samplesNote_->setVisible(isMapping || !studio_.sampleRows().empty());
    samplesNote_->setText(
        isMapping ? tr("From the noisy votes before the first step, counted in ε.")
                  : tr("Columns are steps. Fixed seeds, drawn from the averaged weights: no extra "
                       "ε."));
}

void TrainPage::showState()
{
    const RunState state = studio_.runState();
    const bool isActive = studio_.isRunActive();
    const bool isPaused = state == RunState::Paused;
    state_->setState(badgeOf(state));
    // A run that was stopped on its way is neither done nor idle: the button to go on says it.
    state_->setVisible(state != RunState::Idle
                       && !(state == RunState::Done && studio_.canResume()));

    const QString why = studio_.whyCannotStart();
    start_->setVisible(!isActive);
    start_->setText(studio_.lastRun() ? tr("Start a new run") : tr("Start"));
    setEnabledWithReason(start_, why.isEmpty(), why, tr("Start spending the budget as planned"));
    resume_->setVisible(isPaused || (!isActive && studio_.canResume()));
    setEnabledWithReason(resume_, studio_.canResume(), {},
                         isPaused ? tr("Go on where the run paused")
                                  : tr("Go on from the last saved step; spent ε stays spent"));
    setButtonRole(start_, resume_->isVisibleTo(this) ? ButtonRole::Plain : ButtonRole::Primary);

    pause_->setVisible(isActive && !isPaused);
    setEnabledWithReason(pause_, state == RunState::Running || state == RunState::Preparing,
                         state == RunState::Pausing ? tr("The run pauses after this step.")
                                                    : tr("The run is stopping."),
                         tr("The model stays loaded and can be sampled"));
    stop_->setVisible(isActive);
    setEnabledWithReason(stop_, state != RunState::Stopping, tr("The run is stopping."),
                         tr("Ends the run; what was trained is kept and can be resumed"));
    sampleNow_->setVisible(isActive && !isPaused);
    setEnabledWithReason(sampleNow_, state == RunState::Running,
                         tr("Samples can be drawn while the run is training."),
                         tr("One more column of samples; costs no ε"));

    if (log_->count() > studio_.eventLog().size()) log_->clear();
    for (int i = log_->count(); i < studio_.eventLog().size(); ++i)
        log_->addItem(studio_.eventLog().at(i));
    log_->scrollToBottom();

    QStringList words;
    if (const auto& plan = studio_.runPlan(); plan && !studio_.lastRunFolder().empty())
        words << tr("run %1").arg(
            QString::fromStdString(studio_.lastRunFolder().filename().string()));
    if (const auto& inspection = studio_.inspection()) {
        words << tr("%1 only").arg(studio_.selection())
              << tr("%1 of %2 parameters")
                     .arg(shortCountText(inspection->trained_parameters),
                          shortCountText(inspection->total_parameters));
        const auto source = QFileInfo(QString::fromStdString(studio_.source().string()));
        if (!studio_.source().empty())
            words << QStringLiteral("%1 → %2").arg(QString::fromStdString(inspection->card.name),
                                                   source.completeBaseName());
    }
    setSubtitle(words.isEmpty() ? tr("Fine-tunes the public model on the private images, within ε")
                                : words.join(QStringLiteral(" · ")));
    showProgress();
}

void TrainPage::showProgress()
{
    const auto& progress = studio_.progress();
    const bool isActive = studio_.isRunActive();
    const bool isLive = isActive || !studio_.points().empty();
    const auto& plan = isLive || studio_.lastRun() ? studio_.runPlan() : studio_.plan();
    const auto record = studio_.lastRun();

    double spent = isLive ? progress.epsilon : 0.0;
    if (!isActive && record) spent = record->epsilon;
    const double limit = plan ? plan->privacy.epsilon : 0.0;
    gauge_->setValue(spent, limit, plan ? plan->privacy.delta : 0.0);
    if (const auto epsilon = privacy::Epsilon::create(spent > 0.0 ? spent : limit);
        plan && epsilon) {
        const QString odds =
            QString::fromStdString(privacy::odds_sentence(*epsilon, plan->privacy.unit));
        gauge_->setNote(spent > 0.0 ? odds : tr("When all is spent: %1").arg(odds));
    } else {
        gauge_->setNote(tr("The budget is set on the Privacy page."));
    }

    std::int64_t step = studio_.points().empty() ? 0 : studio_.points().back().step;
    if (record && !isActive) step = std::max(step, record->step);
    if (plan)
        step_->setNumber(countText(step), tr("of %1").arg(countText(plan->privacy.steps)));
    else
        step_->setNumber(QStringLiteral("–"));

    QStringList note;
    const bool isStepping =
        progress.phase == train::Phase::Training || progress.phase == train::Phase::Sampling;
    if (studio_.runState() == RunState::Preparing
        || (isActive && !isStepping && progress.phase != train::Phase::Paused)) {
        QString phase = phaseText(progress.phase);
        if (progress.total > 0)
            phase += tr(", %1 of %2").arg(countText(progress.done), countText(progress.total));
        note << phase;
        if (progress.seconds_left > 0.0)
            note << tr("%1 left").arg(durationText(progress.seconds_left));
    } else if (isActive && progress.seconds_left > 0.0 && progress.total > progress.done) {
        const double seconds =
            progress.seconds_left / static_cast<double>(progress.total - progress.done);
        note << tr("%1 s a step").arg(QLocale().toString(seconds, 'f', seconds < 10.0 ? 1 : 0));
        if (studio_.runState() == RunState::Paused)
            note << tr("paused");
        else
            note << tr("%1 left to the budget").arg(durationText(progress.seconds_left));
    } else if (!isActive && record && plan) {
        if (record->step >= plan->privacy.steps)
            note << tr("all planned steps are taken");
        else
            note << tr("can be resumed at step %1").arg(countText(record->step + 1));
    } else if (!isActive && studio_.forecast() && studio_.forecast()->seconds > 0.0) {
        note << tr("about %1 on this machine").arg(durationText(studio_.forecast()->seconds));
    } else if (studio_.isMeasuring()) {
        note << tr("time is being measured");
    }
    step_->setNote(note.join(QStringLiteral(" · ")));

    const auto& forecast = studio_.forecast();
    if (isLive && progress.peak_gigabytes > 0.0) {
        memory_->setNumber(QLocale().toString(progress.peak_gigabytes, 'f', 1), tr("GB"));
        memory_->setNote(tr("at most so far · micro-batch %1").arg(progress.micro_batch));
    } else if (forecast && forecast->gigabytes > 0.0 && !isActive) {
        memory_->setNumber(QLocale().toString(forecast->gigabytes, 'f', 1), tr("GB"));
        memory_->setNote(tr("expected, from a dry run on random data"));
    } else {
        memory_->setNumber(QStringLiteral("–"));
        memory_->setNote(plan ? tr("micro-batch %1").arg(plan->micro_batch)
                              : tr("Known once there is a plan."));
    }

    if (plan && budget_->points(budgetPlan_).size() != studio_.plannedBudget().size()) {
        std::vector<QPointF> planned;
        std::ranges::transform(
            studio_.plannedBudget(), std::back_inserter(planned),
            [](const auto& at) { return QPointF(static_cast<double>(at.first), at.second); });
        budget_->setPoints(budgetPlan_, std::move(planned));
    }
}

void TrainPage::showCurves()
{
    std::vector<QPointF> losses;
    std::vector<QPointF> spent;
    if (!studio_.points().empty() && studio_.points().front().step == 1)
        spent.emplace_back(0.0, 0.0);
    for (const auto& point : studio_.points()) {
        const auto step = static_cast<double>(point.step);
        spent.emplace_back(step, point.epsilon);
        if (point.noised_loss) losses.emplace_back(step, *point.noised_loss);
    }
    constexpr std::size_t kMeanOf = 10;
    double share = 0.0;
    std::size_t counted = 0;
    for (auto point = studio_.points().rbegin();
         point != studio_.points().rend() && counted < kMeanOf; ++point)
        if (point->noised_clipped_fraction) {
            share += *point->noised_clipped_fraction;
            ++counted;
        }
    clippedShare_->setVisible(counted > 0);
    if (counted > 0)
        clippedShare_->setText(
            tr("about %1 % clipped")
                .arg(std::lround(100.0
                                 * std::clamp(share / static_cast<double>(counted), 0.0, 1.0))));
    if (const auto& plan = studio_.runPlan()) {
        const auto steps = static_cast<double>(plan->privacy.steps);
        loss_->setXRange(0.0, steps);
        budget_->setXRange(0.0, steps);
        budget_->setYRange(0.0, plan->privacy.epsilon);
    }
    loss_->setPoints(lossSmooth_, smoothed(losses));
    loss_->setPoints(lossRaw_, std::move(losses));
    budget_->setPoints(budgetSpent_, std::move(spent));
}

void TrainPage::showSamples()
{
    const auto& rows = studio_.sampleRows();
    if (rows.empty()) {
        samples_->clear();
        showSamplesNote();
        return;
    }
    const auto chosen = thinned(rows);
    const auto& first = *chosen.front();
    const QStringList classes = toStrings(first.labels);
    QStringList steps;
    QStringList descriptions;
    for (const auto* row : chosen)
        steps << countText(row->step);
    samples_->setGrid(static_cast<int>(first.images.size()), static_cast<int>(chosen.size()));
    samples_->setRowLabels(classes);
    samples_->setColumnLabels(steps);
    for (std::size_t line = 0; line < first.images.size(); ++line)
        for (std::size_t column = 0; column < chosen.size(); ++column) {
            const auto& images = chosen[column]->images;
            if (line < images.size())
                samples_->setImage(static_cast<int>(line), static_cast<int>(column),
                                   toQImage(images[line]));
            descriptions << tr("class %1 at step %2")
                                .arg(classes.value(static_cast<int>(line)),
                                     steps.value(static_cast<int>(column)));
        }
    samples_->setDescriptions(descriptions);
    showSamplesNote();
}

void TrainPage::savePlot(PlotWidget* plot, const QString& suggested)
{
    const QString file = dialogs_.files.saveFile(this, tr("Save the chart"), suggested,
                                                 tr("Picture (*.png);;Values (*.csv)"));
    if (file.isEmpty()) return;
    if (const auto saved = plot->saveAs(file); !saved)
        notice()->showError(tr("The chart was not saved"), saved.error());
}

} // namespace velamen::ui
