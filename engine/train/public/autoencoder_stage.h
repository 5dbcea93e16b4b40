// SPDX-License-Identifier: GPL-3.0-or-later
//
// Stage 1 of public training: a KL autoencoder, mean squared error + KL.

#pragma once

#include <functional>
#include <stop_token>

#include "engine/core/result.h"
#include "engine/nn/autoencoder/model.h"
#include "engine/train/public/image_set.h"
#include "engine/train/public/pretrain.h"
#include "engine/train/public/stage.h"

namespace velamen::train {

/// The autoencoder that a plan asks for.
nn::AutoencoderKLConfig autoencoder_config(const PretrainPlan& plan);

class AutoencoderStage final : public Stage {
public:
    /// Borrows both.
    AutoencoderStage(const PretrainPlan& plan, const ImageSet& images);

    StepReport step(std::int64_t index) override;
    std::int64_t steps() const override { return plan_.autoencoder_steps; }
    std::int64_t batch() const override { return plan_.autoencoder_batch; }
    NamedTensors state() const override;

    /// The model's own tensors, without the optimiser's.
    NamedTensors weights() const;
    nn::AutoencoderKL model() const { return model_; }
    /// Mean over the held-out images of 10 log10(4 / mse) in dB (values lie in [-1, 1]).
    double held_out_psnr();
    std::int64_t held_out_count() const { return held_out_.size(0); }
    /// The first held-out images and what the autoencoder makes of them.
    std::pair<at::Tensor, at::Tensor> reconstructions(std::int64_t count); // [n, C, H, W] twice

private:
    at::Tensor through(const at::Tensor& x);

    const PretrainPlan& plan_;
    const ImageSet& images_;
    nn::AutoencoderKL model_{nullptr};
    at::Tensor trained_, held_out_; // rows of the image set
    std::unique_ptr<AdamW> optimiser_;
};

/// The means of all images' posteriors, in fp32.
Result<at::Tensor> encode_all(nn::AutoencoderKL model, const ImageSet& images, std::stop_token stop,
                              const std::function<void(std::int64_t, std::int64_t)>& progress);
// [N, Z, h, w]

} // namespace velamen::train
