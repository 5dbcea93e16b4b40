// SPDX-License-Identifier: GPL-3.0-or-later
//
// One door to all containers: it gives what each container's own reader gives.

#include "engine/io/tensor_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/core/file.h"
#include "engine/io/safetensors.h"
#include "engine/io/torch_file.h"
#include "tests/support/temp_dir.h"

namespace velamen::io {
namespace {

namespace fs = std::filesystem;

const fs::path kTorchFiles = fs::path(VELAMEN_SOURCE_DIR) / "tests/goldens/torch_files";
const std::array<float, 6> kData{1, 2, 3, 4, 5, 6};
const auto kBytes = std::as_bytes(std::span(kData));

std::shared_ptr<const TensorFile> open(const fs::path& path)
{
    auto file = TensorFile::open(path);
    EXPECT_TRUE(file) << file.error().message;
    return file ? *file : nullptr;
}

TEST(TensorFileTest, GivesWhatASafetensorsFileHolds)
{
    const test::TempDir dir;
    const fs::path path = dir.path() / "weights.bin"; // the name does not matter
    const std::vector<TensorView> views{{"b", DType::F32, {2, 3}, kBytes},
                                        {"a", DType::F32, {1}, kBytes.first(4)}};
    ASSERT_TRUE(write_safetensors(path, views, {{"format", "pt"}, {"made_by", "test"}}));
    const auto file = open(path);
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(file->tensors().size(), 2u);
    EXPECT_EQ(file->metadata().at("made_by"), "test");
    EXPECT_EQ(file->find("none"), 2u);
    std::vector<std::byte> buffer;
    for (const TensorView& view : views) {
        const std::size_t index = file->find(view.name);
        ASSERT_LT(index, 2u);
        EXPECT_EQ(file->tensors()[index].shape, view.shape);
        EXPECT_TRUE(std::ranges::equal(file->bytes(index, buffer), view.bytes));
    }
    EXPECT_EQ(file->files(), std::vector{path});
}

TEST(TensorFileTest, GivesTheTensorsOfAllShards)
{
    const test::TempDir dir;
    const std::vector<TensorView> one{{"a", DType::F32, {2, 3}, kBytes}};
    const std::vector<TensorView> two{{"b", DType::F32, {1}, kBytes.last(4)}};
    ASSERT_TRUE(write_safetensors(dir.path() / "m-00001-of-00002.safetensors", one));
    ASSERT_TRUE(write_safetensors(dir.path() / "m-00002-of-00002.safetensors", two));
    const fs::path index = dir.path() / "m.safetensors.index.json";
    ASSERT_TRUE(core::write_file(index,
                                 R"({"weight_map":{"a":"m-00001-of-00002.safetensors",)"
                                 R"("b":"m-00002-of-00002.safetensors"}})"));
    const auto file = open(index);
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(file->files().size(), 3u);
    std::vector<std::byte> buffer;
    EXPECT_TRUE(std::ranges::equal(file->bytes(file->find("b"), buffer), kBytes.last(4)));
}

/// A name in tests/goldens/torch_files.
class TorchTensorFile : public testing::TestWithParam<const char*> {};

TEST_P(TorchTensorFile, GivesTheElementsRowByRow)
{
    const fs::path path = kTorchFiles / GetParam();
    const auto file = open(path);
    const auto expected = TorchFile::open(path);
    ASSERT_NE(file, nullptr);
    ASSERT_TRUE(expected) << expected.error().message;
    ASSERT_EQ(file->tensors().size(), expected->tensors().size());
    std::vector<std::byte> buffer, other;
    for (std::size_t i = 0; i < expected->tensors().size(); ++i) {
        const TorchTensor& tensor = expected->tensors()[i];
        EXPECT_EQ(file->tensors()[i].name, tensor.name);
        EXPECT_TRUE(std::ranges::equal(file->bytes(i, buffer), row_major(tensor, other)))
            << tensor.name;
    }
}

INSTANTIATE_TEST_SUITE_P(Files, TorchTensorFile,
                         testing::Values("views.pt", "views_legacy.pt", "parameters.bin",
                                         "lightning.ckpt"));

TEST(TensorFileTest, KeepsTheNumbersBesideTheTensors)
{
    const auto file = open(kTorchFiles / "lightning.ckpt");
    ASSERT_NE(file, nullptr);
    const auto expected = TorchFile::open(kTorchFiles / "lightning.ckpt");
    ASSERT_TRUE(expected->numbers().contains("global_step"));
    EXPECT_EQ(file->numbers().at("global_step"),
              std::get<std::int64_t>(expected->numbers().find("global_step")->second));
}

// Memory of the caller's own: written without reaching the file, given back without losing it.
TEST(TensorFileTest, GivesPagesThatMayBeWritten)
{
    const test::TempDir dir;
    const fs::path path = dir.path() / "w.safetensors";
    std::vector<float> many(50'000);
    for (std::size_t i = 0; i < many.size(); ++i)
        many[i] = static_cast<float>(i);
    const std::vector<TensorView> views{
        {"small", DType::F32, {2, 3}, kBytes},
        {"many", DType::F32, {50'000}, std::as_bytes(std::span(many))}};
    ASSERT_TRUE(write_safetensors(path, views));
    const auto file = open(path);
    ASSERT_NE(file, nullptr);
    const std::size_t index = file->find("many");
    const auto own = file->own(index);
    ASSERT_NE(own, nullptr);
    auto* values = reinterpret_cast<float*>(own.get());
    EXPECT_EQ(values[49'999], 49'999.0F);
    std::fill_n(values, many.size(), -1.0F);
    std::vector<std::byte> buffer;
    EXPECT_TRUE(std::ranges::equal(file->bytes(index, buffer), views[1].bytes));
    EXPECT_EQ(reinterpret_cast<const float*>(file->own(file->find("small")).get())[0], 1.0F);

    forget_pages(own.get(), many.size() * sizeof(float));
    EXPECT_EQ(values[25'000], 25'000.0F); // a page inside is the file's again
    EXPECT_EQ(values[0], -1.0F);          // the first is shared with its neighbour
    forget_pages(own.get(), 0);
}

TEST(TensorFileTest, SaysWhatAWrongFileIs)
{
    const test::TempDir dir;
    const fs::path pointer = dir.path() / "model.safetensors";
    ASSERT_TRUE(core::write_file(pointer, "version https://git-lfs.github.com/spec/v1\n"));
    const auto lfs = TensorFile::open(pointer);
    ASSERT_FALSE(lfs);
    EXPECT_NE(lfs.error().message.find("git-lfs"), std::string::npos) << lfs.error().message;
    EXPECT_EQ(TensorFile::open(dir.path() / "none.ckpt").error().code, ErrorCode::NotFound);
    ASSERT_TRUE(core::write_file(dir.path() / "notes.ckpt", "hello"));
    EXPECT_FALSE(TensorFile::open(dir.path() / "notes.ckpt"));
}

/// Of this process, from files and otherwise.
std::size_t resident_bytes()
{
    std::ifstream file("/proc/self/statm");
    std::size_t size = 0, resident = 0;
    file >> size >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(TensorFileTest, GivesBackTheMemoryOfWhatWasReadAndReadsItAgain)
{
    constexpr std::size_t kSize = std::size_t{64} << 20;
    const test::TempDir dir;
    const fs::path path = dir.path() / "large.safetensors";
    {
        const std::vector<std::byte> data(kSize, std::byte{7});
        const std::vector<TensorView> views{
            {"a", DType::U8, {static_cast<std::int64_t>(kSize)}, data}};
        std::size_t told = 0;
        ASSERT_TRUE(write_safetensors(path, views, {}, [&](const TensorView& one) -> Result<> {
            told += one.bytes.size();
            return {};
        }));
        EXPECT_EQ(told, kSize);
    }
    const auto file = open(path);
    ASSERT_NE(file, nullptr);
    std::vector<std::byte> buffer;
    const auto bytes = file->bytes(0, buffer);
    const auto count = [&] { return std::ranges::count(bytes, std::byte{7}); };
    EXPECT_EQ(count(), static_cast<std::ptrdiff_t>(kSize));
    const std::size_t before = resident_bytes();
    file->give_back(bytes);
    EXPECT_LT(resident_bytes() + kSize / 2, before);
    EXPECT_EQ(count(), static_cast<std::ptrdiff_t>(kSize));
    file->give_back(buffer); // no part of the file: nothing happens
}

} // namespace
} // namespace velamen::io
