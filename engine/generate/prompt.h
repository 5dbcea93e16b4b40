// SPDX-License-Identifier: GPL-3.0-or-later
//
// Prompts as contexts of a text-conditional checkpoint: weights of words, negative prompts, and
// what does not fit. Torch inside; the words are engine/text's.

#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/core/result.h"

namespace velamen::generate {

/// What guidance leads to and away from.
struct PromptContexts {
    at::Tensor wanted;   // fp32 [prompts, L, D]
    at::Tensor negative; // fp32 [1, L, D]
};

/// Weights as in AUTOMATIC1111's web UI: each token's embedding times its weight after the encoder,
/// then the prompt's mean as it was (prompt_weights.h); a BERT's prompts are taken as they stand.
/// What does not fit is left out (prompt_notes()). InvalidArgument for a checkpoint without text or
/// a prompt that cannot be read.
Result<PromptContexts> encode_prompts(checkpoint::Checkpoint& checkpoint,
                                      const std::vector<std::string>& prompts,
                                      const std::string& negative);

/// One sentence for each prompt that is longer than the text encoder takes, with the words at which
/// it is cut.
Result<std::vector<std::string>> prompt_notes(checkpoint::Checkpoint& checkpoint,
                                              const std::vector<std::string>& prompts);

/// e + phi (e std(c) / std(e) - e): guidance does not make images brighter than the model's own
/// (Lin et al. 2023, arXiv 2305.08891, equations 15 and 16). Unbiased std over [C, H, W] of each
/// sample. conditional, guided: [N, C, H, W]; phi: 0 to 1.
at::Tensor rescaled(const at::Tensor& conditional, const at::Tensor& guided, double phi);

} // namespace velamen::generate
