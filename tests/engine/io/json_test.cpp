// SPDX-License-Identifier: GPL-3.0-or-later
//
// What Json reads, refuses and writes. The oracle is RFC 8259 and the rules of json.h.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/io/json.h"

namespace velamen::io {
namespace {

TEST(Json, ComesBackAsItWasWritten)
{
    Json value = Json::object();
    value["text"] = "\"quoted\" \n ü 🎨";
    value["whole"] = std::int64_t{-9223372036854775807 - 1};
    value["half"] = 0.5;
    value["none"] = nullptr;
    value["yes"] = true;
    value["list"] = Json::Array{Json(1), Json(2.25), Json("x")};
    value["empty"] = Json::object();
    for (int indent : {-1, 2}) {
        const auto back = Json::parse(value.dump(indent));
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(*back, value);
    }
}

TEST(Json, KeepsTheOrderOfKeys)
{
    const std::string text = R"({"z":1,"a":2,"m":{"y":3,"b":4}})";
    EXPECT_EQ(Json::parse(text)->dump(), text);
}

TEST(Json, WritesDoublesSoThatTheyReadBackExactly)
{
    for (double number : {0.1, 1.0 / 3.0, 1e-300, 5e-324, 123456789.123456789, 6.02e23}) {
        Json value = Json::object();
        value["v"] = number;
        EXPECT_EQ(*Json::parse(value.dump())->number("v"), number);
    }
}

TEST(Json, WritesANumberThatIsNotFiniteAsNull)
{
    const Json value(
        Json::Array{Json(std::numeric_limits<double>::infinity()), Json(std::nan(""))});
    EXPECT_EQ(value.dump(), "[null,null]");
}

TEST(Json, RefusesWhatIsNotJson)
{
    const std::string deep = std::string(65, '[') + std::string(65, ']');
    for (const std::string& text :
         {std::string(""), std::string("{"), std::string("{\"a\":1,}"), std::string("[1 2]"),
          std::string("NaN"), std::string("{\"a\":1}x"), std::string("\"\xff\""), std::string("01"),
          std::string("1e999"), std::string("18446744073709551615"), std::string("{'a':1}"),
          std::string("[1] // no"), deep}) {
        const auto value = Json::parse(text);
        ASSERT_FALSE(value) << text;
        EXPECT_EQ(value.error().code, ErrorCode::Corrupt);
    }
    EXPECT_TRUE(Json::parse(std::string(64, '[') + std::string(64, ']')));
}

TEST(Json, RefusesAKeyThatIsThereTwiceAtAnyDepth)
{
    const auto flat = Json::parse(R"({"a":1,"b":2,"a":3})");
    ASSERT_FALSE(flat);
    EXPECT_NE(flat.error().message.find("\"a\""), std::string::npos);
    EXPECT_FALSE(Json::parse(R"([{"x":{"k":1,"k":1}}])"));
    EXPECT_TRUE(Json::parse(R"([{"k":1},{"k":1}])"));
}

TEST(Json, NamesLineAndColumnOfASyntaxError)
{
    const auto value = Json::parse("{\n \"a\": ?}");
    ASSERT_FALSE(value);
    EXPECT_NE(value.error().message.find("line 2"), std::string::npos) << value.error().message;
}

TEST(Json, ReadsManyKeysInLinearTime)
{
    std::string text = "{";
    for (int i = 0; i < 200'000; ++i)
        text += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
    text.back() = '}';
    EXPECT_EQ(Json::parse(text)->if_object()->size(), 200'000U); // quadratic: minutes
}

TEST(Json, ReadersNameTheKeyThatIsMissingOrOfAnotherType)
{
    const auto value = Json::parse(R"({"n":1,"d":1.5,"t":"x","f":true,"i":[1,2],"null":null})");
    EXPECT_EQ(*value->integer("n"), 1);
    EXPECT_EQ(*value->number("n"), 1.0);
    EXPECT_FALSE(value->integer("d"));
    EXPECT_FALSE(value->text("n"));
    EXPECT_FALSE(value->texts("i"));
    EXPECT_EQ(value->integers("i")->size(), 2U);
    EXPECT_EQ(*value->numbers("i"), (std::vector<double>{1.0, 2.0}));
    EXPECT_FALSE(value->numbers("d"));
    EXPECT_EQ(*value->number_or("null", 3.0), 3.0);
    EXPECT_EQ(*value->text_or("absent", "y"), "y");
    EXPECT_FALSE(value->flag_or("t", true));
    EXPECT_NE(value->flag("gone").error().message.find("\"gone\""), std::string::npos);
}

} // namespace
} // namespace velamen::io
