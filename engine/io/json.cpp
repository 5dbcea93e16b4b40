// SPDX-License-Identifier: GPL-3.0-or-later
//
// Json on top of nlohmann's parser and printer, which nothing outside this file sees.

#include "engine/io/json.h"

#include <cmath>
#include <unordered_set>

#include <nlohmann/json.hpp>

namespace velamen::io {

namespace {

using Foreign = nlohmann::ordered_json;
constexpr std::size_t kMaxDepth = 64;

/// Builds Json values while nlohmann parses: duplicate keys and depth are checked here. Keys are
/// looked up in a hash set, so that a hostile header of many keys costs no quadratic time.
class Builder final : public nlohmann::json_sax<Foreign> {
public:
    bool null() override { return put(Json()); }
    bool boolean(bool value) override { return put(Json(value)); }
    bool number_integer(number_integer_t value) override { return put(Json(value)); }
    bool number_unsigned(number_unsigned_t value) override
    {
        if (value > static_cast<number_unsigned_t>(INT64_MAX))
            return refuse("a number is larger than 64-bit integers hold");
        return put(Json(static_cast<std::int64_t>(value)));
    }
    bool number_float(number_float_t value, const string_t&) override { return put(Json(value)); }
    bool string(string_t& value) override { return put(Json(std::move(value))); }
    bool binary(binary_t&) override { return refuse("binary values are not JSON"); }
    bool start_object(std::size_t) override { return open(false); }
    bool start_array(std::size_t) override { return open(true); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override
    {
        if (!stack_.back().seen.insert(name).second)
            return refuse("the key \"" + name + "\" is there twice");
        stack_.back().key = std::move(name);
        return true;
    }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::detail::exception& error) override
    {
        error_ = error.what();
        if (const auto end = error_.find("] "); error_.starts_with('[') && end != error_.npos)
            error_.erase(0, end + 2); // the library's number of the error
        return false;
    }

    Json root;
    std::string error_;

private:
    struct Level {
        bool is_array;
        Json::Array array{};
        Json::Object object{};
        std::string key{};
        std::unordered_set<std::string> seen{};
    };

    bool refuse(std::string why)
    {
        error_ = std::move(why);
        return false;
    }
    bool put(Json value)
    {
        if (stack_.empty())
            root = std::move(value);
        else if (Level& level = stack_.back(); level.is_array)
            level.array.push_back(std::move(value));
        else
            level.object.emplace_back(std::move(level.key), std::move(value));
        return true;
    }
    bool open(bool is_array)
    {
        if (stack_.size() >= kMaxDepth) return refuse("it is nested more than 64 levels deep");
        stack_.push_back(Level{.is_array = is_array});
        return true;
    }
    bool close()
    {
        Level done = std::move(stack_.back());
        stack_.pop_back();
        return put(done.is_array ? Json(std::move(done.array)) : Json(std::move(done.object)));
    }

