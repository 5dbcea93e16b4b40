// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/io/file_kind.h"

#include <array>
#include <string_view>

#include "engine/io/byte_reader.h"

namespace velamen::io {

namespace {

constexpr std::array<unsigned char, 15> kLegacyMagic{0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                                     0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};

/// Also of a file whose header is cut: the opener has the better sentence for that.
bool starts_like_safetensors(std::span<const std::byte> file) noexcept
{
    ByteReader reader(file);
    const auto header_size = reader.number<std::uint64_t>();
    const auto first = reader.number<char>();
    return header_size && first && *first == '{' && *header_size <= kMaxSafetensorsHeader;
}

} // namespace

std::span<const std::byte> legacy_magic() noexcept
{
    return std::as_bytes(std::span(kLegacyMagic));
}

FileKind kind_of(std::span<const std::byte> file) noexcept
{
    // First: the length that a safetensors file starts with can look like any other signature.
    if (starts_like_safetensors(file)) return FileKind::Safetensors;
    const std::string_view start = text_of(file).substr(0, 128);
    if (start.starts_with("PK\x03\x04")) return FileKind::TorchZip;
    if (start.starts_with(text_of(legacy_magic()))) return FileKind::TorchLegacy;
    if (start.starts_with("version https://git-lfs")) return FileKind::GitLfsPointer;
    const auto first = start.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
    if (first != std::string_view::npos && start[first] == '<') return FileKind::HtmlPage;
    return FileKind::Other;
}

Error mistaken(const std::filesystem::path& path, FileKind kind)
{
    const std::string name = path.filename().string() + ": ";
    const std::string named =
        path.has_extension() ? " named " + path.extension().string() : " under another name";
    switch (kind) {
    case FileKind::Safetensors:
        return {ErrorCode::Corrupt, name + "a safetensors file" + named,
                "rename it to .safetensors"};
    case FileKind::TorchZip:
        return {ErrorCode::Corrupt, name + "a torch zip" + named, "rename it to .bin or .ckpt"};
    case FileKind::TorchLegacy:
        return {ErrorCode::Corrupt, name + "a legacy torch file" + named,
                "rename it to .bin or .ckpt"};
    case FileKind::GitLfsPointer:
        return {ErrorCode::Corrupt, name + "a git-lfs pointer, not the tensors",
                "run \"git lfs pull\" in its folder"};
    case FileKind::HtmlPage:
        return {ErrorCode::Corrupt, name + "an HTML page, not the tensors",
                "download the file itself, not its page"};
    case FileKind::Other:
        break;
    }
    return {ErrorCode::Corrupt, name + "neither a safetensors nor a torch file",
            "download it again"};
}

} // namespace velamen::io
