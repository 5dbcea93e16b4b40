// SPDX-License-Identifier: GPL-3.0-or-later
//
// Letters of a font file as pictures. The library behind it (FreeType) is hidden. Not text: no
// kerning, no shaping, no other font when a letter is missing.

#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/core/result.h"
#include "engine/image/image.h"

namespace velamen::image {

/// An open font file. One thread at a time.
class FontFile {
public:
    static Result<FontFile> open(const std::filesystem::path& path);
    ~FontFile();
    FontFile(FontFile&&) noexcept;
    FontFile& operator=(FontFile&&) noexcept;

    /// As the file says it: "DejaVu Sans".
    const std::string& family() const noexcept;
    /// The letter in grey, cut to its ink, its longer side `longer_side` pixels (at least one pixel
    /// across). NotFound when the font has no such letter or draws nothing for it.
    Result<Image> glyph(char32_t letter, int longer_side) const;

private:
    struct State;
    explicit FontFile(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace velamen::image
