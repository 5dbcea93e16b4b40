// SPDX-License-Identifier: GPL-3.0-or-later
//
// The private images: where they are, what is in them, what is wrong with them, and a look inside
// that stays blurred until the user asks. Everything on this page is private.

#pragma once

#include <vector>

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"

class QLabel;
class QPushButton;
class QStackedWidget;
class QTableWidget;

namespace velamen::ui {

class Bar;
class ImageGrid;
class KeysCard;
class ProblemList;

class DataPage final : public Page {
    Q_OBJECT

public:
    DataPage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

protected:
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;

private:
    QWidget* makeEmpty();
    QWidget* makeScanning();
    QWidget* makeContent();
    void chooseFolder();
    void chooseZip();
    void setRevealed(bool revealed);
    void refresh();
    void showClasses(const data::Manifest& manifest);
    void showProblems(const data::Manifest& manifest);
    void wantThumbnails();

    Studio& studio_;
    Dialogs& dialogs_;
    QPushButton* folder_;
    QPushButton* zip_;
    KeysCard* keys_;
    QStackedWidget* stack_;
    QLabel* emptyTitle_ = nullptr;
    QLabel* emptyNote_ = nullptr;
    Bar* scanBar_ = nullptr;
    QLabel* scanNote_ = nullptr;
    QLabel* classSource_ = nullptr;
    QTableWidget* classes_ = nullptr;
    ProblemList* problems_ = nullptr;
    ImageGrid* pictures_ = nullptr;
    QPushButton* reveal_ = nullptr;
    std::vector<int> filled_; ///< thumbnails shown of each class
    bool wantsThumbnails_ = false;
};

} // namespace velamen::ui
