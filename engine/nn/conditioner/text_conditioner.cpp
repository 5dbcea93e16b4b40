// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/conditioner/text_conditioner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include "engine/core/assert.h"
#include "engine/nn/layers/changes.h"

namespace velamen::nn {

TextConditioner::TextConditioner(std::shared_ptr<TextEncoder> encoder, at::Tensor prompts)
{
    encoder_ = register_module("encoder", std::move(encoder));
    set_prompts(std::move(prompts));
}

void TextConditioner::set_prompts(at::Tensor prompts)
{
    VELAMEN_ASSERT(prompts.dim() == 2 && prompts.size(1) <= encoder_->max_tokens());
    prompts_ = std::move(prompts);
    encoded_.reset();
}

bool TextConditioner::is_trained() const
{
    return std::ranges::any_of(encoder_->parameters(),
                               [](const at::Tensor& p) { return p.requires_grad(); });
}

at::Tensor TextConditioner::forward(const at::Tensor& ids)
{
    if (is_trained()) return encoder_->encode(prompts_.index_select(0, ids));
    if (!encoded_.defined() || changes_encoded_ != changes_of(*encoder_)) {
        // An inference tensor could not be used by a training step later.
        const c10::InferenceMode ordinary(false);
        const at::NoGradGuard no_grad;
        std::vector<at::Tensor> parts; // one at a time: a list of classes may be long
        for (std::int64_t row = 0; row < prompts_.size(0); ++row)
            parts.push_back(encoder_->encode(prompts_.narrow(0, row, 1)));
        encoded_ = at::cat(parts);
        changes_encoded_ = changes_of(*encoder_);
    }
    return encoded_.index_select(0, ids);
}

} // namespace velamen::nn
