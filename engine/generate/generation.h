// SPDX-License-Identifier: GPL-3.0-or-later
//
// Images from a checkpoint. Post-processing of a trained model: costs no privacy.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/diffusion/sampler_kind.h"
#include "engine/image/image.h"

namespace velamen::generate {

using diffusion::kSamplerKinds;
using diffusion::name_of;
using diffusion::sampler_of;
using diffusion::SamplerKind;

struct GenerationRequest {
    std::vector<int> classes; ///< class index of each image wanted; with prompts the prompt's
    /// Sentences in place of the checkpoint's classes; text-conditional checkpoints only.
    std::vector<std::string> prompts;
    std::string negative;             ///< with prompts: what guidance leads away from
    std::vector<std::uint64_t> seeds; ///< one each; empty: seed, seed + 1, ...
    std::uint64_t seed = 0;
    double guidance =
        0.3; ///< w: v_cond + w (v_cond - v_null); 0: off. Elsewhere 1 + w is the scale
    double guidance_rescale = 0.0; ///< phi of prompt.h, 0..1; 0: off
    std::int64_t image_size = 0;   ///< side in pixels, from now on; 0: as it is
    int steps = 20;
    double eta = 0.0; ///< DDIM only, 0..1
    SamplerKind sampler = SamplerKind::Ddim;
    int batch = 250; ///< images denoised together; does not change any image
};

struct GeneratedImage {
    std::int64_t index = 0; ///< position in the request
    int class_index = 0;
    std::uint64_t seed = 0;
    image::Image image;
};

using ImageReceiver = std::function<void(const GeneratedImage&)>;
/// done and total count images; fractions of a batch are reported between sampler steps.
using GenerationProgress = std::function<void(double done, double total)>;

/// How the images first, first + 1, ... of the request look on their way. No results: to be shown,
/// not kept.
struct Draft {
    std::int64_t first = 0;
    std::vector<image::Image> images;
};
using DraftReceiver = std::function<void(const Draft&)>;

/// One thread at a time. The same seed, class and settings give the same image whatever the batch
/// (bit-equal on one machine and thread count for the shipped checkpoints; fp32).
class GenerationSession {
public:
    static Result<std::unique_ptr<GenerationSession>> open(const std::filesystem::path& checkpoint);
    virtual ~GenerationSession() = default;

    virtual const std::vector<std::string>& classes() const = 0;
    virtual bool takes_prompts() const { return false; }
    /// A sentence for each prompt that is cut. Errors of encode_prompts().
    virtual Result<std::vector<std::string>>
    prompt_notes(const std::vector<std::string>& /*prompts*/) noexcept
    {
        return std::vector<std::string>{};
    }
    /// Cancelled between sampler steps when `stop` is requested; images given so far stay valid.
    /// Drafts come between sampler steps, a few a second at most.
    [[nodiscard]] virtual Result<> run(const GenerationRequest& request, std::stop_token stop,
                                       const ImageReceiver& receive,
                                       const GenerationProgress& progress = {},
                                       const DraftReceiver& draft = {}) noexcept = 0;
};

} // namespace velamen::generate
