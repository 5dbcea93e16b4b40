// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/wiring.h"

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/file.h"
#include "engine/image/codec.h"
#include "engine/privacy/ledger.h"

namespace velamen::app {

namespace fs = std::filesystem;

Resources findResources(const fs::path& executable)
{
    fs::path root = executable.parent_path().parent_path() / "share/velamen";
    std::error_code ignored;
    if (!fs::exists(root, ignored)) root = VELAMEN_RESOURCES;
    return {root / "checkpoints/letters", root / "checkpoints/emoji", root / "demo/digits.zip",
            root / "vocabularies"};
}

void shareVocabularies(const fs::path& executable)
{
    checkpoint::set_vocabularies(findResources(executable).vocabularies);
}

Result<data::Manifest> scanSource(const fs::path& source, std::stop_token stop,
                                  const data::ScanProgress& progress,
                                  const data::ScanOptions& options)
{
    VELAMEN_ASSIGN(const auto opened, data::Source::open(source));
    return opened->scan(options, std::move(stop), progress);
}

Result<image::Image> thumbnail(const fs::path& source, const std::string& name, int size)
{
    VELAMEN_ASSIGN(const auto opened, data::Source::open(source));
    VELAMEN_ASSIGN(const auto bytes, opened->read(name));
    return image::decode(bytes, {.size = size, .channels = 3});
}

Result<std::vector<privacy::LedgerEntry>> ledgerOf(const fs::path& source)
{
    VELAMEN_ASSIGN(const auto opened, data::Source::open(source));
    VELAMEN_ASSIGN(const data::Manifest manifest, opened->scan());
    VELAMEN_ASSIGN(const auto store, privacy::LedgerStore::open());
    std::vector<core::Digest> hashes;
    hashes.reserve(manifest.images.size());
    for (const data::ImageEntry& entry : manifest.images) {
        VELAMEN_ASSIGN(const auto bytes, opened->read(entry.name));
        hashes.push_back(store.hash_unit(bytes));
    }
    VELAMEN_ASSIGN(const auto folder, store.find(hashes));
    if (!folder) return std::vector<privacy::LedgerEntry>{};
    VELAMEN_ASSIGN(const std::string text, core::read_file(*folder / "ledger.jsonl"));
    return privacy::parse_ledger(text);
}

Result<train::TrainingPlan> planOf(const fs::path& runFolder)
{
    VELAMEN_ASSIGN(const std::string text, core::read_file(runFolder / "plan.json"));
    VELAMEN_ASSIGN(const io::Json json, io::Json::parse(text));
    return train::TrainingPlan::from_json(json);
}

Result<release::ReleaseRequest> releaseRequestOf(const fs::path& runFolder)
{
    release::ReleaseRequest request;
    VELAMEN_ASSIGN(request.plan, planOf(runFolder));
    VELAMEN_ASSIGN(const train::RunRecord run, train::read_run(runFolder));
    if (run.checkpoint.empty())
        return fail(ErrorCode::Refused, "the run has no tuned checkpoint yet",
                    "train until it has saved one, then export");
    request.run_id = run.id;
    VELAMEN_ASSIGN(const auto store, privacy::LedgerStore::open());
    fs::path ledger;
    for (const fs::path& folder : store.list())
        if (folder.filename() == run.ledger_id) ledger = folder;
    if (ledger.empty())
        return fail(ErrorCode::Refused, "the ledger of this run is not on this machine",
                    "export on the machine that trained it");
    VELAMEN_ASSIGN(request.ledger_text, core::read_file(ledger / "ledger.jsonl"));
    // A rolled-back ledger would certify less than was spent.
    VELAMEN_ASSIGN(const auto entries, privacy::parse_ledger(request.ledger_text));
    VELAMEN_TRY(privacy::require_head(entries, privacy::head_of(request.ledger_text),
                                      {run.ledger_seq, run.ledger_hash}));

    const auto look = [&plan = request.plan](const fs::path& folder) {
        return checkpoint::inspect(folder, plan.selection, plan.skip_dead, plan.train_conditioner);
    };
    VELAMEN_ASSIGN(const auto base, look(request.plan.checkpoint));
    VELAMEN_ASSIGN(const auto tuned, look(run.checkpoint));
    request.base_name = base.card.name;
    request.base_licence = base.card.licence;
    request.base_data = base.card.data;
    VELAMEN_ASSIGN(request.base_sha256, checkpoint::fingerprint(request.plan.checkpoint));
    VELAMEN_ASSIGN(request.tuned_sha256, checkpoint::fingerprint(run.checkpoint));
    request.trained_tensors = tuned.card.trained_tensors;
    request.trained_parameters = tuned.trained_parameters;
    request.total_parameters = tuned.total_parameters;
    return request;
}

} // namespace velamen::app
