// SPDX-License-Identifier: GPL-3.0-or-later
//
// A number with one meaning and one valid range, so that a delta cannot be passed as an epsilon.

#pragma once

#include <compare>
#include <concepts>

#include "engine/core/result.h"

namespace velamen {

namespace detail {
/// "The epsilon -1 is out of range." with "Give a value that is at least 0." as its way out.
Error out_of_range(const char* name, const char* range, double value);
} // namespace detail

/// A number with one meaning and one valid range. `Tag` supplies both:
/// `static constexpr const char* name`, `static constexpr const char* range` (what it has to be, in
/// words) and `static constexpr bool valid(Rep)`.
template <class Tag, std::totally_ordered Rep = double>
class Quantity {
public:
    static Result<Quantity> create(Rep value)
    {
        if (!Tag::valid(value))
            return tl::unexpected(
                detail::out_of_range(Tag::name, Tag::range, static_cast<double>(value)));
        return Quantity(value);
    }

    /// For constants: an invalid value does not compile.
    static consteval Quantity literal(Rep value)
    {
        return Tag::valid(value) ? Quantity(value) : throw "quantity out of range";
    }

    constexpr Rep value() const noexcept { return value_; }
    friend constexpr auto operator<=>(Quantity, Quantity) = default;

private:
    explicit constexpr Quantity(Rep value) noexcept : value_(value) {}
    Rep value_;
};

} // namespace velamen
