// SPDX-License-Identifier: GPL-3.0-or-later
//
// Little-endian numbers and runs of bytes out of a foreign file, never past its end.

#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace velamen::io {

static_assert(std::endian::native == std::endian::little);

/// Reads forward through borrowed bytes; what does not fit any more is nothing and moves nothing.
/// One thread.
class ByteReader {
public:
    explicit ByteReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

    std::size_t position() const noexcept { return at_; }
    std::size_t left() const noexcept { return bytes_.size() - at_; }

    /// At most `count` of the bytes that come next, not taken.
    std::span<const std::byte> ahead(std::size_t count) const noexcept
    {
        return bytes_.subspan(at_, count < left() ? count : left());
    }

    /// `count` bytes, borrowed.
    std::optional<std::span<const std::byte>> take(std::uint64_t count) noexcept
    {
        if (count > left()) return std::nullopt;
        const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
        at_ += taken.size();
        return taken;
    }

    /// A packed struct of numbers as it lies in the file.
    template <class T>
    requires std::is_trivially_copyable_v<T> std::optional<T> record()
    noexcept
    {
        const auto taken = take(sizeof(T));
        if (!taken) return std::nullopt;
        T value{};
        std::memcpy(&value, taken->data(), sizeof(T));
        return value;
    }
    template <std::integral T>
    std::optional<T> number() noexcept
    {
        return record<T>();
    }

private:
    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
};

/// The same bytes as text, borrowed.
inline std::string_view text_of(std::span<const std::byte> bytes) noexcept
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline bool is_printable(std::string_view text) noexcept
{
    for (const char c : text)
        if (c < ' ' || c > '~') return false;
    return true;
}

/// A foreign name as a message may show it: printable ASCII, the rest as "?", at most 120 bytes.
inline std::string shown(std::string_view name)
{
    constexpr std::size_t kMax = 120;
    std::string text(name.substr(0, kMax));
    for (char& c : text)
        if (c < ' ' || c > '~') c = '?';
    return name.size() > kMax ? text + "..." : text;
}

} // namespace velamen::io
