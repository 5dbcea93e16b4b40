// SPDX-License-Identifier: GPL-3.0-or-later
//
// The real engine as the functions that the studio wants.

#pragma once

#include <filesystem>

#include "ui/models/services.h"

namespace velamen::app {

ui::Services engineServices(const std::filesystem::path& executable);

} // namespace velamen::app
