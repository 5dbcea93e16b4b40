// SPDX-License-Identifier: GPL-3.0-or-later
//
// Everything that can interrupt the user, passed by reference to whoever may do so.

#pragma once

#include "ui/widgets/file_dialog.h"
#include "ui/widgets/message_box.h"

namespace velamen::ui {

struct Dialogs {
    FileDialog files;
    MessageBox messages;
};

} // namespace velamen::ui
