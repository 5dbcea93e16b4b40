// SPDX-License-Identifier: GPL-3.0-or-later
//
// The text encoders against transformers and diffusers, their sizes, and what their configs accept.

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "engine/nn/conditioner/clip_text.h"
#include "engine/nn/conditioner/ldm_bert.h"
#include "tests/engine/nn/golden.h"

namespace velamen::nn {
namespace {

using test::Golden;

// Same operations in another order: some 1e-6 of values of order one.
constexpr double kTolerance = 1e-5;

template <class Model>
std::int64_t parameters_of(const Model& model)
{
    std::int64_t count = 0;
    for (const auto& parameter : model->parameters())
        count += parameter.numel();
    return count;
}

class ClipTexts : public testing::TestWithParam<const char*> {};

// Oracle: transformers.
TEST_P(ClipTexts, EqualTransformers)
{
    const Golden golden(GetParam());
    const auto config = test::value(ClipTextConfig::from_json(golden.json("config")));
    ClipText model(config);
    golden.fill(*model);
    EXPECT_EQ(parameters_of(model), golden.parameters());
    const at::NoGradGuard no_grad;
    test::expect_close(model(golden.data("ids")), golden.data("out"), kTolerance);
    test::expect_close(model(golden.data("short_ids")), golden.data("short_out"), kTolerance);
    test::expect_close(model(golden.data("ids"), 1), golden.data("skipped_out"), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Activations, ClipTexts, testing::Values("clip_gelu", "clip_quick_gelu"));

// A token sees those before it and itself.
TEST(ClipText, IsCausal)
{
    torch::manual_seed(1);
    ClipText model(ClipTextConfig{.vocab_size = 11,
                                  .hidden_size = 8,
                                  .intermediate_size = 16,
                                  .num_hidden_layers = 2,
                                  .num_attention_heads = 2});
    const at::NoGradGuard no_grad;
    at::Tensor ids = torch::tensor({{1, 2, 3, 4, 5}});
    const at::Tensor before = model(ids);
    ids[0][3] = 9;
    const at::Tensor after = model(ids);
    EXPECT_TRUE(torch::equal(before.narrow(1, 0, 3), after.narrow(1, 0, 3)));
    EXPECT_FALSE(torch::allclose(before.narrow(1, 3, 2), after.narrow(1, 3, 2)));
}

// Published sizes: Stable Diffusion 1's and 2's encoders.
TEST(ClipText, HasThePublishedSizes)
{
    const auto size_of = [](const ClipTextConfig& c) {
        const std::int64_t d = c.hidden_size, f = c.intermediate_size;
        const std::int64_t layer = 4 * (d * d + d) + (d * f + f) + (f * d + d) + 4 * d;
        return (c.vocab_size + c.max_position_embeddings) * d + c.num_hidden_layers * layer + 2 * d;
    };
    const ClipTextConfig first{.hidden_size = 768,
                               .intermediate_size = 3072,
                               .num_hidden_layers = 12,
                               .num_attention_heads = 12};
    EXPECT_EQ(size_of(first), 123'060'480);
    const ClipTextConfig second{.hidden_size = 1024,
                                .intermediate_size = 4096,
                                .num_hidden_layers = 23,
                                .num_attention_heads = 16,
                                .hidden_act = TextActivation::Gelu};
    EXPECT_EQ(size_of(second), 340'387'840);
    ClipTextConfig tiny = first; // the arithmetic is the module's
    tiny.vocab_size = 13;
    tiny.hidden_size = 24;
    tiny.intermediate_size = 20;
    tiny.num_hidden_layers = 2;
    EXPECT_EQ(size_of(tiny), parameters_of(ClipText(tiny)));
}

TEST(ClipText, ReadsWhatItWroteAndRefusesTheRest)
{
    const ClipTextConfig config{
        .hidden_size = 32, .num_attention_heads = 4, .hidden_act = TextActivation::Gelu};
    const auto again = test::value(ClipTextConfig::from_json(config.to_json()));
    EXPECT_EQ(again.to_json(), config.to_json());
    for (const auto& [key, wrong] :
         std::vector<std::pair<std::string, io::Json>>{{"hidden_act", "relu"},
                                                       {"hidden_size", 33},
                                                       {"num_attention_heads", 0},
                                                       {"layer_norm_eps", 0.0},
                                                       {"num_hidden_layers", 5000}}) {
        io::Json json = config.to_json();
        json[key] = wrong;
        EXPECT_FALSE(ClipTextConfig::from_json(json)) << key;
    }
}

// Oracle: diffusers.
TEST(LdmBert, EqualsDiffusers)
{
    const Golden golden("ldm_bert");
    LdmBert model(test::value(LdmBertConfig::from_json(golden.json("config"))));
    golden.fill(*model);
    EXPECT_EQ(parameters_of(model), golden.parameters());
    const at::NoGradGuard no_grad;
    test::expect_close(model(golden.data("ids")), golden.data("out"), kTolerance);
    test::expect_close(model(golden.data("short_ids")), golden.data("short_out"), kTolerance);
}

TEST(LdmBert, ReadsWhatItWroteAndRefusesTheRest)
{
    const LdmBertConfig config{.d_model = 24, .encoder_layers = 2};
    EXPECT_EQ(test::value(LdmBertConfig::from_json(config.to_json())).to_json(), config.to_json());
    for (const auto& [key, wrong] : std::vector<std::pair<std::string, io::Json>>{
             {"activation_function", "relu"}, {"d_model", 0}, {"encoder_layers", 5000}}) {
        io::Json json = config.to_json();
        json[key] = wrong;
        EXPECT_FALSE(LdmBertConfig::from_json(json)) << key;
    }
}

} // namespace
} // namespace velamen::nn
