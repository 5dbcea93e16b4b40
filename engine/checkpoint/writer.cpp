// SPDX-License-Identifier: GPL-3.0-or-later
//
// A whole folder from modules in memory.

#include "engine/checkpoint/writer.h"

#include "engine/checkpoint/card.h"
#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/misfits.h"
#include "engine/checkpoint/opened.h"
#include "engine/checkpoint/weights.h"
#include "engine/core/file.h"
#include "engine/diffusion/schedule.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

namespace {

io::Json make_index(const NewCheckpoint& made)
{
    io::Json out = io::Json::object();
    bool is_text = false;
    for (const NewComponent& component : made.components)
        is_text = is_text || component.name == "text_encoder";
    out["_class_name"] =
        is_text ? "TextConditionalLatentDiffusion" : "ClassConditionalLatentDiffusion";
    for (const NewComponent& component : made.components)
        out[component.name] = index_entry(component.name, class_of(component.config));
    out["scheduler"] = io::Json::Array{"diffusers", "DDIMScheduler"};
    if (!made.tokenizer.empty())
        out["tokenizer"] = io::Json::Array{"transformers", "CLIPTokenizer"};
    return out;
}

Result<> write_component(const fs::path& folder, const NewComponent& component, DType dtype)
{
    const fs::path own = folder / component.name;
    VELAMEN_TRY(core::make_directory(own));
    VELAMEN_TRY(write_json(own / kConfigFile, component.config));
    return write_weights(own / weights_file_of(component.name), component.weights, dtype);
}

Result<> copy_files(const fs::path& from, const fs::path& to)
{
    std::error_code error;
    VELAMEN_TRY(core::make_directory(to));
    for (const auto& entry : fs::directory_iterator(from, error))
        if (entry.is_regular_file())
            VELAMEN_TRY(copy_synced(entry.path(), to / entry.path().filename()));
    if (error) return fail(ErrorCode::Unreadable, "cannot read " + from.string());
    return {};
}

} // namespace

Result<> save_new(const fs::path& folder, const NewCheckpoint& made, DType dtype)
{
    if (dtype != DType::F32 && dtype != DType::F16)
        return fail(ErrorCode::InvalidArgument, "checkpoints are written as F32 or F16");
    return guarded("saving " + folder.string(), [&]() -> Result<> {
        return replace_folder(folder, [&](const fs::path& aside) -> Result<> {
            for (const NewComponent& component : made.components)
                VELAMEN_TRY(write_component(aside, component, dtype));
            VELAMEN_TRY(core::make_directory(aside / "scheduler"));
            VELAMEN_TRY(write_json(aside / kScheduleFile, made.schedule.to_json()));
            VELAMEN_TRY(write_json(aside / kCardFile, card_to_json(made.card)));
            VELAMEN_TRY(write_json(aside / kIndexFile, make_index(made)));
            if (!made.tokenizer.empty())
                VELAMEN_TRY(copy_files(made.tokenizer, aside / "tokenizer"));
            if (const auto written = open_usable(aside); !written)
                return fail(ErrorCode::InvalidArgument, written.error().message);
            return {};
        });
    });
}

} // namespace velamen::checkpoint
