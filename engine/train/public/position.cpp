// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/public/position.h"

#include "engine/train/public/plan_json.h"

namespace velamen::train {

namespace {

constexpr std::int64_t kStateSchema = 2;

} // namespace

io::Json to_json(const Position& position, const PretrainPlan& plan)
{
    return io::Json(io::Json::Object{
        {"schema", kStateSchema},
        {"plan", identity_of(plan)},
        {"stage", position.is_unet ? "unet" : "autoencoder"},
        {"step", position.step},
        {"psnr", position.psnr},
        {"autoencoder_loss", position.autoencoder_loss},
        {"unet_loss", position.unet_loss},
        {"classes", io::Json::Array(position.classes.begin(), position.classes.end())},
        {"images", position.images},
    });
}

Result<Position> position_of(const io::Json& header, const PretrainPlan& plan)
{
    const io::Json* found = header.find("plan");
    const auto schema = header.integer("schema");
    if (!schema || *schema != kStateSchema || found == nullptr || *found != identity_of(plan))
        return fail(ErrorCode::Refused,
                    "the folder holds an unfinished pre-training with other settings",
                    "use the same settings to go on, choose another folder, or delete its "
                    "subfolder .pretrain to start again");
    Position position;
    VELAMEN_ASSIGN(const std::string stage, header.text("stage"));
    position.is_unet = stage == "unet";
    VELAMEN_ASSIGN(position.step, header.integer("step"));
    VELAMEN_ASSIGN(position.psnr, header.number("psnr"));
    VELAMEN_ASSIGN(position.autoencoder_loss, header.number("autoencoder_loss"));
    VELAMEN_ASSIGN(position.unet_loss, header.number("unet_loss"));
    VELAMEN_ASSIGN(position.classes, header.texts("classes"));
    VELAMEN_ASSIGN(position.images, header.integer("images"));
    const std::int64_t last = position.is_unet ? plan.unet_steps : plan.autoencoder_steps;
    if (position.step < 0 || position.step > last)
        return fail(ErrorCode::Corrupt, "the state of the earlier pre-training is damaged",
                    "delete the folder .pretrain to start again");
    return position;
}

} // namespace velamen::train
