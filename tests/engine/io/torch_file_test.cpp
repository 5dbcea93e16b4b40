// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whole checkpoint files. The oracle for good ones is torch itself: tests/goldens/torch_files and
// the values that torch held after loading them (make_torch_files.py). Bad ones are made by hand.

#include <algorithm>
#include <array>
#include <fstream>

#include <gtest/gtest.h>

#include "engine/core/file.h"
#include "engine/io/byte_reader.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/io/torch_file.h"
#include "tests/engine/io/torch_parts.h"
#include "tests/support/temp_dir.h"

namespace velamen::io {
namespace {

using namespace parts;
namespace fs = std::filesystem;

const fs::path kGoldens = fs::path(VELAMEN_SOURCE_DIR) / "tests/goldens/torch_files";

Result<TorchFile> open_text(const std::string& text, const std::string& name = "model.ckpt")
{
    const test::TempDir dir;
    EXPECT_TRUE(core::write_file(dir.path() / name, text));
    return TorchFile::open(dir.path() / name);
}

std::string hex(std::span<const std::byte> bytes)
{
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : bytes) {
        text += kDigits[static_cast<std::size_t>(byte) >> 4];
        text += kDigits[static_cast<std::size_t>(byte) & 15];
    }
    return text;
}

const Json& expected()
{
    static const Json json =
        Json::parse(core::read_file(kGoldens / "expected.json").value()).value();
    return json;
}

TEST(TorchFile, HoldsWhatTorchHolds)
{
    ASSERT_EQ(expected().if_object()->size(), 10U);
    for (const auto& [name, holds] : *expected().if_object()) {
        const auto file = TorchFile::open(kGoldens / name);
        ASSERT_TRUE(file) << file.error().message;
        const auto& wanted = *holds.find("tensors")->if_array();
        ASSERT_EQ(file->tensors().size(), wanted.size()) << name;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const TorchTensor& tensor = file->tensors()[i];
            const std::string where = name + ": " + tensor.name;
            EXPECT_EQ(tensor.name, *wanted[i].text("name"));
            EXPECT_EQ(file->find(tensor.name), &tensor);
            EXPECT_EQ(name_of(tensor.dtype), *wanted[i].text("dtype")) << where;
            EXPECT_EQ(tensor.shape, *wanted[i].integers("shape")) << where;
            EXPECT_EQ(tensor.is_contiguous(), *wanted[i].flag("contiguous")) << where;
            std::vector<std::byte> buffer;
            EXPECT_EQ(hex(row_major(tensor, buffer)), *wanted[i].text("hex")) << where;
            EXPECT_EQ(buffer.empty(), tensor.is_contiguous()) << where;
        }
        EXPECT_EQ(file->find("absent"), nullptr);
    }
}

