// SPDX-License-Identifier: GPL-3.0-or-later
//
// A PretrainPlan as JSON, to recognise the plan that a state on disk belongs to, and its checks.

#pragma once

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/train/public/pretrain.h"

namespace velamen::train {

/// Everything that changes the weights: not the folder that the result goes to, nor its notes.
io::Json identity_of(const PretrainPlan& plan);

/// InvalidArgument naming the field that is out of its range.
Result<> check(const PretrainPlan& plan);

} // namespace velamen::train
