// SPDX-License-Identifier: GPL-3.0-or-later
//
// A session over a checkpoint: its own, or one that a training run works on.

#include "engine/generate/generation.h"

#include <optional>

#include "engine/checkpoint/checkpoint.h"
#include "engine/generate/prompt.h"
#include "engine/generate/render.h"

namespace velamen::generate {

namespace {

class CheckpointSession final : public GenerationSession {
public:
    explicit CheckpointSession(checkpoint::Checkpoint& borrowed) : checkpoint_(borrowed) {}
    explicit CheckpointSession(std::unique_ptr<checkpoint::Checkpoint> own)
        : own_(std::move(own)), checkpoint_(*own_)
    {
    }

    const std::vector<std::string>& classes() const override { return checkpoint_.card().classes; }

    bool takes_prompts() const override { return checkpoint_.is_text_conditional(); }

    Result<std::vector<std::string>>
    prompt_notes(const std::vector<std::string>& prompts) noexcept override
    try {
        return generate::prompt_notes(checkpoint_, prompts);
    } catch (const std::exception& error) {
        return fail(ErrorCode::Internal, std::string("reading a prompt failed: ") + error.what());
    }

    Result<> run(const GenerationRequest& request, std::stop_token stop,
                 const ImageReceiver& receive, const GenerationProgress& progress) noexcept override
    try {
        if (request.image_size > 0) VELAMEN_TRY(checkpoint_.set_image_size(request.image_size));
        VELAMEN_ASSIGN(const LatentScale scale, LatentScale::of(checkpoint_));
        std::optional<PromptContexts> prompts;
        if (!request.prompts.empty()) {
            VELAMEN_ASSIGN(prompts, encode_prompts(checkpoint_, request.prompts, request.negative));
        }
        return render({.unet = checkpoint_.unet(),
                       .autoencoder = checkpoint_.autoencoder(),
                       .conditioner = checkpoint_.conditioner(),
                       .schedule = checkpoint_.schedule(),
                       .scale = scale,
                       .prompts = prompts ? &*prompts : nullptr},
                      request, stop, receive, progress);
    } catch (const std::exception& error) {
        return fail(ErrorCode::Internal, std::string("generating failed: ") + error.what());
    }

private:
    std::unique_ptr<checkpoint::Checkpoint> own_;
    checkpoint::Checkpoint& checkpoint_;
};

} // namespace

Result<std::unique_ptr<GenerationSession>>
GenerationSession::open(const std::filesystem::path& checkpoint)
{
    VELAMEN_ASSIGN(auto loaded, checkpoint::Checkpoint::load(checkpoint));
    VELAMEN_TRY(LatentScale::of(*loaded));
    return std::make_unique<CheckpointSession>(std::move(loaded));
}

std::unique_ptr<GenerationSession> GenerationSession::over(checkpoint::Checkpoint& checkpoint)
{
    return std::make_unique<CheckpointSession>(checkpoint);
}

} // namespace velamen::generate
