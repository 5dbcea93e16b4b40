// SPDX-License-Identifier: GPL-3.0-or-later
//
// The whole window over any services, as the program builds it, for tests and screenshots.

#pragma once

#include "ui/main_window.h"
#include "ui/models/studio.h"
#include "ui/pages/data_page.h"
#include "ui/pages/ledger_page.h"
#include "ui/pages/model_page.h"
#include "ui/pages/privacy_page.h"
#include "ui/pages/release_page.h"
#include "ui/pages/sample_page.h"
#include "ui/pages/start_page.h"
#include "ui/pages/train_page.h"
#include "ui/widgets/dialogs.h"

namespace velamen::test {

struct StudioWindow {
    explicit StudioWindow(ui::Services services)
        : studio(std::move(services)),
          window(studio, dialogs,
                 {{"start", "Start", new ui::StartPage(studio, dialogs), false},
                  {"data", "Data", new ui::DataPage(studio, dialogs), false},
                  {"model", "Model", new ui::ModelPage(studio, dialogs), false},
                  {"privacy", "Privacy", new ui::PrivacyPage(studio, dialogs), false},
                  {"train", "Train", new ui::TrainPage(studio, dialogs), true},
                  {"sample", "Sample", new ui::SamplePage(studio, dialogs), false},
                  {"release", "Release", new ui::ReleasePage(studio, dialogs), true},
                  {"ledger", "Ledger", new ui::LedgerPage(studio, dialogs), false}})
    {
    }

    ui::Studio studio;
    ui::Dialogs dialogs;
    ui::MainWindow window;
};

} // namespace velamen::test
