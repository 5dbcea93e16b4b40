// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/data/letters.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "engine/archive/zip.h"
#include "engine/core/file.h"
#include "engine/data/free_fonts.h"
#include "engine/data/letter_pen.h"
#include "engine/data/skeleton.h"
#include "engine/image/codec.h"
#include "engine/image/glyph.h"

namespace velamen::data {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBatch = 4096; // drawn in parallel, then written in order
constexpr int kInkLevel = 100;
constexpr std::size_t kFewestPoints = 8;
constexpr int kAttempts = 100;

using FontLetters = std::array<std::optional<GlyphShape>, kLetterClasses>;

struct Font {
    std::string family;
    FontLetters letters;
    int count = 0;
};

// All drawable letters of a class, grouped by family: a family is chosen first, so that one with
// many weights does not count more than a single handwriting.
using ClassPool = std::vector<std::vector<const GlyphShape*>>;

char32_t letter_of(int index)
{
    return static_cast<char32_t>(index < 26 ? U'a' + index : U'A' + index - 26);
}

std::optional<GlyphShape> shape_of(const image::Image& glyph)
{
    Bitmap bitmap{.width = kGlyphBox, .height = kGlyphBox};
    bitmap.ink.assign(static_cast<std::size_t>(kGlyphBox * kGlyphBox), 0);
    const int left = (kGlyphBox - glyph.width) / 2, top = (kGlyphBox - glyph.height) / 2;
    for (int y = 0; y < glyph.height; ++y)
        for (int x = 0; x < glyph.width; ++x)
            bitmap.ink[static_cast<std::size_t>((y + top) * kGlyphBox + x + left)] =
                glyph.pixels[static_cast<std::size_t>(y * glyph.width + x)] > kInkLevel;
    const auto points_of = [](const Bitmap& from) {
        std::vector<GlyphPoint> points;
        for (int y = 0; y < from.height; ++y)
            for (int x = 0; x < from.width; ++x)
                if (from.ink[static_cast<std::size_t>(y * from.width + x)] != 0)
                    points.push_back({static_cast<std::uint8_t>(x), static_cast<std::uint8_t>(y)});
        return points;
    };
    GlyphShape shape{.skeleton = {}, .area = points_of(bitmap)};
    shape.skeleton = points_of(thinned(std::move(bitmap)));
    if (shape.skeleton.size() < kFewestPoints) return std::nullopt;
    return shape;
}

std::optional<Font> taken_apart(const fs::path& path)
{
    const auto file = image::FontFile::open(path);
    if (!file) return std::nullopt;
    Font font{.family = file->family()};
    std::array<std::optional<image::Image>, kLetterClasses> glyphs;
    for (int i = 0; i < kLetterClasses; ++i)
        if (auto glyph = file->glyph(letter_of(i), kGlyphSide))
            glyphs[static_cast<std::size_t>(i)] = *std::move(glyph);
    // Fonts of capitals only draw "a" as "A": their small letters would be lies.
    int equal = 0;
    for (std::size_t i = 0; i < 26; ++i)
        equal += glyphs[i] && glyphs[i + 26] && glyphs[i]->pixels == glyphs[i + 26]->pixels;
    for (std::size_t i = equal > 20 ? 26 : 0; i < glyphs.size(); ++i) {
        if (!glyphs[i]) continue;
        font.letters[i] = shape_of(*glyphs[i]);
        font.count += font.letters[i].has_value();
    }
    if (font.count == 0) return std::nullopt;
    return font;
}

// Calls work(i) for i in [0, count) on `threads` threads; which thread does which is left open.
template <class Work>
void in_parallel(std::int64_t count, int threads, const std::stop_token& stop, const Work& work)
{
    std::atomic<std::int64_t> next{0};
    const auto loop = [&] {
        for (std::int64_t i = next++; i < count && !stop.stop_requested(); i = next++)
            work(i);
    };
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i)
        others.emplace_back(loop);
    loop();
}

Result<std::vector<std::byte>> drawn(const ClassPool& pool, std::uint64_t seed, std::int64_t index)
{
    PenRandom random(seed, static_cast<std::uint64_t>(index));
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const auto& family = pool[random.next() % pool.size()];
        const GlyphShape& shape = *family[random.next() % family.size()];
        if (const auto image = draw_letter(shape, random)) return image::encode_png(*image);
    }
    return fail(ErrorCode::Internal, "a letter left no ink in 100 attempts");
}

std::string name_of_image(std::int64_t index)
{
    std::array<char, 32> number{};
    std::snprintf(number.data(), number.size(), "/%06lld.png",
                  static_cast<long long>(index / kLetterClasses));
    return letter_class(static_cast<int>(index % kLetterClasses)) + number.data();
}

