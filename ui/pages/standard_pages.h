// SPDX-License-Identifier: GPL-3.0-or-later
//
// The pages of the program in the order of the rail. The only place that names them all.

#pragma once

#include "ui/main_window.h"

namespace velamen::ui {

/// Hand them to a MainWindow at once: it becomes their parent.
std::vector<RailEntry> standardPages(Studio& studio, Dialogs& dialogs);

} // namespace velamen::ui
