// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/image/png_chunks.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace velamen::image {

namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
constexpr std::size_t kBehindHeader = 8 + 12 + 13; // signature and IHDR
constexpr std::size_t kChunkLimit = 0x7fffffff;

std::uint32_t crc_of(std::string_view bytes) // PNG specification, annex D
{
    static const auto table = [] {
        std::array<std::uint32_t, 256> result{};
        for (std::uint32_t n = 0; n < 256; ++n) {
            std::uint32_t c = n;
            for (int k = 0; k < 8; ++k)
                c = (c & 1U) != 0 ? 0xedb88320U ^ (c >> 1) : c >> 1;
            result[n] = c;
        }
        return result;
    }();
    std::uint32_t crc = 0xffffffffU;
    for (const char byte : bytes)
        crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xffU] ^ (crc >> 8);
    return crc ^ 0xffffffffU;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at)
{
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

std::string number_bytes(std::uint32_t value)
{
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<char>(value >> shift & 0xffU));
    return bytes;
}

std::string chunk(std::string body_with_type)
{
    const auto length = static_cast<std::uint32_t>(body_with_type.size() - 4);
    const std::uint32_t crc = crc_of(body_with_type);
    return number_bytes(length) + std::move(body_with_type) + number_bytes(crc);
}

bool is_keyword(const std::string& key)
{
    return !key.empty() && key.size() <= 79 && key.front() != ' ' && key.back() != ' '
        && std::all_of(key.begin(), key.end(), [](char c) { return c >= 32 && c < 127; });
}

tl::unexpected<Error> cut_off()
{
    return fail(ErrorCode::Corrupt, "the PNG is damaged or ends too early");
}

} // namespace

bool is_png(std::span<const std::byte> file) noexcept
{
    return file.size() >= kSignature.size()
        && std::memcmp(file.data(), kSignature.data(), kSignature.size()) == 0;
}

Result<std::vector<std::byte>> with_text(std::span<const std::byte> png,
                                         const std::map<std::string, std::string>& text,
                                         std::string_view xmp)
{
    if (!is_png(png) || png.size() < kBehindHeader) return cut_off();
    std::string added;
    for (const auto& [key, value] : text) {
        if (!is_keyword(key))
            return fail(ErrorCode::InvalidArgument,
                        "a PNG text entry is refused: its keyword is not 1 to 79 ASCII characters");
        if (value.find('\0') != std::string::npos || value.size() > kChunkLimit - 84)
            return fail(ErrorCode::InvalidArgument,
                        "a PNG text entry is refused: it is too long or holds a zero byte");
        added += chunk("tEXt" + key + '\0' + value);
    }
    if (!xmp.empty()) {
        // Keyword, not compressed, method 0, no language, no translated keyword.
        std::string body = "iTXtXML:com.adobe.xmp";
        body.append(5, '\0');
        added += chunk(body.append(xmp));
    }
    std::vector<std::byte> result(png.begin(), png.begin() + kBehindHeader);
    const auto* bytes = reinterpret_cast<const std::byte*>(added.data());
    result.insert(result.end(), bytes, bytes + added.size());
    result.insert(result.end(), png.begin() + kBehindHeader, png.end());
    return result;
}

Result<std::map<std::string, std::string>> text_of(std::span<const std::byte> png)
{
    if (!is_png(png)) return fail(ErrorCode::Unsupported, "the file is not a PNG");
    const std::string_view file(reinterpret_cast<const char*>(png.data()), png.size());
    std::map<std::string, std::string> text;
    std::size_t at = kSignature.size();
    while (file.size() - at >= 12) {
        const std::size_t length = number_at(file, at);
        if (length > file.size() - at - 12) return cut_off();
        const std::string_view body = file.substr(at + 4, length + 4); // type and content
        if (number_at(file, at + 8 + length) != crc_of(body)) return cut_off();
        if (body.substr(0, 4) == "IEND") return text;
        if (body.substr(0, 4) == "tEXt") {
            const auto content = body.substr(4);
            const auto zero = content.find('\0');
            if (zero == std::string_view::npos) return cut_off();
            text.emplace(content.substr(0, zero), content.substr(zero + 1));
        }
        at += length + 12;
    }
    return cut_off();
}

} // namespace velamen::image
