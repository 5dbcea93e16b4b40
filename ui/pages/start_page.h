// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where everything begins: new, open, demo, recent projects, and what is and is not protected.

#pragma once

#include "ui/models/studio.h"
#include "ui/widgets/dialogs.h"
#include "ui/widgets/page.h"

class QListWidget;

namespace velamen::ui {

class StartPage final : public Page {
    Q_OBJECT

public:
    StartPage(Studio& studio, Dialogs& dialogs, QWidget* parent = nullptr);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void createProject();
    void openProject();
    void openRecent();
    void refresh();

    Studio& studio_;
    Dialogs& dialogs_;
    QListWidget* recent_;
};

} // namespace velamen::ui
