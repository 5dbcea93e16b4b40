// SPDX-License-Identifier: GPL-3.0-or-later
//
// Drawing images from the tuned model: settings, the pictures as they come, and one of them in
// detail.

#pragma once

#include <vector>

#include <QElapsedTimer>

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"
#include "ui/workers/task_worker.h"

class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace velamen::ui {

class Bar;
class Card;
class FactsTable;
class ImageGrid;

class SamplePage final : public Page {
    Q_OBJECT

public:
    SamplePage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

private:
    QWidget* makeSettings();
    QWidget* makePictures();
    QWidget* makeDetails();
    void makeActions();

    void showClasses();
    void showPrompt();
    void showSettings();
    void showState();
    void showSampler();
    void showImages();
    void showProgress(double done, double total);
    void showDetails(int index);

    void generate();
    void saveGrid();
    void saveSelected();
    void reuseSettings();
    std::string parametersOf(const generate::GeneratedImage& image) const;

    Studio& studio_;
    Dialogs& dialogs_;
    TaskWorker saving_;
    QPushButton* saveGrid_ = nullptr;
    QPushButton* generate_ = nullptr;
    QPushButton* cancel_ = nullptr;
    QComboBox* class_ = nullptr;
    QLineEdit *prompt_ = nullptr, *negative_ = nullptr;
    std::vector<QWidget*> promptRows_; ///< shown where the model takes prompts
    QSpinBox* count_ = nullptr;
    QLineEdit* seed_ = nullptr;
    QDoubleSpinBox* guidance_ = nullptr;
    QComboBox* sampler_ = nullptr;
    QSpinBox* steps_ = nullptr;
    QDoubleSpinBox* eta_ = nullptr;
    Card* progressCard_ = nullptr;
    Bar* bar_ = nullptr;
    QLabel* progressText_ = nullptr;
    QElapsedTimer sinceStart_;
    Card* pictures_ = nullptr;
    QLabel* countText_ = nullptr;
    ImageGrid* grid_ = nullptr;
    QLabel* large_ = nullptr;
    FactsTable* facts_ = nullptr;
    QPushButton* saveOne_ = nullptr;
    QPushButton* reuse_ = nullptr;
    std::size_t shown_ = 0; ///< pictures of studio_.generated() that the grid has
};

} // namespace velamen::ui