TEST(TorchFile, HoldsTheNumbersAroundTheTensors)
{
    for (const auto& [name, holds] : *expected().if_object()) {
        const auto file = TorchFile::open(kGoldens / name);
        ASSERT_TRUE(file) << file.error().message;
        const auto& wanted = *holds.find("numbers");
        EXPECT_EQ(file->numbers().size(), wanted.if_object()->size()) << name;
        for (const auto& [key, number] : file->numbers()) {
            const bool is_whole = std::holds_alternative<std::int64_t>(number);
            ASSERT_EQ(wanted.find(key)->is_integer(), is_whole) << name << ": " << key;
            if (is_whole)
                EXPECT_EQ(std::get<std::int64_t>(number), *wanted.integer(key)) << key;
            else
                EXPECT_EQ(std::get<double>(number), *wanted.number(key)) << key;
        }
    }
    EXPECT_EQ(std::get<std::int64_t>(
                  TorchFile::open(kGoldens / "lightning.ckpt")->numbers().at("global_step")),
              470'000);
    EXPECT_EQ(
        std::get<std::int64_t>(TorchFile::open(kGoldens / "nested.ckpt")->numbers().at("epoch")),
        1); // the outer one
}

TEST(TorchFile, ViewsOfOneStorageShareItsBytes)
{
    for (const char* name : {"views.pt", "views_legacy.pt"}) {
        const auto file = TorchFile::open(kGoldens / name);
        ASSERT_TRUE(file) << file.error().message;
        const TorchTensor *whole = file->find("whole"), *slice = file->find("slice");
        EXPECT_EQ(slice->bytes.data(), whole->bytes.data() + 16 * sizeof(float));
        EXPECT_EQ(file->find("transposed")->bytes.data(), whole->bytes.data());
        EXPECT_EQ(file->find("transposed")->strides, (Shape{1, 4, 12}));
    }
    const auto file = TorchFile::open(kGoldens / "parameters.bin");
    EXPECT_EQ(file->find("tied")->bytes.data(), file->find("2.bias")->bytes.data());
}

TEST(TorchFile, RefusesEveryTruncationOfAGoodFile)
{
    for (const char* name : {"views.pt", "views_legacy.pt"}) {
        const std::string good = core::read_file(kGoldens / name).value();
        const test::TempDir dir;
        const auto path = dir.path() / "cut.pt";
        ASSERT_TRUE(core::write_file(path, good));
        ASSERT_TRUE(TorchFile::open(path));
        for (std::size_t length = good.size(); length-- > 0;) {
            fs::resize_file(path, length);
            const auto file = TorchFile::open(path);
            ASSERT_FALSE(file) << name << " cut to " << length;
            EXPECT_TRUE(file.error().message.starts_with("cut.pt: truncated: "))
                << length << ": " << file.error().message;
            EXPECT_FALSE(file.error().hint.empty()) << length;
        }
    }
}

const std::string kSix = storage("FloatStorage", "0", 6);
const std::string kSixData(24, '\x01');
const std::string kWeight = tensor(kSix, 0, {2, 3}, {3, 1});

struct Defect {
    const char* name;
    std::string file;
    const char* says; ///< a part of the message
    ErrorCode code = ErrorCode::Corrupt;
};

void expect_refused(const std::vector<Defect>& defects)
{
    for (const Defect& defect : defects) {
        const auto file = open_text(defect.file);
        ASSERT_FALSE(file) << defect.name;
        const Error& error = file.error();
        EXPECT_EQ(error.code, defect.code) << defect.name << ": " << error.message;
        EXPECT_TRUE(error.message.starts_with("model.ckpt: ")) << error.message;
        EXPECT_NE(error.message.find(defect.says), std::string::npos)
            << defect.name << ": " << error.message;
        EXPECT_FALSE(error.hint.empty()) << defect.name;
    }
}

TEST(TorchFile, SaysWhatAForeignFileIs)
{
    const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    expect_refused({
        {"empty", "", "truncated: its signature is cut, file has 0 bytes"},
        {"start of a zip", "PK", "truncated: its signature is cut, file has 2 bytes"},
        {"start of a legacy file", kLegacyMagic.substr(0, 14), "truncated"},
        {"git-lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
         "a git-lfs pointer"},
        {"html", "<!DOCTYPE html><html></html>", "an HTML page"},
        {"safetensors", little<std::uint64_t>(header.size()) + header + "x",
         "a safetensors file named .ckpt"},
        {"safetensors cut", little<std::uint64_t>(header.size()) + header.substr(0, 9),
         "a safetensors file named .ckpt"},
        {"one brace", "{", "neither a safetensors nor a torch file"},
        {"text", "weights", "neither a safetensors nor a torch file"},
        {"zip of a folder", zip({{"folder/model.txt", "text"}}), "no torch file"},
    });
    const auto named = [](const std::string& text) {
        const test::TempDir dir;
        EXPECT_TRUE(core::write_file(dir.path() / "m.safetensors", text));
        return SafetensorsFile::open(dir.path() / "m.safetensors").error();
    };
    EXPECT_EQ(named(torch_zip(dict({}))).message, "m.safetensors: a torch zip named .safetensors");
    EXPECT_EQ(named(legacy(dict({}), {})).message,
              "m.safetensors: a legacy torch file named .safetensors");
    const test::TempDir dir;
    EXPECT_EQ(TorchFile::open(dir.path() / "none").error().code, ErrorCode::NotFound);
    EXPECT_EQ(TorchFile::open(dir.path()).error().code, ErrorCode::Unreadable);
}

TEST(TorchFile, RefusesEveryDefectOfAZip)
{
    const std::string weights = dict({{"a", kWeight}});
    const std::string good = torch_zip(weights, {{"0", kSixData}});
    ASSERT_TRUE(open_text(good));
    const ZipPart object{"m/data.pkl", pickle(weights)}, data{"m/data/0", kSixData};
    ASSERT_TRUE(open_text(zip({object, data}))); // before torch 2.0 nothing said the byte order
    const std::string evil = call(global("os", "system"), {text("touch pwned")});
    expect_refused({
        {"os.system", torch_zip(evil), "refused global os.system in data.pkl", ErrorCode::Refused},
        {"eval beside the tensors",
         torch_zip(dict({{"a", kWeight}, {"b", call(global("builtins", "eval"), {text("1")})}}),
                   {{"0", kSixData}}),
         "refused global builtins.eval in data.pkl", ErrorCode::Refused},
        {"big-endian", zip({object, data, {"m/byteorder", "big"}}), "ordered \"big\"",
         ErrorCode::Unsupported},
        {"compressed", zip({object, {.name = "m/data/0", .data = kSixData, .method = 8}}),
         "m/data/0 is compressed", ErrorCode::Unsupported},
        {"storage missing", torch_zip(weights), "storage archive/data/0 is missing"},
        {"storage short", torch_zip(weights, {{"0", kSixData.substr(1)}}),
         "storage archive/data/0 has 23 bytes, data.pkl needs 24"},
        {"storage long", torch_zip(weights, {{"0", kSixData + "x"}}), "has 25 bytes"},
        {"two pickles", zip({object, data, {"n/data.pkl", pickle("}")}}), "more than one data.pkl"},
        {"pickle not in a folder", zip({{"data.pkl", pickle(weights)}}), "without data.pkl"},
        {"bytes behind the pickle", zip({{"m/data.pkl", pickle(weights) + "."}, data}),
         "behind the end of data.pkl"},
        {"pickle cut", zip({{"m/data.pkl", "\x80\x02}"}}), "truncated: data.pkl ends"},
    });
    EXPECT_FALSE(fs::exists("pwned"));
}

TEST(TorchFile, RefusesEveryDefectOfALegacyFile)
{
    const std::string two =
        dict({{"a", kWeight}, {"b", tensor(storage("ByteStorage", "1", 2), 0, {2}, {1})}});
    const std::string six = little<std::int64_t>(6) + kSixData;
    const std::string pair = little<std::int64_t>(2) + "xy";
    const std::string one = dict({{"a", kWeight}});
    const auto good = open_text(legacy(two, {"1", "0"}) + pair + six);
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(text_of(good->find("b")->bytes), "xy"); // in the order of the list
    const std::string view =
        call(kRebuild,
             {tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"),
                     integer(6), tuple({text("v"), integer(0), integer(6)})})
                  + "Q",
              integer(0), numbers({6}), numbers({1}), kFalse, kNoHooks});
    expect_refused({
        {"other version", legacy(one, {"0"}, integer(1002)) + six, "unknown version",
         ErrorCode::Unsupported},
        {"big-endian", legacy(one, {"0"}, integer(1001), little_endian(false)) + six, "big-endian",
         ErrorCode::Unsupported},
        {"os.system", legacy(call(global("os", "system"), {text("touch pwned")}), {}),
         "refused global os.system", ErrorCode::Refused},
        {"eval in the version",
         legacy(one, {"0"}, call(global("builtins", "eval"), {text("1001")})) + six,
         "refused global builtins.eval", ErrorCode::Refused},
        {"key twice", legacy(one, {"0", "0"}) + six + six, "names one twice"},
        {"key of nothing", legacy(one, {"0", "7"}) + six + six, "that no tensor uses"},
        {"key missing", legacy(two, {"0"}) + six, "storage 1 is not in its list"},
        {"other count", legacy(one, {"0"}) + little<std::int64_t>(5) + kSixData,
         "storage 0 has 5 elements, its pickle says 6"},
        {"data cut", legacy(one, {"0"}) + six.substr(0, 31), "truncated: storage 0 needs 24 bytes"},
        {"count cut", legacy(one, {"0"}) + six.substr(0, 7), "truncated: storage 0 needs 24 bytes"},
        {"data left over", legacy(one, {"0"}) + six + "x", "1 bytes belong to no storage"},
        {"view of a storage", legacy(dict({{"a", view}}), {"0"}) + six, "view of another one"},
    });
    EXPECT_FALSE(fs::exists("pwned"));
}

