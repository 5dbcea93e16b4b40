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
    const auto entry = [](const char* key, const QString& title, Page* page, bool startsGroup) {
        return RailEntry{QString::fromLatin1(key), title, page, startsGroup};
    };
    return {entry("start", QObject::tr("Start"), new StartPage(studio, dialogs), false),
            entry("data", QObject::tr("Data"), new DataPage(studio, dialogs), false),
            entry("model", QObject::tr("Model"), new ModelPage(studio, dialogs), false),
            entry("privacy", QObject::tr("Privacy"), new PrivacyPage(studio, dialogs), false),
            entry("train", QObject::tr("Train"), new TrainPage(studio, dialogs), true),
            entry("sample", QObject::tr("Sample"), new SamplePage(studio, dialogs), false),
            entry("release", QObject::tr("Release"), new ReleasePage(studio, dialogs), true),
            entry("ledger", QObject::tr("Ledger"), new LedgerPage(studio, dialogs), false)};
}

} // namespace velamen::ui
