// SPDX-License-Identifier: GPL-3.0-or-later
//
// The draft that a project remembers: what was asked for, not what was planned (plan.json of a run)
// and nothing that a scan found.

#pragma once

#include <optional>
#include <string>

#include "engine/generate/generation.h"
#include "engine/io/json.h"
#include "engine/train/plan.h"

namespace velamen::ui {

struct Draft {
    train::PlanRequest request; ///< without source, checkpoint and classes: see project and scan
    std::string unitKey;        ///< the last key that told more than images apart; may be empty
    std::optional<bool> unitsArePublic;
    generate::GenerationRequest generation; ///< settings only, no classes and seeds
};

io::Json toJson(const Draft& draft);
/// What cannot be read keeps its default: an old or damaged draft never blocks a project.
Draft draftFrom(const io::Json& json);

} // namespace velamen::ui
