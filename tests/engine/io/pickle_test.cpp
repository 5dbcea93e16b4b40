// SPDX-License-Identifier: GPL-3.0-or-later
//
// The interpreter on pickles written by hand. The oracle is the description of the opcodes in
// CPython's Lib/pickletools.py; what torch itself writes is in torch_file_test.cpp.

#include <gtest/gtest.h>

#include "engine/io/pickle.h"
#include "tests/engine/io/torch_parts.h"

namespace velamen::io {
namespace {

using namespace parts;
using namespace std::string_literals;

Result<Pickle> read(std::string_view bytes, std::size_t file_bytes = 0)
{
    return read_pickle(bytes_of(bytes), "data.pkl", file_bytes);
}

/// A pickle of one value.
PickleValue value_of(const std::string& opcodes)
{
    static std::string bytes; // texts are borrowed from it
    bytes = pickle(opcodes);
    const auto read_back = read(bytes);
    EXPECT_TRUE(read_back) << read_back.error().message;
    return read_back ? read_back->root : PickleValue();
}

TEST(Pickle, ReadsEveryLiteral)
{
    EXPECT_TRUE(std::holds_alternative<std::monostate>(value_of("N")));
    EXPECT_EQ(std::get<bool>(value_of("\x88")), true);
    EXPECT_EQ(std::get<bool>(value_of("\x89")), false);
    EXPECT_EQ(std::get<std::int64_t>(value_of("K\xff")), 255);
    EXPECT_EQ(std::get<std::int64_t>(value_of("M\xff\xff")), 65'535);
    EXPECT_EQ(std::get<std::int64_t>(value_of("J\xfe\xff\xff\xff")), -2);
    EXPECT_EQ(std::get<std::int64_t>(value_of("\x8a\x00"s)), 0);
    EXPECT_EQ(std::get<std::int64_t>(value_of("\x8a\x01\xff")), -1);
    EXPECT_EQ(std::get<std::int64_t>(value_of("\x8a\x02\xff\x00"s)), 255);
    EXPECT_EQ(std::get<std::int64_t>(value_of("\x8a\x05\x00\x00\x00\x00\x01"s)), 1LL << 32);
    EXPECT_EQ(std::get<std::int64_t>(value_of(integer(INT64_MIN))), INT64_MIN);
    EXPECT_EQ(std::get<double>(value_of("G\xbf\xd0\x00\x00\x00\x00\x00\x00"s)), -0.25);
    EXPECT_EQ(std::get<std::string_view>(value_of(text("epoch"))), "epoch");
    EXPECT_EQ(std::get<std::string_view>(value_of("\x8c\x02lr")), "lr");
    EXPECT_EQ(std::get<std::string_view>(value_of("U\x02lr")), "lr");
    EXPECT_EQ(std::get<std::string_view>(value_of("C\x02lr")), "lr");
    EXPECT_EQ(std::get<std::string_view>(value_of("B\x02\x00\x00\x00lr"s)), "lr");
}

TEST(Pickle, ReadsCollectionsInTheOrderOfTheirItems)
{
    const std::string bytes =
        pickle(tuple({"K\x01\x85", "K\x01K\x02\x86", "K\x01K\x02K\x03\x87", ")",
                      "]K\x05"
                      "a(K\x06K\x07"
                      "e",
                      "}" + text("a") + "K\x01s(" + text("b") + "K\x02u"}));
    const auto made = read(bytes);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->size, bytes.size());
    const auto items = made->items(std::get<PickleSequence>(made->root));
    ASSERT_EQ(items.size(), 6U);
    const std::vector<std::size_t> sizes{1, 2, 3, 0, 3, 4};
    for (std::size_t i = 0; i < sizes.size(); ++i)
        EXPECT_EQ(made->items(std::get<PickleSequence>(items[i])).size(), sizes[i]) << i;
    const auto list = made->items(std::get<PickleSequence>(items[4]));
    EXPECT_EQ(std::get<std::int64_t>(list[2]), 7);
    const auto entries = made->items(std::get<PickleSequence>(items[5]));
    EXPECT_EQ(std::get<std::string_view>(entries[2]), "b");
    EXPECT_EQ(std::get<std::int64_t>(entries[3]), 2);
}

TEST(Pickle, TheMemoKeepsWhatWasPutThere)
{
    // (5 put 0, 6 put 300, 7 memoize as 301, get 0, get 300, get 301)
    const std::string bytes = pickle("(K\x05q\x00K\x06r\x2c\x01\x00\x00K\x07\x94"s
                                     "h\x00j\x2c\x01\x00\x00j\x2d\x01\x00\x00t"s);
    const auto made = read(bytes);
    ASSERT_TRUE(made) << made.error().message;
    std::vector<std::int64_t> got;
    for (const PickleValue& value : made->items(std::get<PickleSequence>(made->root)))
        got.push_back(std::get<std::int64_t>(value));
    EXPECT_EQ(got, (std::vector<std::int64_t>{5, 6, 7, 5, 6, 7}));
}

TEST(Pickle, WritesTensorsDownAsViewsOfStorages)
{
    const std::string one = storage("HalfStorage", "0", 12);
    const std::string bytes = pickle(tuple(
        {tensor(one, 4, {2, 3}, {1, 2}),
         call(global("torch._utils", "_rebuild_parameter"),
              {tensor(one, 0, {12}, {1}), "\x88", kNoHooks}),
         call(kRebuild, {one, "K\x0c", numbers({5, 0}), numbers({1, 1}), kFalse, kNone, "}"})}));
    const auto made = read(bytes);
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ(made->storages.size(), 1U);
    EXPECT_EQ(made->storages[0].key, "0");
    EXPECT_EQ(made->storages[0].dtype, DType::F16);
    EXPECT_EQ(made->storages[0].numel, 12);
    ASSERT_EQ(made->tensors.size(), 3U);
    EXPECT_EQ(made->tensors[0].offset, 4);
    EXPECT_EQ(made->tensors[0].shape, (Shape{2, 3}));
    EXPECT_EQ(made->tensors[0].strides, (Shape{1, 2}));
    const auto items = made->items(std::get<PickleSequence>(made->root));
    EXPECT_EQ(std::get<PickleTensor>(items[1]).index, 1U); // a parameter is its tensor
}

// A class of Python would be found by its name and called; here no name outside the list exists.
TEST(Pickle, RefusesEveryForeignNameInBothSpellings)
{
    const std::vector<std::pair<std::string, std::string>> foreign{
        {"os", "system"},         {"posix", "system"},     {"nt", "system"},
        {"builtins", "eval"},     {"__builtin__", "eval"}, {"builtins", "getattr"},
        {"subprocess", "Popen"},  {"torch", "load"},       {"torch", "FloatStorage.x"},
        {"torch.hub", "load"},    {"numpy", "load"},       {"collections", "Counter"},
        {"torch._utils", "eval"}, {"_codecs", "decode"},   {"", ""},
    };
    for (const auto& [module, name] : foreign) {
        const std::string says = "refused global " + module + "." + name + " in data.pkl";
        for (const std::string& named :
             {global(module, name), text(module) + text(name) + "\x93"}) {
            const auto made = read(pickle(named + tuple({text("touch pwned")}) + "R"));
            ASSERT_FALSE(made) << says;
            EXPECT_EQ(made.error().code, ErrorCode::Refused);
            EXPECT_EQ(made.error().message, says);
            EXPECT_FALSE(made.error().hint.empty());
        }
    }
    const auto unreadable = read(pickle(global("o\xff\x01s", std::string(200, 'x'))));
    EXPECT_EQ(unreadable.error().message,
              "refused global o??s." + std::string(120, 'x') + "... in data.pkl");
}

struct Defect {
    const char* name;
    std::string bytes;
    const char* says; ///< a part of the message
    ErrorCode code = ErrorCode::Corrupt;
};

void expect_refused(const std::vector<Defect>& defects)
{
    for (const Defect& defect : defects) {
        const auto made = read(defect.bytes);
        ASSERT_FALSE(made) << defect.name;
        EXPECT_EQ(made.error().code, defect.code) << defect.name << ": " << made.error().message;
        EXPECT_NE(made.error().message.find(defect.says), std::string::npos)
            << defect.name << ": " << made.error().message;
        EXPECT_FALSE(made.error().hint.empty()) << defect.name;
    }
}

TEST(Pickle, RefusesWhatNoPicklerWrites)
{
    const std::string ordered = global("collections", "OrderedDict");
    const std::string scalar = global("numpy.core.multiarray", "scalar");
    expect_refused({
        {"no protocol", "}.", "no pickle"},
        {"protocol 0", "\x80\x00}."s, "protocol 0", ErrorCode::Unsupported},
        {"protocol 5", "\x80\x05}.", "protocol 5", ErrorCode::Unsupported},
        {"nothing left", pickle(""), "unbalanced"},
        {"two left", pickle("NN"), "unbalanced"},
        {"mark left", pickle("N("), "unbalanced"},
        {"tuple without mark", pickle("Nt"), "no MARK"},
        {"items without mark", pickle("]Ne"), "no MARK"},
        {"keys without mark", pickle("}NNu"), "no MARK"},
        {"tuple below its mark", pickle("N(\x85t"), "too short"},
        {"tuple of three", pickle("NN\x87"), "too short"},
        {"deep marks", pickle(std::string(65, '(')), "64 levels"},
        {"append to a tuple", pickle(")Na"), "no list"},
        {"append to nothing", pickle("Na"), "without a container"},
        {"key for a list", pickle("]NNs"), "no dictionary"},
        {"key without value", pickle("}(Nu"), "a key without"},
        {"items for no set", pickle("](N\x90"), "no set"},
        {"memo never set", pickle("h\x00"s), "memo 0"},
        {"memo out of range", pickle("Nq\x01h\x02"), "memo 2"},
        {"memo in a gap", pickle("Nq\x05h\x04"), "memo 4"},
        {"memo far out", pickle("Nr\xff\xff\xff\xff"), "more values"},
        {"memo of nothing", pickle("\x94"), "nothing to memoize"},
        {"long integer", pickle("\x8a\xff" + std::string(255, '\x01')), "integer of 255 bytes"},
        {"integer over the end", pickle("\x8a\x08\x01"), "truncated"},
        {"text over the end", "\x80\x02X\xff\xff\xff\x7f"s + "abc", "truncated"},
        {"frame over the end", pickle("\x95" + little<std::uint64_t>(100) + "N"), "truncated"},
        {"endless global", pickle("c" + std::string(300, 'a')), "global without an end"},
        {"global of numbers", pickle("K\x01K\x02\x93"), "no text"},
        {"call of a text", pickle(text("os.system") + ")R"), "no global"},
        {"call of a call", pickle(scalar + ")R)R"), "no global"},
        {"call without tuple", pickle(ordered + "]R"), "without a tuple"},
        {"call of a storage type", pickle(global("torch", "FloatStorage") + ")R"),
         "refused call of torch.FloatStorage", ErrorCode::Refused},
        {"OrderedDict of items", pickle(ordered + "]\x85R"), "with arguments"},
        {"state of a number", pickle("K\x01}b"), "has none"},
        {"state of a list", pickle("]}b"), "has none"},
        {"state that is a tuple", pickle(ordered + ")R)b"), "has none"},
        {"state of nothing", pickle("}b"), "without an object"},
        {"POP", pickle("NN0"), "opcode 48", ErrorCode::Unsupported},
        {"INST", pickle("(ios\nsystem\n"), "opcode 105", ErrorCode::Unsupported},
        {"OBJ", pickle("(o"), "opcode 111", ErrorCode::Unsupported},
        {"EXT1", pickle("\x82\x01"), "opcode 130", ErrorCode::Unsupported},
        {"BYTEARRAY8", pickle("\x96" + little<std::uint64_t>(0)), "opcode 150",
         ErrorCode::Unsupported},
    });
}

TEST(Pickle, RefusesEveryOtherPersistentId)
{
    const std::string type = global("torch", "FloatStorage");
    const auto id = [&](const std::vector<std::string>& items) {
        return pickle(tuple(items) + "Q");
    };
    const std::string tag = text("storage"), key = text("0"), cpu = text("cpu"), two = integer(2);
    expect_refused({
        {"a number", pickle("K\x01Q"), "no tuple"},
        {"empty", pickle(")Q"), "0 items"},
        {"four items", id({tag, type, key, cpu}), "4 items"},
        {"seven items", id({tag, type, key, cpu, two, kNone, kNone}), "7 items"},
        {"a module", id({text("module"), type, key, cpu, two}), "no storage"},
        {"type is a text", id({tag, text("FloatStorage"), key, cpu, two}), "storage type"},
        {"type is a dictionary", id({tag, global("collections", "OrderedDict"), key, cpu, two}),
         "storage type"},
        {"key is a number", id({tag, type, two, cpu, two}), "valid key"},
        {"key is empty", id({tag, type, text(""), cpu, two}), "valid key"},
        {"key is long", id({tag, type, text(std::string(257, '1')), cpu, two}), "valid key"},
        {"location is a number", id({tag, type, key, two, two}), "location"},
        {"size is a text", id({tag, type, key, cpu, text("2")}), "number of elements"},
        {"negative size", id({tag, type, key, cpu, integer(-1)}), "number of elements"},
        {"size overflows", id({tag, type, key, cpu, integer(INT64_MAX)}), "too large"},
        {"view of a storage", id({tag, type, key, cpu, two, ")"}), "view of another"},
        {"two types",
         pickle(tuple({storage("FloatStorage", "0", 2), storage("HalfStorage", "0", 2)})),
         "two types or sizes"},
        {"two sizes",
         pickle(tuple({storage("FloatStorage", "0", 2), storage("FloatStorage", "0", 3)})),
         "two types or sizes"},
    });
}

TEST(Pickle, RefusesEveryTensorThatIsNoViewOfItsStorage)
{
    const std::string of = storage("FloatStorage", "0", 6), zero = integer(0);
    const std::string two = numbers({2}), one = numbers({1});
    const auto made = [&](const std::vector<std::string>& arguments) {
        return pickle(call(kRebuild, arguments));
    };
    const auto view = [&](std::int64_t offset, const std::vector<std::int64_t>& shape,
                          const std::vector<std::int64_t>& strides) {
        return pickle(tensor(of, offset, shape, strides));
    };
    const std::string parameter = global("torch._utils", "_rebuild_parameter");
    const std::string good = tensor(of, 0, {6}, {1});
    ASSERT_TRUE(read(pickle(good)));
    ASSERT_TRUE(read(view(1, {2, 2}, {3, 1})));
    expect_refused({
        {"five arguments", made({of, zero, two, one, kFalse}), "5 arguments"},
        {"no storage", made({text("0"), zero, two, one, kFalse, kNoHooks}), "without a storage"},
        {"offset is a text", made({of, text("0"), two, one, kFalse, kNoHooks}), "valid offset"},
        {"size is a list", made({of, zero, "]", one, kFalse, kNoHooks}), "size and stride"},
        {"size of texts", made({of, zero, tuple({text("2")}), one, kFalse, kNoHooks}),
         "size and stride"},
        {"hooks", made({of, zero, two, one, kFalse, dict({{"0", kNone}})}), "hooks"},
        {"flag is a number", made({of, zero, two, one, zero, kNoHooks}), "hooks"},
        {"conjugate", made({of, zero, two, one, kFalse, kNoHooks, dict({{"conj", "\x88"}})}),
         "metadata"},
        {"negative offset", view(-1, {2}, {1}), "valid offset"},
        {"negative size", view(0, {-2}, {1}), "size and stride"},
        {"negative stride", view(5, {2}, {-1}), "size and stride"},
        {"fewer strides", view(0, {2, 2}, {1}), "size and stride"},
        {"17 dimensions",
         view(0, std::vector<std::int64_t>(17, 1), std::vector<std::int64_t>(17, 1)),
         "size and stride"},
        {"one too many", view(0, {7}, {1}), "more elements than the 6"},
        {"offset too far", view(1, {6}, {1}), "more elements than the 6"},
        {"offset behind the end", view(7, {0}, {1}), "more elements than the 6"},
        {"scalar behind the end", view(6, {}, {}), "more elements than the 6"},
        {"stride too far", view(0, {2, 2}, {5, 1}), "more elements than the 6"},
        {"expanded", view(0, {7}, {0}), "more elements than the 6"},
        {"product overflows", view(0, {1LL << 32, 1LL << 32}, {0, 0}), "more elements"},
        {"stride overflows", view(0, {3}, {INT64_MAX}), "more elements"},
        {"sum overflows", view(6, {2}, {INT64_MAX}), "more elements"},
        {"parameter of a text", pickle(call(parameter, {text("a"), kFalse, kNoHooks})),
         "without a tensor"},
        {"parameter of two", pickle(call(parameter, {good, kFalse})), "2 arguments"},
        {"parameter with hooks", pickle(call(parameter, {good, kFalse, dict({{"0", kNone}})})),
         "hooks"},
    });
}

TEST(Pickle, RefusesEveryTruncation)
{
    const std::string good =
        pickle(dict({{"a", tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1})},
                     {"b", "G\x3f\xd0\x00\x00\x00\x00\x00\x00"s}}));
    ASSERT_TRUE(read(good));
    for (std::size_t length = 0; length < good.size(); ++length) {
        const auto made = read(good.substr(0, length));
        ASSERT_FALSE(made) << length;
        EXPECT_NE(made.error().message.find("truncated"), std::string::npos) << length;
    }
}