// Where the images go: a zip or a folder.
class Output {
public:
    static Result<Output> create(const fs::path& path)
    {
        Output output;
        if (path.extension() == ".zip") {
            VELAMEN_ASSIGN(auto zip, archive::ZipWriter::create(path));
            output.zip_ = std::move(zip);
            return output;
        }
        output.folder_ = path;
        for (int i = 0; i < kLetterClasses; ++i)
            VELAMEN_TRY(core::make_directory(path / letter_class(i)));
        return output;
    }

    Result<> add(const std::string& name, std::span<const std::byte> content)
    {
        if (zip_) return zip_->add(name, content);
        std::ofstream out(folder_ / name, std::ios::binary);
        out.write(reinterpret_cast<const char*>(content.data()),
                  static_cast<std::streamsize>(content.size()));
        out.close();
        if (!out)
            return fail(ErrorCode::NoSpace, "cannot write to " + folder_.string(),
                        "free some space or choose a folder that you may write to");
        return {};
    }

    Result<> commit()
    {
        if (zip_) return zip_->commit();
        return {};
    }

private:
    std::optional<archive::ZipWriter> zip_;
    fs::path folder_;
};

LettersReport report_on(const std::vector<std::optional<Font>>& fonts)
{
    LettersReport report;
    std::map<std::string, LetterFamily> families;
    for (const auto& font : fonts) {
        if (!font) {
            ++report.skipped_fonts;
            continue;
        }
        report.glyphs += font->count;
        auto& family = families[font->family];
        ++family.files;
        family.family = font->family;
        const FreeFamily* known = free_family(font->family);
        family.package = known != nullptr ? known->package : "";
        family.licence = known != nullptr
            ? known->licence
            : "not in the list: check it before you give the pictures away";
    }
    for (auto& [name, family] : families)
        report.families.push_back(std::move(family));
    return report;
}

Result<std::vector<ClassPool>> pools_of(const std::vector<std::optional<Font>>& fonts)
{
    std::vector<ClassPool> pools;
    for (std::size_t i = 0; i < static_cast<std::size_t>(kLetterClasses); ++i) {
        std::map<std::string, std::vector<const GlyphShape*>> families;
        for (const auto& font : fonts)
            if (font && font->letters[i]) families[font->family].push_back(&*font->letters[i]);
        if (families.empty())
            return fail(ErrorCode::NotFound,
                        "no font has the letter of class " + letter_class(static_cast<int>(i)),
                        "install the fonts listed in packaging/letters-fonts.txt");
        ClassPool pool;
        for (auto& [family, shapes] : families)
            pool.push_back(std::move(shapes));
        pools.push_back(std::move(pool));
    }
    return pools;
}

} // namespace

std::string letter_class(int index)
{
    return (index < 26 ? "lower_" : "upper_") + std::string(1, static_cast<char>('a' + index % 26));
}

Result<LettersReport> make_letters(const LettersPlan& plan, std::stop_token stop,
                                   const std::function<void(std::int64_t, std::int64_t)>& progress)
{
    if (plan.images < 1 || plan.images > 10'000'000)
        return fail(ErrorCode::InvalidArgument,
                    "number of images out of range: " + std::to_string(plan.images),
                    "choose 1 to 10 million");
    if (plan.fonts.empty())
        return fail(ErrorCode::NotFound, "there are no fonts to draw letters with",
                    "install the fonts listed in packaging/letters-fonts.txt");
    const int threads = std::clamp(plan.threads, 1, 64);
    const auto stopped = [] { return fail(ErrorCode::Cancelled, "drawing letters was stopped"); };

    std::vector<std::optional<Font>> fonts(plan.fonts.size());
    in_parallel(static_cast<std::int64_t>(fonts.size()), threads, stop, [&](std::int64_t i) {
        fonts[static_cast<std::size_t>(i)] = taken_apart(plan.fonts[static_cast<std::size_t>(i)]);
    });
    if (stop.stop_requested()) return stopped();
    VELAMEN_ASSIGN(const auto pools, pools_of(fonts));
    LettersReport report = report_on(fonts);

    VELAMEN_ASSIGN(Output output, Output::create(plan.out));
    for (std::int64_t first = 0; first < plan.images; first += kBatch) {
        const std::int64_t count = std::min(kBatch, plan.images - first);
        std::vector<Result<std::vector<std::byte>>> files(static_cast<std::size_t>(count));
        in_parallel(count, threads, stop, [&](std::int64_t i) {
            const auto& pool = pools[static_cast<std::size_t>((first + i) % kLetterClasses)];
            files[static_cast<std::size_t>(i)] = drawn(pool, plan.seed, first + i);
        });
        if (stop.stop_requested()) return stopped();
        for (std::int64_t i = 0; i < count; ++i) {
            auto& file = files[static_cast<std::size_t>(i)];
            if (!file) return fail(std::move(file).error());
            VELAMEN_TRY(output.add(name_of_image(first + i), *file));
        }
        report.images = first + count;
        if (progress) progress(report.images, plan.images);
    }
    VELAMEN_TRY(output.commit());
    return report;
}

} // namespace velamen::data
