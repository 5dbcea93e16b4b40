// SPDX-License-Identifier: GPL-3.0-or-later
//
// Classes as sentences: each class has a prompt, and a text encoder makes its context. Tokens are
// given, words are not known here.

#pragma once

#include <memory>

#include "engine/nn/conditioner/conditioner.h"
#include "engine/nn/conditioner/text_encoder.h"

namespace velamen::nn {

/// The encoder is its only submodule, under the name "encoder".
class TextConditioner final : public Conditioner {
public:
    /// prompts: [rows, L] (int64), the null prompt last.
    TextConditioner(std::shared_ptr<TextEncoder> encoder, at::Tensor prompts);

    /// Encodes each prompt once for as long as the encoder is not trained and stays the same.
    at::Tensor forward(const at::Tensor& ids) override;
    std::int64_t rows() const override { return prompts_.size(0); }
    std::int64_t tokens() const override { return prompts_.size(1); }
    std::int64_t dim() const override { return encoder_->dim(); }

    TextEncoder& encoder() noexcept { return *encoder_; }
    const at::Tensor& prompts() const noexcept { return prompts_; }
    void set_prompts(at::Tensor prompts);

private:
    bool is_trained() const;

    std::shared_ptr<TextEncoder> encoder_;
    at::Tensor prompts_;               // int64 [rows, L]
    at::Tensor encoded_;               // [rows, L, D]; undefined until it is needed
    std::int64_t changes_encoded_ = 0; ///< changes_of() the encoder then
};

} // namespace velamen::nn
