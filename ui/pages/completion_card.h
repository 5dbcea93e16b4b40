// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a checkpoint leaves open, asked of a person: heads, prediction, noise schedule, where its
// autoencoder is. The answers go into a copy of the checkpoint, which the project then uses.

#pragma once

#include <QList>

#include "ui/models/studio.h"
#include "ui/widgets/card.h"
#include "ui/widgets/dialogs.h"

class QComboBox;
class QGridLayout;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace velamen::ui {

class CompletionCard final : public Card {
    Q_OBJECT

public:
    CompletionCard(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

    /// `problem`: what is left open of the studio's checkpoint.
    void refresh(const Error& problem);

private:
    void makeFacts();
    void makeAutoencoder();
    /// `whole`: the row's widget where that holds more than the field.
    QLabel* addRow(const QString& name, QWidget* field, QWidget* whole = nullptr);
    void addFact(const QString& name, QWidget* field);
    QSpinBox* makeNumber(const char* name);
    void clear();
    /// Why the copy cannot be written; empty when it can.
    QString whyNot() const;
    void showButton();
    checkpoint::OpenOptions told() const;

    Studio& studio_;
    Dialogs& dialogs_;
    QString of_;            ///< the checkpoint that the answers are for
    bool isFolder_ = false; ///< which lacks its autoencoder alone
    QGridLayout* form_;
    QLabel* question_;
    QLabel* wayOut_;
    QComboBox* prediction_ = nullptr;
    QLineEdit* heads_ = nullptr;
    QSpinBox* headChannels_ = nullptr;
    QSpinBox* textHeads_ = nullptr;
    QLineEdit* betas_ = nullptr;
    QList<QWidget*> facts_; ///< what folders say by themselves
    QLineEdit* autoencoder_ = nullptr;
    QLabel* place_;
    QPushButton* complete_;
    QPushButton* cancel_;
};

} // namespace velamen::ui
