// SPDX-License-Identifier: GPL-3.0-or-later
//
// What others remember of a ledger: runs beside this one and the checkpoint it starts from. A
// ledger that lacks a remembered line was rolled back, and a run on it would spend twice.

#pragma once

#include <filesystem>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/result.h"
#include "engine/privacy/ledger.h"
#include "engine/train/plan.h"

namespace velamen::train {

/// Refused, naming the run or checkpoint, when the ledger lacks the head that it recorded, or when
/// a run beside this one on the same private folder was charged to a ledger that is not in the
/// store any more. Records that cannot be read are passed over: they may belong to anything.
Result<> check_recorded_heads(const std::filesystem::path& run_folder, const TrainingPlan& plan,
                              const checkpoint::Card& base, const privacy::LedgerStore& store,
                              const privacy::Ledger& ledger);

} // namespace velamen::train
