// SPDX-License-Identifier: GPL-3.0-or-later
//
// Makes the pages.

#include "ui/pages/standard_pages.h"

#include "ui/pages/data_page.h"
#include "ui/pages/ledger_page.h"
#include "ui/pages/model_page.h"
#include "ui/pages/privacy_page.h"
#include "ui/pages/release_page.h"
#include "ui/pages/sample_page.h"
#include "ui/pages/start_page.h"
#include "ui/pages/train_page.h"

namespace velamen::ui {

std::vector<RailEntry> standardPages(Studio& studio, Dialogs& dialogs)
{
    const auto entry = [](const char* key, Page* page, bool startsGroup = false) {
        return RailEntry {QString::fromLatin1(key), page->railTitle(), page, startsGroup};
    };
    return {entry("start", new StartPage(studio, dialogs)),
            entry("data", new DataPage(studio, dialogs)),
            entry("model", new ModelPage(studio, dialogs)),
            entry("privacy", new PrivacyPage(studio, dialogs)),
            entry("train", new TrainPage(studio, dialogs), true),
            entry("sample", new SamplePage(studio, dialogs)),
            entry("release", new ReleasePage(studio, dialogs), true),
            entry("ledger", new LedgerPage(studio, dialogs))};
}

} // namespace velamen::ui
