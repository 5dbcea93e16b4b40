// SPDX-License-Identifier: GPL-3.0-or-later
//
// The run as it goes: budget, steps, memory, curves and fixed-seed previews. Shows protected and
// public values only; the run itself is Studio's.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"

class QLabel;
class QListWidget;
class QPushButton;
class QStackedWidget;
class QTableWidget;
class QToolButton;

namespace velamen::ui {

class EpsilonGauge;
class ImageGrid;
class PlotWidget;
class StatCard;
class StateBadge;

class TrainPage final : public Page {
    Q_OBJECT

public:
    TrainPage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

private:
    QWidget* makeStatRow();
    QWidget* makeCurves();
    QWidget* makeSamples();
    QTableWidget* makeMapping(QWidget* parent);
    void makeActions();

    void showState();
    void showProgress();
    void showCurves();
    void showSamples();
    void showSamplesNote();
    void showMapping();
    void savePlot(PlotWidget* plot, const QString& suggested);

    Studio& studio_;
    Dialogs& dialogs_;
    StateBadge* state_ = nullptr;
    QPushButton* start_ = nullptr;
    QPushButton* resume_ = nullptr;
    QPushButton* pause_ = nullptr;
    QPushButton* stop_ = nullptr;
    QPushButton* sampleNow_ = nullptr;
    EpsilonGauge* gauge_ = nullptr;
    StatCard* step_ = nullptr;
    StatCard* memory_ = nullptr;
    QLabel* clippedShare_ = nullptr;
    PlotWidget* loss_ = nullptr;
    PlotWidget* budget_ = nullptr;
    int lossRaw_ = 0;
    int lossSmooth_ = 0;
    int budgetPlan_ = 0;
    int budgetSpent_ = 0;
    QLabel* planKey_ = nullptr;
    ImageGrid* samples_ = nullptr;
    QStackedWidget* samplesOrMapping_ = nullptr;
    QTableWidget* mapping_ = nullptr;
    QToolButton* showsMapping_ = nullptr;
    QLabel* samplesNote_ = nullptr;
    QListWidget* log_ = nullptr;
};

} // namespace velamen::ui