TEST(Pickle, DepthCostsNoStackAndCirclesEnd)
{
    constexpr std::size_t kDepth = 20'000;
    EXPECT_TRUE(read(pickle(std::string(kDepth, ']') + std::string(kDepth - 1, 'a'))));
    const std::string circle = pickle("}q\x00"s + text("state_dict") + "h\x00s"s);
    EXPECT_TRUE(read(circle));
}

// What bounds memory: a value costs up to 32 bytes, its opcode can be a single one.
TEST(Pickle, KeepsNoMoreValuesThanTheSizeOfTheFileAllows)
{
    const std::string tuples = pickle("(" + std::string(100'000, ')') + "t");
    EXPECT_NE(read(tuples).error().message.find("more values"), std::string::npos);
    EXPECT_FALSE(read(tuples, tuples.size()));
    EXPECT_TRUE(read(tuples, 300'100 * 32));
    const std::string list = pickle("]" + std::string(100'000, 'N'));
    EXPECT_NE(read(list).error().message.find("more values"), std::string::npos);
    // One tensor again and again, its arguments in the memo: two bytes make a record.
    std::string again = kRebuild + "q\x00"s
        + tuple({storage("FloatStorage", "0", 6), "K\x00"s, numbers({6}), numbers({1}), kFalse,
                 kNone})
        + "q\x01" + "R";
    for (int i = 0; i < 20'000; ++i)
        again += "h\x00h\x01R"s;
    EXPECT_NE(read(pickle("(" + again + "t")).error().message.find("more values"),
              std::string::npos);
}

} // namespace
} // namespace velamen::io
