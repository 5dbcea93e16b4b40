// SPDX-License-Identifier: GPL-3.0-or-later
//
// A JSON value as the rest of the engine sees it. Objects keep the order in which keys were
// written, so that documents are stable byte for byte. The parser behind it is hidden in json.cpp.

#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/core/result.h"

namespace velamen::io {

class Json {
public:
    using Array = std::vector<Json>;
    using Object = std::vector<std::pair<std::string, Json>>;

    Json() = default; // null
    Json(std::nullptr_t) {}
    Json(bool value) : value_(value) {}
    template <std::integral T>
    requires(!std::same_as<T, bool>) Json(T value) : value_(static_cast<std::int64_t>(value)) {}
    Json(double value) : value_(value) {}
    Json(const char* value) : value_(std::string(value)) {}
    Json(std::string value) : value_(std::move(value)) {}
    Json(std::string_view value) : value_(std::string(value)) {}
    Json(Array value) : value_(std::move(value)) {}
    Json(Object value) : value_(std::move(value)) {}
    static Json array() { return Json(Array{}); }
    static Json object() { return Json(Object{}); }

    /// Corrupt with line and column. Duplicate keys, NaN and depth over 64 are refused.
    static Result<Json> parse(std::string_view text);
    /// indent < 0: one line. Doubles are written with the fewest digits that read back exactly;
    /// a non-finite double is written as null.
    std::string dump(int indent = -1) const;

    bool is_null() const noexcept { return std::holds_alternative<std::monostate>(value_); }
    bool is_object() const noexcept { return std::holds_alternative<Object>(value_); }
    bool is_array() const noexcept { return std::holds_alternative<Array>(value_); }
    bool is_string() const noexcept { return std::holds_alternative<std::string>(value_); }
    bool is_bool() const noexcept { return std::holds_alternative<bool>(value_); }
    bool is_integer() const noexcept { return std::holds_alternative<std::int64_t>(value_); }
    bool is_number() const noexcept
    {
        return is_integer() || std::holds_alternative<double>(value_);
    }

    /// Null pointer when the value has another type (a number read as double may be an integer).
    const bool* if_bool() const noexcept { return std::get_if<bool>(&value_); }
    const std::int64_t* if_integer() const noexcept { return std::get_if<std::int64_t>(&value_); }
    const std::string* if_string() const noexcept { return std::get_if<std::string>(&value_); }
    const Array* if_array() const noexcept { return std::get_if<Array>(&value_); }
    const Object* if_object() const noexcept { return std::get_if<Object>(&value_); }

    /// Member of an object; null pointer when absent or not an object.
    const Json* find(std::string_view key) const noexcept;
    /// Member of an object, created (as is the object) when absent.
    Json& operator[](std::string_view key);
    void push_back(Json value);

    /// Readers that name the key in their error.
    Result<double> number(std::string_view key) const;
    Result<std::int64_t> integer(std::string_view key) const;
    Result<std::string> text(std::string_view key) const;
    Result<bool> flag(std::string_view key) const;
    Result<std::vector<std::int64_t>> integers(std::string_view key) const;
    Result<std::vector<double>> numbers(std::string_view key) const;
    Result<std::vector<std::string>> texts(std::string_view key) const;
    /// The same with a value for an absent (or null) key; a wrong type is still an error.
    Result<double> number_or(std::string_view key, double absent) const;
    Result<std::int64_t> integer_or(std::string_view key, std::int64_t absent) const;
    Result<std::string> text_or(std::string_view key, std::string absent) const;
    Result<bool> flag_or(std::string_view key, bool absent) const;

    friend bool operator==(const Json&, const Json&) = default;

private:
    std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

} // namespace velamen::io
