// SPDX-License-Identifier: GPL-3.0-or-later
//
// The autoencoder with a codebook against diffusers.

#include "engine/nn/autoencoder/vq_model.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "tests/engine/nn/golden.h"

namespace velamen::nn {
namespace {

using test::Golden;

VqModel load(const Golden& golden)
{
    VqModel model(test::value(VqModelConfig::from_json(golden.json("config"))));
    golden.fill(*model);
    return model;
}

// Oracle: diffusers, all parameters random.
TEST(VqModel, AgreesWithDiffusersInBothDirections)
{
    const at::NoGradGuard no_grad;
    const Golden golden("vq");
    VqModel model = load(golden);
    test::expect_close(model->encode(golden.data("sample")).mean, golden.data("encoded"), 1e-5);
    test::expect_close(model->decode(golden.data("latents")), golden.data("decoded"), 1e-5);
}

// What lies nearest to the same code becomes the same image.
TEST(VqModel, DecodesByTheNearestCode)
{
    const at::NoGradGuard no_grad;
    const Golden golden("vq");
    VqModel model = load(golden);
    const at::Tensor codes = golden["weight/quantize.embedding.weight"].to(at::kFloat);
    const at::Tensor gaps =
        at::cdist(codes, codes) + 1e9 * at::eye(codes.size(0)); // to the nearest other one
    const at::Tensor z =
        codes.index_select(0, torch::arange(4)).t().reshape({1, codes.size(1), 2, 2});
    const double shift = 0.4 * gaps.narrow(0, 0, 4).min().item<double>()
        / std::sqrt(static_cast<double>(codes.size(1)));
    test::expect_close(model->decode(z + shift), model->decode(z), 1e-5);
}

TEST(VqModel, WritesTheConfigThatItRead)
{
    const Golden golden("vq");
    const io::Json given = golden.json("config");
    const io::Json written = test::value(VqModelConfig::from_json(given)).to_json();
    for (const auto& [key, value] : *written.if_object())
        EXPECT_EQ(given.find(key)->dump(), value.dump()) << key;
    io::Json spatial = given;
    spatial["norm_type"] = "spatial";
    EXPECT_FALSE(VqModelConfig::from_json(spatial));
    io::Json empty = given;
    empty["num_vq_embeddings"] = 0;
    EXPECT_FALSE(VqModelConfig::from_json(empty));
}

// Published: the first stage of cin256-v2 and ldm-celebahq-256.
TEST(VqModel, HasThePublishedSize)
{
    VqModelConfig config{.coder = {.down_block_types = {3, "DownEncoderBlock2D"},
                                   .up_block_types = {3, "UpDecoderBlock2D"},
                                   .block_out_channels = {128, 256, 512},
                                   .layers_per_block = 2,
                                   .latent_channels = 3},
                         .num_vq_embeddings = 8192,
                         .vq_embed_dim = 3};
    std::int64_t parameters = 0, tensors = 0;
    for (const auto& parameter : VqModel(config)->parameters()) {
        parameters += parameter.numel();
        ++tensors;
    }
    EXPECT_EQ(parameters, 55'322'782);
    EXPECT_EQ(tensors, 205);
}

} // namespace
} // namespace velamen::nn
