// SPDX-License-Identifier: GPL-3.0-or-later
//
// The rules that hold for every plan, whether it was asked for or read from a file.

#pragma once

#include "engine/train/plan.h"

namespace velamen::train {

/// InvalidArgument, Refused or Corrupt, naming the field and what it may be.
Result<> check_plan(const TrainingPlan& plan);

} // namespace velamen::train
