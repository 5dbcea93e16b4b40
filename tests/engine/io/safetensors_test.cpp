// SPDX-License-Identifier: GPL-3.0-or-later
//
// Round trip and refusals of the safetensors container. The oracle is the format's own text: 8-byte
// little-endian length, JSON, tensors that tile the rest without hole or overlap.

#include <array>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "tests/support/temp_dir.h"

namespace velamen::io {
namespace {

std::string container(const std::string& header, std::size_t data_bytes)
{
    const std::uint64_t size = header.size();
    std::string text(8, '\0');
    std::memcpy(text.data(), &size, 8);
    return text + header + std::string(data_bytes, 'x');
}

Result<SafetensorsFile> open_text(const std::string& text)
{
    const test::TempDir dir;
    const auto path = dir.path() / "model.safetensors";
    EXPECT_TRUE(core::write_file(path, text));
    return SafetensorsFile::open(path);
}

TEST(Safetensors, ComesBackAsItWasWritten)
{
    const std::array<float, 6> weights{1, 2, 3, 4, 5, 6};
    const std::array<std::int64_t, 1> scalar{-7};
    const std::vector<TensorView> tensors{
        {"unet.weight", DType::F32, {2, 3}, std::as_bytes(std::span(weights))},
        {"flag", DType::Bool, {3}, std::as_bytes(std::span(weights)).first(3)},
        {"nothing", DType::F16, {0, 1'000'000'000'000, 1'000'000'000'000}, {}},
        {"step", DType::I64, {}, std::as_bytes(std::span(scalar))},
    };
    const test::TempDir dir;
    const auto path = dir.path() / "t.safetensors";
    ASSERT_TRUE(write_safetensors(path, tensors, {{"format", "pt"}, {"a", "\"b\""}}));
    const auto file = SafetensorsFile::open(path);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->metadata().at("a"), "\"b\"");
    ASSERT_EQ(file->tensors().size(), 4U);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const TensorView* back = file->find(tensors[i].name);
        ASSERT_NE(back, nullptr);
        EXPECT_EQ(back->dtype, tensors[i].dtype);
        EXPECT_EQ(back->shape, tensors[i].shape);
        EXPECT_TRUE(std::ranges::equal(back->bytes, tensors[i].bytes));
    }
    EXPECT_EQ(file->tensors()[0].name, "unet.weight");
    EXPECT_EQ(file->find("absent"), nullptr);
    const auto text = core::read_file(path);
    std::uint64_t header = 0;
    std::memcpy(&header, text->data(), 8);
    EXPECT_EQ(header % 8, 0U);
    EXPECT_EQ((*text)[8], '{');
}

TEST(Safetensors, WritesAFileWithoutTensors)
{
    const test::TempDir dir;
    ASSERT_TRUE(write_safetensors(dir.path() / "e.safetensors", {}));
    EXPECT_TRUE(SafetensorsFile::open(dir.path() / "e.safetensors")->tensors().empty());
}

TEST(Safetensors, DoesNotWriteWhatItWouldNotRead)
{
    const test::TempDir dir;
    const std::array<float, 2> data{};
    const auto bytes = std::as_bytes(std::span(data));
    const auto path = dir.path() / "t.safetensors";
    const std::vector<TensorView> twice{{"a", DType::F32, {2}, bytes},
                                        {"a", DType::F32, {2}, bytes}};
    EXPECT_FALSE(write_safetensors(path, twice));
    const std::vector<TensorView> wrong{{"a", DType::F32, {3}, bytes}};
    EXPECT_FALSE(write_safetensors(path, wrong));
    const std::vector<TensorView> reserved{{"__metadata__", DType::F32, {2}, bytes}};
    EXPECT_FALSE(write_safetensors(path, reserved));
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(Safetensors, AnErrorOfTheListenerEndsTheWritingAndLeavesNothing)
{
    const test::TempDir dir;
    const std::vector<std::byte> data(8);
    const std::vector<TensorView> tensors{{"a", DType::U8, {8}, data}, {"b", DType::U8, {8}, data}};
    int heard = 0;
    const auto written = write_safetensors(dir.path() / "x.safetensors", tensors, {},
                                           [&](const TensorView&) -> Result<> {
                                               ++heard;
                                               return fail(ErrorCode::Cancelled, "Cancelled.");
                                           });
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::Cancelled);
    EXPECT_EQ(heard, 1);
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(Safetensors, AcceptsTrailingSpacesAndAnyOrderOfTheHeader)
{
    const auto file =
        open_text(container(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},)"
                            R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   )",
                            6));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->tensors()[0].name, "a");
    EXPECT_EQ(file->tensors()[1].name, "b");
}