TEST(TorchFile, TakesOnlyADictionaryOfTensors)
{
    const std::string scalar =
        call(global("numpy.core.multiarray", "scalar"), {global("numpy", "dtype"), text("x")});
    const auto file = [](const std::string& object) {
        return torch_zip(object, {{"0", kSixData}});
    };
    const auto in_state = [&](const std::string& entry) {
        return file(dict({{"state_dict", dict({{"a", kWeight}, {"b", entry}})}}));
    };
    const auto good = open_text(
        file(dict({{"state_dict", dict({{"a", kWeight}, {"n", integer(3)}, {"t", text("x")}})},
                   {"callbacks", scalar}})));
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(good->tensors().size(), 1U);
    EXPECT_EQ(std::get<std::int64_t>(good->numbers().at("n")), 3);
    expect_refused({
        {"a list", file("](" + kWeight + "e"), "no dictionary of tensors"},
        {"one tensor", file(kWeight), "no dictionary of tensors"},
        {"state_dict of a number", file(dict({{"state_dict", integer(1)}})), "is no dictionary"},
        {"numpy inside", in_state(scalar), "refused numpy.core.multiarray.scalar among the tensors",
         ErrorCode::Refused},
        {"a name inside", in_state(global("numpy", "dtype")), "refused numpy.dtype among",
         ErrorCode::Refused},
        {"a set inside", in_state("\x8f"), "refused builtins.set among", ErrorCode::Refused},
        {"a list inside", in_state("]"), "entry b is a collection", ErrorCode::Unsupported},
        {"a storage inside", in_state(kSix), "entry b is a collection", ErrorCode::Unsupported},
        {"a name twice", file(dict({{"a", kWeight}, {"a", kWeight}})), "key a is there twice"},
        {"a number as name", file("}" + integer(1) + kWeight + "s"), "no printable text"},
        {"unprintable name", file(dict({{"a\nb", kWeight}})), "no printable text"},
        {"endless nesting",
         file("}q" + std::string(1, '\0') + text("state_dict") + "h" + std::string(1, '\0') + "s"),
         "more than 8 dictionaries"},
    });
}

