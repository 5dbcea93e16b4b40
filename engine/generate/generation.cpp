// SPDX-License-Identifier: GPL-3.0-or-later
//
// A session over a checkpoint that it has loaded.

#include "engine/generate/generation.h"

#include <optional>

#include <c10/core/InferenceMode.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/generate/draft.h"
#include "engine/generate/prompt.h"
#include "engine/generate/render.h"

namespace velamen::generate {

namespace {

class CheckpointSession final : public GenerationSession {
public:
    explicit CheckpointSession(std::unique_ptr<checkpoint::Checkpoint> loaded)
        : checkpoint_(std::move(loaded))
    {
    }

    const std::vector<std::string>& classes() const override { return checkpoint_->card().classes; }

    bool takes_prompts() const override { return checkpoint_->is_text_conditional(); }

    Result<std::vector<std::string>>
    prompt_notes(const std::vector<std::string>& prompts) noexcept override
    try {
        return generate::prompt_notes(*checkpoint_, prompts);
    } catch (const std::exception& error) {
        return fail(ErrorCode::Internal, std::string("reading a prompt failed: ") + error.what());
    }

    Result<> run(const GenerationRequest& request, std::stop_token stop,
                 const ImageReceiver& receive, const GenerationProgress& progress,
                 const DraftReceiver& draft) noexcept override
    try {
        if (request.image_size > 0) VELAMEN_TRY(checkpoint_->set_image_size(request.image_size));
        VELAMEN_ASSIGN(const LatentScale scale, LatentScale::of(*checkpoint_));
        std::optional<PromptContexts> prompts;
        if (!request.prompts.empty()) {
            VELAMEN_ASSIGN(prompts,
                           encode_prompts(*checkpoint_, request.prompts, request.negative));
        }
        if (draft && !drafts_) {
            const c10::InferenceMode guard;
            VELAMEN_ASSIGN(drafts_, DraftDecoder::of(*checkpoint_, scale));
        }
        return render({.unet = checkpoint_->unet(),
                       .autoencoder = checkpoint_->autoencoder(),
                       .conditioner = checkpoint_->conditioner(),
                       .schedule = checkpoint_->schedule(),
                       .scale = scale,
                       .prompts = prompts ? &*prompts : nullptr,
                       .drafts = drafts_ ? &*drafts_ : nullptr},
                      request, stop, receive, progress, draft);
    } catch (const std::exception& error) {
        return fail(ErrorCode::Internal, std::string("generating failed: ") + error.what());
    }

private:
    std::unique_ptr<checkpoint::Checkpoint> checkpoint_;
    std::optional<DraftDecoder> drafts_; // none before somebody wants to see one
};

} // namespace

Result<std::unique_ptr<GenerationSession>>
GenerationSession::open(const std::filesystem::path& checkpoint)
{
    VELAMEN_ASSIGN(auto loaded, checkpoint::Checkpoint::load(checkpoint));
    VELAMEN_TRY(LatentScale::of(*loaded));
    return std::make_unique<CheckpointSession>(std::move(loaded));
}

} // namespace velamen::generate
