// SPDX-License-Identifier: GPL-3.0-or-later
//
// A whole folder from modules in memory.

#include "engine/checkpoint/writer.h"

#include "engine/checkpoint/card.h"
#include "engine/checkpoint/folder.h"
#include "engine/checkpoint/guard.h"
#include "engine/checkpoint/weights.h"
#include "engine/core/file.h"
#include "engine/diffusion/schedule.h"

namespace velamen::checkpoint {

namespace fs = std::filesystem;

namespace {

io::Json make_index()
{
    io::Json out = io::Json::object();
    out["_class_name"] = "ClassConditionalLatentDiffusion";
    for (const Part& part : kParts)
        out[part.name] = io::Json::Array{part.library, part.kind};
    out["scheduler"] = io::Json::Array{"diffusers", "DDIMScheduler"};
    return out;
}

Result<> write_json(const fs::path& path, const io::Json& json)
{
    return core::write_file(path, json.dump(2) + "\n");
}

Result<> write_part(const fs::path& folder, const Part& part, const io::Json& config,
                    const torch::nn::Module& module, DType dtype)
{
    VELAMEN_TRY(core::make_directory(folder / part.name));
    VELAMEN_TRY(write_json(folder / part.name / "config.json", config));
    return write_weights(folder / part.name / part.weights, module, dtype);
}

} // namespace

Result<> save_new(const fs::path& folder, const nn::UNet2DConditionImpl& unet,
                  const nn::AutoencoderKLImpl& vae, const nn::ClassEmbedderImpl& embedder,
                  const diffusion::Schedule& schedule, const Card& card, DType dtype)
{
    if (dtype != DType::F32 && dtype != DType::F16)
        return fail(ErrorCode::InvalidArgument, "checkpoints are written as F32 or F16");
    return guarded("saving " + folder.string(), [&]() -> Result<> {
        const auto problems = card_problems(card, embedder.rows(), unet.config().in_channels,
                                            unet.config().sample_size);
        if (!problems.empty()) return fail(ErrorCode::InvalidArgument, problems.front());
        return replace_folder(folder, [&](const fs::path& aside) -> Result<> {
            VELAMEN_TRY(write_part(aside, kUNet, unet.config().to_json(), unet, dtype));
            VELAMEN_TRY(write_part(aside, kAutoencoder, vae.config().to_json(), vae, dtype));
            VELAMEN_TRY(write_part(aside, kClassEmbedder, embedder.to_json(), embedder, dtype));
            VELAMEN_TRY(core::make_directory(aside / "scheduler"));
            VELAMEN_TRY(write_json(aside / kScheduleFile, schedule.to_json()));
            VELAMEN_TRY(write_json(aside / kCardFile, card_to_json(card)));
            return write_json(aside / kIndexFile, make_index());
        });
    });
}

} // namespace velamen::checkpoint
