// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/run_folder.h"

#include "engine/core/hash.h"
#include "engine/core/random.h"

namespace velamen::train {

namespace {

namespace fs = std::filesystem;
using io::Json;

constexpr std::int64_t kSchema = 1;

Json to_json(const RunState& state)
{
    const RunRecord& r = state.record;
    Json json = Json::object();
    json["schema"] = kSchema;
    json["id"] = r.id;
    json["state"] = r.state;
    json["step"] = r.step;
    json["epsilon"] = r.epsilon;
    json["epsilon_rdp"] = r.epsilon_rdp;
    json["checkpoint"] = r.checkpoint.string();
    json["attempt"] = state.attempt;
    json["ledger"]["id"] = r.ledger_id;
    json["ledger"]["seq"] = r.ledger_seq;
    json["ledger"]["hash"] = r.ledger_hash;
    json["base_sha256"] = state.base_sha256;
    json["plan_sha256"] = state.plan_sha256;
    json["dataset"] = state.dataset;
    json["state_file"] = state.state_file;
    json["state_sha256"] = state.state_sha256;
    return json;
}

Result<RunState> from_json(const Json& json)
{
    VELAMEN_ASSIGN(const std::int64_t schema, json.integer("schema"));
    if (schema != kSchema)
        return fail(ErrorCode::Unsupported,
                    "run.json has schema " + std::to_string(schema) + ", this program reads 1",
                    "use the version of Velamen that wrote it");
    RunState state;
    RunRecord& r = state.record;
    VELAMEN_ASSIGN(r.id, json.text("id"));
    VELAMEN_ASSIGN(r.state, json.text("state"));
    VELAMEN_ASSIGN(r.step, json.integer("step"));
    VELAMEN_ASSIGN(r.epsilon, json.number("epsilon"));
    VELAMEN_ASSIGN(r.epsilon_rdp, json.number("epsilon_rdp"));
    VELAMEN_ASSIGN(r.checkpoint, json.text("checkpoint"));
    VELAMEN_ASSIGN(state.attempt, json.integer("attempt"));
    const Json* ledger = json.find("ledger");
    if (ledger == nullptr) return fail(ErrorCode::Corrupt, "run.json lacks \"ledger\"");
    VELAMEN_ASSIGN(r.ledger_id, ledger->text("id"));
    VELAMEN_ASSIGN(r.ledger_seq, ledger->integer("seq"));
    VELAMEN_ASSIGN(r.ledger_hash, ledger->text("hash"));
    VELAMEN_ASSIGN(state.base_sha256, json.text("base_sha256"));
    VELAMEN_ASSIGN(state.plan_sha256, json.text("plan_sha256"));
    VELAMEN_ASSIGN(state.dataset, json.text_or("dataset", ""));
    VELAMEN_ASSIGN(state.state_file, json.text("state_file"));
    VELAMEN_ASSIGN(state.state_sha256, json.text("state_sha256"));
    return state;
}

Result<RunState> read_state(const fs::path& folder)
{
    VELAMEN_ASSIGN(const std::string text, core::read_file(folder / "run.json"));
    auto json = Json::parse(text);
    if (!json)
        return fail(ErrorCode::Corrupt, "run.json: " + json.error().message,
                    "restore the run folder from a copy, or start a new run");
    return from_json(*json);
}

} // namespace

Result<RunFolder> RunFolder::create(const fs::path& folder, const TrainingPlan& plan,
                                    const std::string& base_sha256)
{
    std::error_code ignored;
    if (fs::exists(folder / "run.json", ignored))
        return fail(ErrorCode::Refused, folder.string() + " already holds a run",
                    "resume it, or choose another folder");
    VELAMEN_TRY(core::make_directory(folder));
    VELAMEN_TRY(core::make_directory(folder / "checkpoints"));
    VELAMEN_ASSIGN(core::FileLock lock, core::FileLock::acquire(folder / "lock"));
    const std::string text = plan.to_json().dump(2) + "\n";
    VELAMEN_TRY(core::write_file(folder / "plan.json", text));
    VELAMEN_ASSIGN(core::AppendFile events, core::AppendFile::open(folder / "events.jsonl"));
    RunFolder run(folder, std::move(lock), std::move(events));
    run.plan_ = plan;
    run.state_.record.id = core::random_id();
    run.state_.record.state = "running";
    run.state_.base_sha256 = base_sha256;
    run.state_.plan_sha256 = core::sha256_hex(std::string_view(text));
    VELAMEN_TRY(run.save());
    return run;
}

Result<RunFolder> RunFolder::open(const fs::path& folder)
{
    std::error_code ignored;
    if (!fs::exists(folder / "run.json", ignored))
        return fail(ErrorCode::NotFound, folder.string() + " is not a run folder",
                    "a run folder holds run.json and plan.json");
    VELAMEN_ASSIGN(core::FileLock lock, core::FileLock::acquire(folder / "lock"));
    VELAMEN_ASSIGN(core::AppendFile events, core::AppendFile::open(folder / "events.jsonl"));
    RunFolder run(folder, std::move(lock), std::move(events));
    VELAMEN_ASSIGN(run.state_, read_state(folder));
    VELAMEN_ASSIGN(const std::string text, core::read_file(folder / "plan.json"));
    if (core::sha256_hex(std::string_view(text)) != run.state_.plan_sha256)
        return fail(ErrorCode::Refused, "plan.json was changed after the run began",
                    "a changed plan is a new run: start one");
    VELAMEN_ASSIGN(const Json json, Json::parse(text));
    VELAMEN_ASSIGN(run.plan_, TrainingPlan::from_json(json));
    return run;
}

Result<> RunFolder::save()
{
    return core::write_file(path_ / "run.json", to_json(state_).dump(2) + "\n");
}

Result<> RunFolder::log(const Json& event) { return events_.append(event.dump() + "\n"); }

Result<> RunFolder::log(const StepPoint& point)
{
    Json json = Json::object();
    json["event"] = "step";
    json["step"] = point.step;
    json["epsilon"] = point.epsilon;
    json["noised_loss"] = point.noised_loss ? Json(*point.noised_loss) : Json();
    if (point.noised_clipped_fraction)
        json["noised_clipped_fraction"] = *point.noised_clipped_fraction;
    json["noised_gradient_norm"] = point.noised_gradient_norm;
    json["learning_rate"] = point.learning_rate;
    return log(json);
}

void RunFolder::drop_old_states() const noexcept
{
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path_ / "checkpoints", ignored)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("state-") && "checkpoints/" + name != state_.state_file)
            fs::remove(entry.path(), ignored);
    }
}

Result<RunRecord> read_run(const fs::path& run_folder)
{
    VELAMEN_ASSIGN(RunState state, read_state(run_folder));
    RunRecord record = std::move(state.record);
    if (!record.checkpoint.empty()) record.checkpoint = run_folder / record.checkpoint;
    return record;
}

} // namespace velamen::train
