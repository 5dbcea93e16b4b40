// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which rows go where. The oracles are obvious loops over numbered rows.

#include <numeric>

#include <gtest/gtest.h>

#include "engine/keymap/blueprint.h"
#include "tests/engine/keymap/goldens.h"

namespace velamen::keymap {
namespace {

using namespace test;

Part part_of(const std::vector<Entry>& entries)
{
    Part part(entries);
    for (std::size_t i = 0; i < entries.size(); ++i)
        part.add(entries[i].name, i);
    return part;
}

Blueprint qkv(std::int64_t channels, std::int64_t heads)
{
    Blueprint blueprint;
    blueprint.thirds("qkv.weight", "qkv.bias", {"to_q", "to_k", "to_v"}, channels, 1, heads);
    return blueprint;
}

std::vector<Entry> joined(std::int64_t channels)
{
    return {{"qkv.weight", DType::F16, {3 * channels, channels, 1}},
            {"qkv.bias", DType::F16, {3 * channels}}};
}

// QKVAttentionLegacy: qkv.reshape(N * H, 3 * d, T).split(d, dim=1).
TEST(Rows, LegacyAttentionHasTheHeadsOutermost)
{
    for (const std::int64_t heads : {1, 2, 3, 6}) {
        constexpr std::int64_t kChannels = 12;
        const std::int64_t width = kChannels / heads;
        const auto entries = joined(kChannels);
        const auto ours = to_ours(qkv(kChannels, heads), part_of(entries), "a test");
        ASSERT_TRUE(ours) << ours.error().message;
        for (const auto& [name, third] : std::vector<std::pair<std::string, std::int64_t>>{
                 {"to_q", 0}, {"to_k", 1}, {"to_v", 2}})
            for (const char* kind : {".weight", ".bias"}) {
                std::vector<Row> expected;
                for (std::int64_t row = 0; row < 3 * kChannels; ++row)
                    if (row % (3 * width) / width == third)
                        expected.emplace_back(kind == std::string(".weight") ? 0 : 1, row);
                const Mapped* mapped = tensor(*ours, name + kind);
                ASSERT_NE(mapped, nullptr);
                EXPECT_EQ(rows_of(*mapped), expected) << name << kind << ", " << heads << " heads";
                EXPECT_EQ(mapped->dtype, DType::F16);
            }
        EXPECT_EQ(tensor(*ours, "to_q.weight")->shape, (Shape{kChannels, kChannels}));
    }
}

TEST(Rows, QueryKeyAndValueAreJoinedHeadByHead)
{
    constexpr std::int64_t kChannels = 6, kHeads = 3, kWidth = 2;
    const std::vector<Entry> entries{
        {"to_v.bias", DType::F32, {6}},      {"to_q.weight", DType::F32, {6, 6}},
        {"to_k.weight", DType::F32, {6, 6}}, {"to_v.weight", DType::F32, {6, 6}},
        {"to_q.bias", DType::F32, {6}},      {"to_k.bias", DType::F32, {6}}};
    const auto theirs = to_theirs(qkv(kChannels, kHeads), part_of(entries), "a test", "x.");
    ASSERT_TRUE(theirs) << theirs.error().message;
    ASSERT_EQ(theirs->size(), 2U);
    std::vector<Row> expected;
    for (std::int64_t head = 0; head < kHeads; ++head)
        for (const std::size_t source : {1, 2, 3}) // q, k, v
            for (std::int64_t row = 0; row < kWidth; ++row)
                expected.emplace_back(source, head * kWidth + row);
    EXPECT_EQ(rows_of(*tensor(*theirs, "x.qkv.weight")), expected);
    EXPECT_EQ(tensor(*theirs, "x.qkv.weight")->shape, (Shape{18, 6, 1}));
    EXPECT_EQ(tensor(*theirs, "x.qkv.bias")->shape, (Shape{18}));
}

TEST(Rows, OpenClipHasQueriesThenKeysThenValues)
{
    const auto entries = twin("open_clip");
    const auto file = from_compvis(entries, twin_options("open_clip"));
    ASSERT_TRUE(file) << file.error().message;
    const auto& tensors = component(*file, "text_encoder")->tensors;
    const std::string theirs = "cond_stage_model.model.transformer.resblocks.1.attn.in_proj_weight";
    std::int64_t first = 0;
    for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
        const Mapped* mapped =
            tensor(tensors, std::string("encoder.layers.1.self_attn.") + name + ".weight");
        ASSERT_NE(mapped, nullptr);
        ASSERT_EQ(mapped->pieces.size(), 1U);
        EXPECT_EQ(entries[mapped->pieces[0].source].name, theirs);
        EXPECT_EQ(mapped->pieces[0].first, first);
        EXPECT_EQ(mapped->pieces[0].rows, 32);
        first += 32;
    }
}

TEST(Rows, DifferentTypesAreNotJoined)
{
    std::vector<Entry> entries;
    for (const char* name : {"to_q", "to_k", "to_v"}) {
        entries.push_back({name + std::string(".weight"), DType::F32, {4, 4}});
        entries.push_back({name + std::string(".bias"), DType::F32, {4}});
    }
    entries[4].dtype = DType::BF16; // to_v.weight
    const auto theirs = to_theirs(qkv(4, 2), part_of(entries), "a test", "");
    ASSERT_FALSE(theirs);
    EXPECT_EQ(theirs.error().message,
              "to_v.weight is BF16, but has to be joined with F32 as qkv.weight");
}

TEST(Rows, PixelConvolutionsMayBeStoredAsLinearLayers)
{
    auto entries = twin("kl");
    for (Entry& entry : entries)
        if (entry.name.ends_with("attn_1.q.weight")) entry.shape = {64, 64};
    const auto file = from_compvis(entries);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(tensor(component(*file, "vae")->tensors, "encoder.mid_block.attentions.0.to_q.weight")
                  ->shape,
              (Shape{64, 64}));
}

TEST(Rows, DifferencesAreCountedAndNamed)
{
    Blueprint blueprint;
    blueprint.linear("a", "b", 2, 3);
    const std::vector<Entry> entries{{"a.weight", DType::F32, {3, 2}}, {"c", DType::F32, {1}}};
    const auto ours = to_ours(blueprint, part_of(entries), "the test");
    ASSERT_FALSE(ours);
    EXPECT_EQ(ours.error().code, ErrorCode::Unsupported);
    EXPECT_EQ(
        ours.error().message,
        "the test is of an unknown architecture: 0 of 2 tensors recognised, 1 missing "
        "(a.bias), 1 not recognised (c), 1 of another shape (a.weight [3,2] instead of [2,3])");
}

} // namespace
} // namespace velamen::keymap
