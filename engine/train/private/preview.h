// SPDX-License-Identifier: GPL-3.0-or-later
//
// The averaged weights of a run as a checkpoint of their own: fixed-seed previews and the tuned
// folder come from here. Post-processing: costs no privacy.

#pragma once

#include <memory>
#include <optional>
#include <stop_token>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/lora.h"
#include "engine/core/result.h"
#include "engine/dpsgd/trained_tensor.h"
#include "engine/generate/latent_scale.h"
#include "engine/train/observer.h"
#include "engine/train/plan.h"

namespace velamen::train {

class PrivateModel;

/// One thread.
class Preview {
public:
    /// `model`: of the same plan, outlives the preview. Its autoencoder, and the UNet's weights and
    /// a text encoder that the run does not change, are borrowed: a second copy of a large model
    /// would be most of the run's memory. The autoencoder may be set aside between two draws.
    static Result<std::unique_ptr<Preview>> create(const TrainingPlan& plan, PrivateModel& model);

    /// Takes over the averaged weights (by name), to be called before each use: those of the UNet
    /// are borrowed until the next call; low-rank factors are folded into the weights that they
    /// stand beside.
    void set_weights(const dpsgd::NamedTensors& averaged);
    /// One image a class with the plan's preview seed.
    Result<SampleRow> draw(std::int64_t step, std::stop_token stop);
    checkpoint::Checkpoint& checkpoint() noexcept { return *checkpoint_; }

private:
    Preview(std::unique_ptr<checkpoint::Checkpoint> checkpoint, generate::LatentScale scale,
            PrivateModel& model);
    std::unique_ptr<checkpoint::Checkpoint> checkpoint_;
    std::optional<checkpoint::MergedWeights> merged_; // under "lora"
    generate::LatentScale scale_;
    PrivateModel& model_;
    bool owns_conditioner_ = true;
    std::int64_t seed_ = 0;
    double guidance_ = 0.0;
};

} // namespace velamen::train
