// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/saved_run.h"

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/hash.h"
#include "engine/train/public/state_file.h"

namespace velamen::train {

namespace fs = std::filesystem;
using io::Json;

Result<> save_state(RunFolder& folder, const dpsgd::Optimiser& optimiser)
{
    RunState& run = folder.state();
    const std::int64_t step = optimiser.steps_done();
    const std::string name = "checkpoints/state-" + std::to_string(run.attempt) + "-"
        + std::to_string(step) + ".safetensors";
    Json header = Json::object();
    header["run"] = run.record.id;
    header["step"] = step;
    NamedTensors tensors;
    for (const auto& [key, tensor] : optimiser.export_state())
        tensors.emplace_back(key, tensor.contiguous());
    VELAMEN_TRY(write_state(folder.path() / name, tensors, header));
    run.state_file = name;
    VELAMEN_ASSIGN(run.state_sha256, core::sha256_file(folder.path() / name));
    return {};
}

Result<> load_state(RunFolder& folder, dpsgd::Optimiser& optimiser)
{
    const RunState& state = folder.state();
    if (state.state_file.empty()) return {};
    const fs::path path = folder.path() / state.state_file;
    VELAMEN_ASSIGN(const std::string sha256, core::sha256_file(path));
    if (sha256 != state.state_sha256)
        return fail(ErrorCode::Corrupt, state.state_file + " is damaged (its SHA-256 differs)",
                    "restore it from a copy, or start a new run; what is spent stays spent");
    NamedTensors loaded;
    for (const auto& [name, tensor] : optimiser.export_state())
        loaded.emplace_back(name, tensor.clone());
    if (!read_state(path, loaded))
        return fail(ErrorCode::Corrupt, state.state_file + " is not a state of this run's plan",
                    "use the version of Velamen that wrote it, or start a new run");
    return optimiser.import_state(loaded);
}

Result<> save_tuned(RunFolder& folder, checkpoint::Checkpoint& averaged,
                    const std::vector<std::string>& trained)
{
    RunRecord& record = folder.state().record;
    checkpoint::Card card = averaged.card();
    card.name += ", tuned with privacy";
    card.classes = folder.plan().classes;
    card.trained_tensors = trained;
    card.base_sha256 = folder.state().base_sha256;
    card.ledger_id = record.ledger_id;
    card.ledger_seq = record.ledger_seq;
    card.ledger_hash = record.ledger_hash;
    const fs::path relative = "checkpoints/tuned";
    VELAMEN_TRY(averaged.save_tuned(folder.path() / relative, trained, card));
    record.checkpoint = relative;
    return {};
}

} // namespace velamen::train
