// SPDX-License-Identifier: GPL-3.0-or-later
//
// Drawing images from the tuned model, or from the public one before there is a tuned one: the
// pictures as they come, and one of them in detail.

#pragma once

#include <vector>

#include <QElapsedTimer>

#include "ui/models/studio.h"
#include "ui/pages/marked_png.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"
#include "ui/workers/task_worker.h"

class QLabel;
class QPushButton;

namespace velamen::ui {

class Bar;
class Card;
class FactsTable;
class ImageGrid;
class SampleSettings;
class ZoneBadge;

class SamplePage final : public Page {
    Q_OBJECT

public:
    SamplePage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

private:
    QWidget* makeColumn();
    QWidget* makePictures();
    QWidget* makeDetails();
    void makeActions();

    void showState();
    QString subtitle() const;
    /// Whether the images on show, or the next ones where there are none, are the public model's.
    bool isShownPublic() const;
    void showImages();
    /// In the places of the images that come next, until they are there.
    void showDraft(const generate::Draft& draft);
    void showProgress(double done, double total);
    void showDetails(int index);

    void generate();
    void saveGrid();
    void saveSelected();
    void reuseSettings();
    PngMark markOf(std::string parameters) const;
    std::string parametersOf(const generate::GeneratedImage& image) const;

    Studio& studio_;
    Dialogs& dialogs_;
    TaskWorker saving_;
    QPushButton* saveGrid_ = nullptr;
    QPushButton* generate_ = nullptr;
    QPushButton* cancel_ = nullptr;
    SampleSettings* settings_ = nullptr;
    std::vector<ZoneBadge*> zones_;
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
