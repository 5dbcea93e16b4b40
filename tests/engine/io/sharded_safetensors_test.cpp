// SPDX-License-Identifier: GPL-3.0-or-later
//
// An index and its shards: they agree in every tensor, or they are refused.

#include <array>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/io/sharded_safetensors.h"
#include "tests/support/temp_dir.h"

namespace velamen::io {
namespace {

const std::array<float, 6> kData{1, 2, 3, 4, 5, 6};
const auto kBytes = std::as_bytes(std::span(kData));

/// Two shards with three tensors.
class ShardedSafetensorsTest : public testing::Test {
protected:
    void SetUp() override
    {
        const std::vector<TensorView> one{{"a", DType::F32, {2, 3}, kBytes},
                                          {"b", DType::F32, {1}, kBytes.first(4)}};
        const std::vector<TensorView> two{{"c", DType::U8, {3}, kBytes.first(3)}};
        ASSERT_TRUE(write_safetensors(dir_.path() / "m-00001-of-00002.safetensors", one));
        ASSERT_TRUE(write_safetensors(dir_.path() / "m-00002-of-00002.safetensors", two));
    }

    Result<ShardedSafetensors> open(const std::string& index)
    {
        const auto path = dir_.path() / "m.safetensors.index.json";
        EXPECT_TRUE(core::write_file(path, index));
        return ShardedSafetensors::open(path);
    }

    /// Tensor and shard, joined to an index; "1" and "2" stand for the shards.
    static std::string index_of(const std::vector<std::array<std::string, 2>>& entries)
    {
        std::string text = R"({"metadata":{"total_size":31},"weight_map":{)";
        for (const auto& [tensor, shard] : entries) {
            const bool is_number = shard == "1" || shard == "2";
            text += (text.back() == '{' ? "\"" : ",\"") + tensor + "\":\""
                + (is_number ? "m-0000" + shard + "-of-00002.safetensors" : shard) + "\"";
        }
        return text + "}}";
    }

    test::TempDir dir_;
};

TEST_F(ShardedSafetensorsTest, GiveTheTensorsOfAllShards)
{
    const auto file = open(index_of({{"c", "2"}, {"a", "1"}, {"b", "1"}}));
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_EQ(file->tensors().size(), 3U);
    EXPECT_EQ(file->tensors()[0].name, "a");
    EXPECT_EQ(file->tensors()[2].name, "c");
    const TensorView* a = file->find("a");
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->shape, (Shape{2, 3}));
    EXPECT_TRUE(std::ranges::equal(a->bytes, kBytes));
    EXPECT_EQ(file->find("c")->dtype, DType::U8);
    EXPECT_EQ(file->find("d"), nullptr);
}

TEST_F(ShardedSafetensorsTest, RefuseEveryDisagreement)
{
    const std::array<std::string, 2> a{"a", "1"}, b{"b", "1"}, c{"c", "2"};
    struct Defect {
        std::string index;
        const char* says; ///< a part of the message
    };
    std::vector<Defect> defects{
        {index_of({a, b, c, {"d", "2"}}), "tensor d is missing"},
        {index_of({a, c}), "tensor b is not in this shard's index"},
        {index_of({a, {"b", "2"}, c}), "tensor b is not in this shard's index"},
        {index_of({a, b, c, {"a", "2"}}), "twice"},
        {"{\"weight_map\":[]}", "no weight_map"},
        {"{}", "no weight_map"},
        {"[]", "no weight_map"},
        {"{", "not valid JSON"},
        {R"({"weight_map":{"a":1}})", "in no file beside"},
        {"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"},
    };
    for (const char* name : {"", ".", "..", "../m-00002-of-00002.safetensors", "/etc/passwd",
                             "sub/m.safetensors", "..\\\\m.safetensors", "m\\u0000.safetensors"})
        defects.push_back({index_of({a, b, {"c", name}}), "tensor c is in no file beside"});
    for (const Defect& defect : defects) {
        const auto file = open(defect.index);
        ASSERT_FALSE(file) << defect.index;
        EXPECT_EQ(file.error().code, ErrorCode::Corrupt) << defect.index;
        EXPECT_NE(file.error().message.find(defect.says), std::string::npos)
            << defect.index << ": " << file.error().message;
        EXPECT_FALSE(file.error().hint.empty()) << defect.index;
    }
    EXPECT_EQ(open(index_of({a, b, {"c", "absent.safetensors"}})).error().code,
              ErrorCode::NotFound);
}

TEST_F(ShardedSafetensorsTest, RefuseATensorInTwoShards)
{
    const std::vector<TensorView> two{{"c", DType::U8, {3}, kBytes.first(3)},
                                      {"a", DType::F32, {1}, kBytes.first(4)}};
    ASSERT_TRUE(write_safetensors(dir_.path() / "m-00002-of-00002.safetensors", two));
    EXPECT_FALSE(open(index_of({{"a", "1"}, {"b", "1"}, {"c", "2"}})));
}

} // namespace
} // namespace velamen::io