    std::vector<Level> stack_;
};

Foreign to_foreign(const Json& value)
{
    if (const auto* object = value.if_object()) {
        Foreign out = Foreign::object();
        for (const auto& [key, member] : *object)
            out[key] = to_foreign(member);
        return out;
    }
    if (const auto* array = value.if_array()) {
        Foreign out = Foreign::array();
        for (const Json& element : *array)
            out.push_back(to_foreign(element));
        return out;
    }
    if (const auto* text = value.if_string()) return *text;
    if (const auto* flag = value.if_bool()) return *flag;
    if (value.is_number()) {
        Json holder = Json::object();
        holder["v"] = value;
        if (value.is_integer()) return *holder.integer("v");
        const double number = *holder.number("v");
        return std::isfinite(number) ? Foreign(number) : Foreign(nullptr);
    }
    return nullptr;
}

auto missing(std::string_view key, const char* kind)
{
    return fail(ErrorCode::Corrupt, "\"" + std::string(key) + "\" is missing or not " + kind);
}

} // namespace

Result<Json> Json::parse(std::string_view text)
{
    Builder builder;
    try {
        if (!Foreign::sax_parse(text, &builder))
            return fail(ErrorCode::Corrupt, "not valid JSON: " + builder.error_);
    } catch (const std::exception& error) {
        return fail(ErrorCode::Corrupt, std::string("not valid JSON: ") + error.what());
    }
    return std::move(builder.root);
}

std::string Json::dump(int indent) const
{
    return to_foreign(*this).dump(indent, ' ', false, Foreign::error_handler_t::replace);
}

const Json* Json::find(std::string_view key) const noexcept
{
    if (const Object* object = if_object())
        for (const auto& [name, member] : *object)
            if (name == key) return &member;
    return nullptr;
}

Json& Json::operator[](std::string_view key)
{
    if (!is_object()) value_ = Object{};
    auto& object = std::get<Object>(value_);
    for (auto& [name, member] : object)
        if (name == key) return member;
    object.emplace_back(std::string(key), Json());
    return object.back().second;
}

void Json::push_back(Json value)
{
    if (!is_array()) value_ = Array{};
    std::get<Array>(value_).push_back(std::move(value));
}

Result<double> Json::number(std::string_view key) const
{
    const Json* member = find(key);
    if (member == nullptr || !member->is_number()) return missing(key, "a number");
    if (member->is_integer()) return static_cast<double>(std::get<std::int64_t>(member->value_));
    return std::get<double>(member->value_);
}

Result<std::int64_t> Json::integer(std::string_view key) const
{
    const Json* member = find(key);
    if (member == nullptr || !member->is_integer()) return missing(key, "a whole number");
    return std::get<std::int64_t>(member->value_);
}

Result<std::string> Json::text(std::string_view key) const
{
    const Json* member = find(key);
    if (member == nullptr || !member->is_string()) return missing(key, "a text");
    return std::get<std::string>(member->value_);
}

Result<bool> Json::flag(std::string_view key) const
{
    const Json* member = find(key);
    if (member == nullptr || !member->is_bool()) return missing(key, "true or false");
    return std::get<bool>(member->value_);
}

Result<std::vector<std::int64_t>> Json::integers(std::string_view key) const
{
    const Json* member = find(key);
    if (member == nullptr || !member->is_array()) return missing(key, "a list of whole numbers");
    std::vector<std::int64_t> values;
    for (const Json& element : *member->if_array()) {
        if (!element.is_integer()) return missing(key, "a list of whole numbers");
        values.push_back(std::get<std::int64_t>(element.value_));
    }
    return values;
}

Result<std::vector<double>> Json::numbers(std::string_view key) const
{
    const Json* member = find(key);
    if (member == nullptr || !member->is_array()) return missing(key, "a list of numbers");
    std::vector<double> values;
    for (const Json& element : *member->if_array()) {
        if (!element.is_number()) return missing(key, "a list of numbers");
        values.push_back(element.is_integer()
                             ? static_cast<double>(std::get<std::int64_t>(element.value_))
                             : std::get<double>(element.value_));
    }
    return values;
}

Result<std::vector<std::string>> Json::texts(std::string_view key) const
{
    const Json* member = find(key);
    if (member == nullptr || !member->is_array()) return missing(key, "a list of texts");
    std::vector<std::string> values;
    for (const Json& element : *member->if_array()) {
        if (!element.is_string()) return missing(key, "a list of texts");
        values.push_back(std::get<std::string>(element.value_));
    }
    return values;
}

Result<double> Json::number_or(std::string_view key, double absent) const
{
    const Json* member = find(key);
    return member == nullptr || member->is_null() ? Result<double>(absent) : number(key);
}

Result<std::int64_t> Json::integer_or(std::string_view key, std::int64_t absent) const
{
    const Json* member = find(key);
    return member == nullptr || member->is_null() ? Result<std::int64_t>(absent) : integer(key);
}

Result<std::string> Json::text_or(std::string_view key, std::string absent) const
{
    const Json* member = find(key);
    return member == nullptr || member->is_null() ? Result<std::string>(std::move(absent))
                                                  : text(key);
}

Result<bool> Json::flag_or(std::string_view key, bool absent) const
{
    const Json* member = find(key);
    return member == nullptr || member->is_null() ? Result<bool>(absent) : flag(key);
}

} // namespace velamen::io
