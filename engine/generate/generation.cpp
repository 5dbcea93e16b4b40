// SPDX-License-Identifier: GPL-3.0-or-later
//
// A session over a checkpoint: its own, or one that a training run works on.

#include "engine/generate/generation.h"

#include "engine/checkpoint/checkpoint.h"
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

    Result<> run(const GenerationRequest& request, std::stop_token stop,
                 const ImageReceiver& receive, const GenerationProgress& progress) noexcept override
    try {
        VELAMEN_ASSIGN(const LatentScale scale, LatentScale::of(checkpoint_));
        return render({.unet = checkpoint_.unet(),
                       .autoencoder = checkpoint_.autoencoder(),
                       .class_embedder = checkpoint_.class_embedder(),
                       .schedule = checkpoint_.schedule(),
                       .scale = scale},
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
