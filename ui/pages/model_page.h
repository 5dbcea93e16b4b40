// SPDX-License-Identifier: GPL-3.0-or-later
//
// The public model: what it is made of, which part of it will learn, under which licence it stands
// and what it was trained on. Nothing on this page is private.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"

class QGridLayout;
class QLabel;
class QPushButton;
class QStackedWidget;
class QTableWidget;
class QVBoxLayout;

namespace velamen::ui {

class Bar;
class CompletionCard;
class FactsTable;
class Notice;
class SelectionChooser;

class ModelPage final : public Page {
    Q_OBJECT

public:
    ModelPage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

private:
    QWidget* makeEmpty();
    QWidget* makeContent();
    QWidget* makeQuestions();
    void chooseFolder();
    void chooseFile();
    void refresh();
    void showComponents(const checkpoint::Inspection& inspection);
    void showBlocks(const checkpoint::Inspection& inspection);
    void showOrigin(const checkpoint::Inspection& inspection);

    Studio& studio_;
    Dialogs& dialogs_;
    QPushButton *builtIn_, *folder_, *file_;
    QStackedWidget* stack_;
    CompletionCard* questions_ = nullptr;
    QLabel* emptyTitle_ = nullptr;
    QLabel* emptyNote_ = nullptr;
    QTableWidget* components_ = nullptr;
    SelectionChooser* selection_ = nullptr;
    QLabel* share_ = nullptr;
    QLabel* shareNote_ = nullptr;
    Bar* shareBar_ = nullptr;
    QWidget* blocks_ = nullptr;
    QGridLayout* blockGrid_ = nullptr;
    FactsTable* origin_ = nullptr;
    Notice* provenance_ = nullptr;
    QLabel* notes_ = nullptr;
    Notice* problems_ = nullptr;
};

} // namespace velamen::ui