struct Defect {
    const char* name;
    std::string text;
    const char* says; ///< a part of the message
};

std::vector<Defect> defects()
{
    const auto one = [](const std::string& entry, std::size_t data) {
        return container("{\"a\":" + entry + "}", data);
    };
    const std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
    std::string huge(8, '\xff');
    huge[7] = '\x00';
    return {
        {"empty", "", "truncated"},
        {"seven bytes", "\x01\x02\x03\x04\x05\x06\x07", "truncated"},
        {"header over the end", one(good, 8).substr(0, 20), "truncated: header needs"},
        {"60 bytes of header, a \"<\"",
         container("{\"a\":" + good + std::string(54 - good.size(), ' ') + "}", 8).substr(0, 20),
         "truncated: header needs 60"},
        {"N too large", huge + "{}", "not a safetensors file"},
        {"git-lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git-lfs"},
        {"html", "<!DOCTYPE html><html></html>", "HTML"},
        {"html after blanks", "\n  <html>aaaaaaaaaaaaaa", "HTML"},
        {"zip", std::string("PK\x03\x04\x14\x00\x08\x08", 8) + "archive/data.pkl", "zip"},
        {"leading blank", container(" {}", 0), "start with"},
        {"array", container("[]", 0), "start with"},
        {"not JSON", container("{\"a\":}", 0), "not valid JSON"},
        {"not UTF-8", container("{\"\xff\":1}", 0), "not valid JSON"},
        {"dup key", container("{\"a\":" + good + ",\"a\":" + good + "}", 8), "twice"},
        {"dup field", one(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8),
         "twice"},
        {"unknown field", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})", 8),
         "unknown field"},
        {"entry is a number", one("3", 0), "not described"},
        {"unknown dtype", one(R"({"dtype":"F128","shape":[2],"data_offsets":[0,8]})", 8), "F128"},
        {"no shape", one(R"({"dtype":"F32","data_offsets":[0,8]})", 8), "shape"},
        {"fractional dim", one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", 8),
         "shape"},
        {"negative dims", one(R"({"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]})", 8),
         "negative"},
        {"overflow",
         one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]})", 8),
         "too large"},
        {"wrong size", one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", 8), "12 bytes"},
        {"backwards", one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", 8),
         "data_offsets"},
        {"negative offset", one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})", 8),
         "data_offsets"},
        {"three offsets", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})", 8),
         "data_offsets"},
        {"hole at the start", one(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})", 12),
         "hole"},
        {"hole between",
         container("{\"a\":" + good + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}})",
                   10),
         "hole"},
        {"overlap",
         container("{\"a\":" + good + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}})",
                   10),
         "b overlaps a"},
        {"alias", container("{\"a\":" + good + ",\"b\":" + good + "}", 8), "overlaps"},
        {"data cut", one(good, 7), "truncated: tensor a"},
        {"data left over", one(good, 9), "1 bytes belong to no tensor"},
        {"metadata of numbers", container(R"({"__metadata__":{"a":1}})", 0), "__metadata__"},
        {"metadata is a text", container(R"({"__metadata__":"a"})", 0), "__metadata__"},
    };
}

TEST(Safetensors, RefusesEveryDefectWithItsCause)
{
    for (const Defect& defect : defects()) {
        const auto file = open_text(defect.text);
        ASSERT_FALSE(file) << defect.name;
        EXPECT_EQ(file.error().code, ErrorCode::Corrupt) << defect.name;
        EXPECT_NE(file.error().message.find(defect.says), std::string::npos)
            << defect.name << ": " << file.error().message;
    }
}

TEST(Safetensors, RefusesEveryTruncationOfAGoodFile)
{
    const std::string good =
        container(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
    ASSERT_TRUE(open_text(good));
    for (std::size_t length = 0; length < good.size(); ++length)
        EXPECT_FALSE(open_text(good.substr(0, length))) << length;
}

TEST(Safetensors, TellsAMissingFileFromABrokenOne)
{
    const test::TempDir dir;
    EXPECT_EQ(SafetensorsFile::open(dir.path() / "none").error().code, ErrorCode::NotFound);
    EXPECT_EQ(SafetensorsFile::open(dir.path()).error().code, ErrorCode::Unreadable);
}

} // namespace
} // namespace velamen::io