// One tensor under many names costs a few bytes of file and a record of memory for each.
TEST(TorchFile, TakesNoMoreMemoryThanTheFileAllows)
{
    std::string names = "}(";
    for (int i = 0; i < 6000; ++i)
        names += text(std::to_string(i)) + (i == 0 ? kWeight + "q\x01" : "h\x01");
    EXPECT_TRUE(open_text(torch_zip(names + "u", {{"0", kSixData}})));
    std::string more = "}(";
    for (int i = 0; i < 6000; ++i)
        more += text(std::to_string(i))
            + (i == 0 ? tensor(kSix, 0, {2, 3, 1, 1, 1}, {3, 1, 1, 1, 1}) + "q\x01" : "h\x01");
    const auto refused = open_text(torch_zip(more + "u", {{"0", kSixData}}));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("too many names"), std::string::npos);
}

// Sparse files: five gigabytes that are nowhere, so that reading them would be seen.
TEST(TorchFile, OpensLargeFilesWithoutTheirData)
{
    constexpr std::uint64_t kLarge = 5ULL << 30;
    const std::string object =
        dict({{"a",
               tensor(storage("ByteStorage", "0", static_cast<std::int64_t>(kLarge)), 0,
                      {5, 1 << 30}, {1 << 30, 1})}});
    const test::TempDir dir;
    const auto legacy_path = dir.path() / "legacy.ckpt", zip_path = dir.path() / "zip.ckpt";
    const std::string start = legacy(object, {"0"}) + little(kLarge);
    ASSERT_TRUE(core::write_file(legacy_path, start));
    fs::resize_file(legacy_path, start.size() + kLarge);

    const std::string wide =
        little<std::uint16_t>(1) + little<std::uint16_t>(16) + little(kLarge) + little(kLarge);
    const Zip made = zip_without_end(
        {{"m/data.pkl", pickle(object)}, {.name = "m/data/0", .size = 0xffffffff, .extra = wide}});
    const std::uint64_t directory = made.directory + kLarge, end = made.end + kLarge;
    ASSERT_TRUE(core::write_file(zip_path, made.bytes.substr(0, made.directory)));
    fs::resize_file(zip_path, directory);
    std::ofstream(zip_path, std::ios::app | std::ios::binary) << made.bytes.substr(made.directory)
            + end_record64(2, made.end - made.directory, directory, end)
            + end_record(2, static_cast<std::uint32_t>(made.end - made.directory), 0xffffffff);

    for (const auto& path : {legacy_path, zip_path}) {
        const auto file = TorchFile::open(path);
        ASSERT_TRUE(file) << file.error().message;
        EXPECT_EQ(file->tensors()[0].bytes.size(), kLarge);
        EXPECT_EQ(file->tensors()[0].bytes.back(), std::byte{0});
        EXPECT_TRUE(file->tensors()[0].is_contiguous());
    }
}

} // namespace
} // namespace velamen::io
