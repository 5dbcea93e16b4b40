// SPDX-License-Identifier: GPL-3.0-or-later
//
// From drawn images to a zip with its certificate, and the check of such a zip. What is in it and
// what it does not cover is said before anything is written.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"

class QLabel;
class QPushButton;
class QStackedLayout;
class QTextBrowser;

namespace velamen::ui {

class Card;
class FactsTable;
class ProblemList;
class ZoneBadge;

class ReleasePage final : public Page {
    Q_OBJECT

public:
    ReleasePage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

protected:
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    QWidget* makeContents();
    QWidget* makeLimits();
    QWidget* makeCertificate();

    void showContents();
    void showResult();
    void showVerdict(const release::Verification& verification);
    void writeZip();
    void chooseAndVerify();
    void verifyFile(const QString& file);

    Studio& studio_;
    Dialogs& dialogs_;
    QPushButton* verify_ = nullptr;
    QPushButton* cancel_ = nullptr;
    QPushButton* write_ = nullptr;
    FactsTable* contents_ = nullptr;
    QLabel* files_ = nullptr;
    Card* certificateCard_ = nullptr;
    QLabel* verdict_ = nullptr;
    QStackedLayout* stack_ = nullptr;
    QLabel* empty_ = nullptr;
    QTextBrowser* certificate_ = nullptr;
    FactsTable* checked_ = nullptr;
    ProblemList* findings_ = nullptr;
    QString lastFile_;
    bool isVerifyOnly_ = false;
};

} // namespace velamen::ui
