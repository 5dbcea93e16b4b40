// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/image/glyph.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_OUTLINE_H

namespace velamen::image {

// A library of its own per font: FreeType's is not thread-safe, a font's is then its own affair.
struct FontFile::State {
    FT_Library library = nullptr;
    FT_Face face = nullptr;
    std::string family;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State()
    {
        if (face != nullptr) FT_Done_Face(face);
        if (library != nullptr) FT_Done_FreeType(library);
    }
};

FontFile::FontFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
FontFile::~FontFile() = default;
FontFile::FontFile(FontFile&&) noexcept = default;
FontFile& FontFile::operator=(FontFile&&) noexcept = default;

const std::string& FontFile::family() const noexcept { return state_->family; }

Result<FontFile> FontFile::open(const std::filesystem::path& path)
{
    auto state = std::make_unique<State>();
    if (FT_Init_FreeType(&state->library) != 0)
        return fail(ErrorCode::Internal, "the font library could not be started");
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        return fail(ErrorCode::NotFound, "no such font file: " + path.string());
    if (FT_New_Face(state->library, path.c_str(), 0, &state->face) != 0)
        return fail(ErrorCode::Corrupt, path.string() + " is not a font that can be read",
                    "leave it out");
    if (!FT_IS_SCALABLE(state->face) || state->face->units_per_EM == 0)
        return fail(ErrorCode::Unsupported, path.string() + " has no outlines", "leave it out");
    if (state->face->family_name != nullptr) state->family = state->face->family_name;
    return FontFile(std::move(state));
}

Result<Image> FontFile::glyph(char32_t letter, int longer_side) const
{
    FT_Face face = state_->face;
    const FT_UInt index = FT_Get_Char_Index(face, letter);
    if (index == 0 || FT_Load_Glyph(face, index, FT_LOAD_NO_SCALE | FT_LOAD_NO_BITMAP) != 0
        || face->glyph->format != FT_GLYPH_FORMAT_OUTLINE || face->glyph->outline.n_points == 0)
        return fail(ErrorCode::NotFound, "the font has no such letter");

    FT_Outline& outline = face->glyph->outline; // in font units
    FT_BBox box{};
    FT_Outline_Get_CBox(&outline, &box);
    const auto longest = std::max(box.xMax - box.xMin, box.yMax - box.yMin);
    if (longest <= 0) return fail(ErrorCode::NotFound, "the font draws nothing for the letter");
    // Font units to 1/64 pixels, as a 16.16 factor.
    const double scale = 64.0 * longer_side / static_cast<double>(longest);
    const FT_Matrix matrix{
        .xx = std::lround(scale * 65536.0), .xy = 0, .yx = 0, .yy = std::lround(scale * 65536.0)};
    FT_Outline_Transform(&outline, &matrix);
    FT_Outline_Get_CBox(&outline, &box);
    FT_Outline_Translate(&outline, -box.xMin, -box.yMin);

    Image image{.width = std::max(1, static_cast<int>((box.xMax - box.xMin + 63) / 64)),
                .height = std::max(1, static_cast<int>((box.yMax - box.yMin + 63) / 64)),
                .channels = 1};
    image.pixels.assign(
        static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height), 0);
    FT_Bitmap bitmap{};
    bitmap.rows = static_cast<unsigned>(image.height);
    bitmap.width = static_cast<unsigned>(image.width);
    bitmap.pitch = image.width; // rows from the top
    bitmap.buffer = image.pixels.data();
    bitmap.num_grays = 256;
    bitmap.pixel_mode = FT_PIXEL_MODE_GRAY;
    if (FT_Outline_Get_Bitmap(state_->library, &outline, &bitmap) != 0
        || std::all_of(image.pixels.begin(), image.pixels.end(), [](auto p) { return p == 0; }))
        return fail(ErrorCode::NotFound, "the font draws nothing for the letter");
    return image;
}

} // namespace velamen::image
