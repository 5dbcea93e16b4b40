// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/generate/prompt.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "engine/checkpoint/prompts.h"
#include "engine/nn/conditioner/text_conditioner.h"
#include "engine/text/prompt_weights.h"

namespace velamen::generate {

namespace {

/// What one run of the encoder takes, and what was left out.
struct Packed {
    std::vector<std::int64_t> ids;
    std::vector<float> weights; ///< empty: all 1
    bool is_cut = false;
};

Result<Packed> pack(const checkpoint::PromptTokenizer& tokenizer, const std::string& prompt,
                    std::int64_t longest)
{
    Packed out;
    if (tokenizer.clip() == nullptr) {
        VELAMEN_ASSIGN(const at::Tensor ids, tokenizer.ids({&prompt, 1}, longest));
        const auto* data = ids.const_data_ptr<std::int64_t>();
        out.ids.assign(data, data + ids.numel());
        VELAMEN_ASSIGN(const std::size_t end, tokenizer.cut_at(prompt));
        out.is_cut = end < prompt.size();
        return out;
    }
    VELAMEN_ASSIGN(const auto segments, text::parse_prompt(prompt));
    VELAMEN_ASSIGN(const auto chunks, text::pack_prompt(*tokenizer.clip(), segments));
    const text::PromptChunk& first = chunks.front();
    VELAMEN_TRY(checkpoint::check_length(first.ids.size(), longest));
    out.ids.assign(first.ids.begin(), first.ids.end());
    if (std::ranges::any_of(first.weights, [](float w) { return w != 1.0F; }))
        out.weights = first.weights;
    out.is_cut = chunks.size() > 1;
    return out;
}

/// z' = w z, then z' mean(z) / mean(z') over the whole prompt. z: [1, L, D]
at::Tensor weighted(const at::Tensor& z, const std::vector<float>& weights)
{
    const at::Tensor w = at::tensor(weights).view({1, -1, 1});
    const at::Tensor scaled = z * w;
    const at::Tensor before = z.mean(), after = scaled.mean();
    return after.item<float>() == 0.0F ? scaled : scaled * (before / after);
}

Result<nn::TextConditioner*> text_of(checkpoint::Checkpoint& checkpoint)
{
    auto* text = dynamic_cast<nn::TextConditioner*>(&checkpoint.conditioner());
    if (text == nullptr || checkpoint.tokenizer() == nullptr)
        return fail(ErrorCode::InvalidArgument, "this checkpoint does not take prompts",
                    "draw by class, or choose a text-conditional checkpoint");
    return text;
}

} // namespace

Result<PromptContexts> encode_prompts(checkpoint::Checkpoint& checkpoint,
                                      const std::vector<std::string>& prompts,
                                      const std::string& negative)
{
    VELAMEN_ASSIGN(nn::TextConditioner* const text, text_of(checkpoint));
    const at::NoGradGuard no_grad;
    nn::TextEncoder& encoder = text->encoder();
    const auto encoded = [&](const std::string& prompt) -> Result<at::Tensor> {
        VELAMEN_ASSIGN(const Packed packed,
                       pack(*checkpoint.tokenizer(), prompt, encoder.max_tokens()));
        const at::Tensor z = encoder.encode(at::tensor(packed.ids).unsqueeze(0));
        return packed.weights.empty() ? z : weighted(z, packed.weights);
    };
    std::vector<at::Tensor> wanted;
    for (const std::string& prompt : prompts) {
        VELAMEN_ASSIGN(at::Tensor z, encoded(prompt));
        wanted.push_back(std::move(z));
    }
    PromptContexts out;
    if (!wanted.empty()) out.wanted = at::cat(wanted);
    VELAMEN_ASSIGN(out.negative, encoded(negative));
    return out;
}

Result<std::vector<std::string>> prompt_notes(checkpoint::Checkpoint& checkpoint,
                                              const std::vector<std::string>& prompts)
{
    VELAMEN_ASSIGN(nn::TextConditioner* const text, text_of(checkpoint));
    std::vector<std::string> out;
    for (const std::string& prompt : prompts) {
        VELAMEN_ASSIGN(const Packed packed,
                       pack(*checkpoint.tokenizer(), prompt, text->encoder().max_tokens()));
        if (!packed.is_cut) continue;
        VELAMEN_ASSIGN(const std::size_t end, checkpoint.tokenizer()->cut_at(prompt));
        out.push_back(
            "the prompt is longer than the " + std::to_string(text->encoder().max_tokens() - 2)
            + " tokens that the text encoder takes: it is used up to '..."
            + prompt.substr(end > 24 ? end - 24 : 0, std::min<std::size_t>(end, 24)) + "'");
    }
    return out;
}

at::Tensor rescaled(const at::Tensor& conditional, const at::Tensor& guided, double phi)
{
    const auto spread = [](const at::Tensor& x) { return x.flatten(1).std(1).view({-1, 1, 1, 1}); };
    return phi * (guided * (spread(conditional) / spread(guided))) + (1.0 - phi) * guided;
}

} // namespace velamen::generate
