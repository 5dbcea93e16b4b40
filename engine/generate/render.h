// SPDX-License-Identifier: GPL-3.0-or-later
//
// The work behind a GenerationSession, for models that are not (yet) a checkpoint on disk: previews
// of public training use it too.

#pragma once

#include <cstdint>
#include <span>
#include <stop_token>

#include <ATen/core/Tensor.h>

#include "engine/diffusion/schedule.h"
#include "engine/generate/draft.h"
#include "engine/generate/generation.h"
#include "engine/generate/latent_scale.h"
#include "engine/generate/prompt.h"

namespace velamen::nn {
class UNetImpl;
class Autoencoder;
class Conditioner;
} // namespace velamen::nn

namespace velamen::generate {

/// Borrowed for one call.
struct Models {
    nn::UNetImpl& unet;
    nn::Autoencoder& autoencoder;
    nn::Conditioner& conditioner;
    const diffusion::Schedule& schedule;
    const LatentScale& scale;
    const PromptContexts* prompts = nullptr; ///< in place of the conditioner's classes
    const DraftDecoder* drafts = nullptr;    ///< null: nobody is shown any
};

/// InvalidArgument naming the number that is out of its range.
Result<> check(const GenerationRequest& request, std::int64_t classes);

/// As GenerationSession::run.
Result<> render(const Models& models, const GenerationRequest& request, std::stop_token stop,
                const ImageReceiver& receive, const GenerationProgress& progress,
                const DraftReceiver& draft = {}) noexcept;

/// Standard normal noise, one stream a seed: row i depends on seeds[i] only. Stream 0 is the
/// starting noise, stream 1 + s the noise that a sampler adds after its step s.
at::Tensor noise(std::span<const std::uint64_t> seeds, std::uint64_t stream, std::int64_t channels,
                 std::int64_t side); // [N, C, H, W]

/// round-half-even(255 clamp(x / 2 + 1/2, 0, 1)). x: [C, H, W]
image::Image to_image(const at::Tensor& x);

} // namespace velamen::generate
