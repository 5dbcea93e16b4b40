// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the votes say of one class, in words.

#pragma once

#include <QString>

#include "engine/train/observer.h"

namespace velamen::ui {

/// "o 60 %, O 30 %, Q 10 %"; the smallest parts are summed up.
QString mappingText(const train::ClassMapping::Row& row);

} // namespace velamen::ui
