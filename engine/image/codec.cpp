// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/image/codec.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

#include <vips/vips8>

#include "engine/image/png_chunks.h"

namespace velamen::image {

namespace {

constexpr std::int64_t kPixelLimit = std::int64_t{1} << 28; // 268 megapixels
constexpr std::int64_t kSmallImage = std::int64_t{1} << 20;
constexpr int kAspectLimit = 100;
constexpr int kSizeLimit = 8192;

constexpr const char* kOtherFormat = "use PNG, JPEG, TIFF, WebP or GIF";

// libvips: started once, quiet (its warnings may quote files), one thread per call (callers have
// their own), nothing kept between calls, loaders that were never fuzzed blocked.
Result<> start()
{
    static std::once_flag once;
    static bool works = false;
    std::call_once(once, [] {
        works = vips_init("velamen") == 0;
        if (!works) return;
        vips_block_untrusted_set(TRUE);
        vips_concurrency_set(1);
        vips_cache_set_max(0);
        g_log_set_handler(
            "VIPS", static_cast<GLogLevelFlags>(G_LOG_LEVEL_MASK | G_LOG_FLAG_RECURSION),
            [](const gchar*, GLogLevelFlags, const gchar*, gpointer) {}, nullptr);
    });
    if (!works) return fail(ErrorCode::Internal, "the image library could not be started");
    return {};
}

bool starts_with(std::span<const std::byte> file, std::string_view magic, std::size_t at = 0)
{
    return file.size() >= at + magic.size()
        && std::memcmp(file.data() + at, magic.data(), magic.size()) == 0;
}

// By the first bytes; the name of the file says nothing.
bool is_known_format(std::span<const std::byte> file)
{
    using namespace std::string_view_literals;
    return is_png(file) || starts_with(file, "\xff\xd8\xff"sv) || starts_with(file, "II*\0"sv)
        || starts_with(file, "MM\0*"sv) || starts_with(file, "II+\0"sv)
        || starts_with(file, "MM\0+"sv) || starts_with(file, "GIF87a"sv)
        || starts_with(file, "GIF89a"sv)
        || (starts_with(file, "RIFF"sv) && starts_with(file, "WEBP"sv, 8));
}

tl::unexpected<Error> corrupt()
{
    vips_error_clear();
    return fail(ErrorCode::Corrupt, "the image cannot be decoded to its last row",
                "copy it again or leave it out");
}

// Runs `work`, which may throw what libvips and the allocator throw.
template <class Work>
auto guarded(const Work& work) noexcept -> decltype(work())
{
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "there is not enough memory for this image",
                    "close other programs or use smaller images");
    } catch (const std::exception&) {
        return corrupt();
    }
}

vips::VImage header_of(std::span<const std::byte> file)
{
    return vips::VImage::new_from_buffer(file.data(), file.size(), "",
                                         vips::VImage::option()
                                             ->set("fail_on", VIPS_FAIL_ON_TRUNCATED)
                                             ->set("access", VIPS_ACCESS_SEQUENTIAL));
}

bool is_turned(const vips::VImage& image)
{
    const int orientation = vips_image_get_orientation(image.get_image());
    return orientation >= 5 && orientation <= 8;
}

Result<vips::VImage> checked_header(std::span<const std::byte> file)
{
    VELAMEN_TRY(start());
    if (!is_known_format(file))
        return fail(ErrorCode::Unsupported, "the file is not an image of a known format",
                    kOtherFormat);
    vips::VImage header = header_of(file);
    if (static_cast<std::int64_t>(header.width()) * header.height() > kPixelLimit)
        return fail(ErrorCode::Unsupported, "the image has more than 268 million pixels",
                    "make it smaller first");
    return header;
}

// 8-bit grey or sRGB without alpha, as the target asks for.
vips::VImage converted(vips::VImage image, int channels)
{
    if (image.has_alpha()) image = image.flatten(vips::VImage::option()->set("background", 0.0));
    const auto space = channels == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    if (image.interpretation() != space) image = image.colourspace(space);
    if (image.bands() > channels)
        image = image.extract_band(0, vips::VImage::option()->set("n", channels));
    if (image.format() != VIPS_FORMAT_UCHAR) image = image.cast(VIPS_FORMAT_UCHAR);
    return image;
}

Result<Image> pixels_of(const vips::VImage& image)
{
    Image result{.width = image.width(), .height = image.height(), .channels = image.bands()};
    std::size_t size = 0;
    // The evaluation of everything before happens here, to the last row.
    void* memory = image.write_to_memory(&size);
    const auto* bytes = static_cast<const std::uint8_t*>(memory);
    result.pixels.assign(bytes, bytes + size);
    g_free(memory);
    return result;
}

Image centre_of(const Image& image, int size)
{
    Image result{.width = size, .height = size, .channels = image.channels};
    const auto row = static_cast<std::size_t>(size) * static_cast<std::size_t>(image.channels);
    result.pixels.reserve(row * static_cast<std::size_t>(size));
    const int left = (image.width - size) / 2;
    const int top = (image.height - size) / 2;
    for (int y = top; y < top + size; ++y) {
        const auto start_of_row = static_cast<std::size_t>(y * image.width + left)
            * static_cast<std::size_t>(image.channels);
        const auto from = image.pixels.begin() + static_cast<std::ptrdiff_t>(start_of_row);
        result.pixels.insert(result.pixels.end(), from, from + static_cast<std::ptrdiff_t>(row));
    }
    return result;
}

} // namespace

Result<Image> decode(std::span<const std::byte> file, const Target& target)
{
    if (target.size < 1 || target.size > kSizeLimit)
        return fail(ErrorCode::InvalidArgument,
                    "image size out of range: " + std::to_string(target.size), "choose 1 to 8192");
    if (target.channels != 1 && target.channels != 3)
        return fail(ErrorCode::InvalidArgument,
                    "number of channels out of range: " + std::to_string(target.channels),
                    "choose 1 (grey) or 3 (colour)");
    return guarded([&]() -> Result<Image> {
        VELAMEN_ASSIGN(const vips::VImage header, checked_header(file));
        const bool turned = is_turned(header);
        const int width = turned ? header.height() : header.width();
        const int height = turned ? header.width() : header.height();
        const int shorter = std::min(width, height);
        if (std::max(width, height) / shorter >= kAspectLimit)
            return fail(ErrorCode::Unsupported, "the image is over 100 times longer than wide",
                        "cut it first");
        const auto scaled = [&](int side) {
            return std::max(
                target.size,
                static_cast<int>(std::lround(static_cast<double>(side) * target.size / shorter)));
        };
        vips::VImage image;
        if (shorter == target.size && vips_image_get_orientation(header.get_image()) <= 1) {
            image = header;
        } else {
            // Whole and cut afterwards: a crop inside libvips would not read the last rows. Exact
            // width and height, so that rounding never leaves a side too short.
            VipsBlob* blob = vips_blob_new(nullptr, file.data(), file.size());
            vips::VOption* options = vips::VImage::option()
                                         ->set("height", scaled(height))
                                         ->set("size", VIPS_SIZE_FORCE)
                                         ->set("option_string", "fail_on=truncated");
            const auto release = [](VipsBlob* held) { vips_area_unref(VIPS_AREA(held)); };
            const std::unique_ptr<VipsBlob, decltype(release)> holder(blob, release);
            image = vips::VImage::thumbnail_buffer(blob, scaled(width), options);
        }
        VELAMEN_ASSIGN(Image whole, pixels_of(converted(image, target.channels)));
        if (whole.channels != target.channels || whole.width < target.size
            || whole.height < target.size)
            return corrupt();
        if (whole.width == target.size && whole.height == target.size) return whole;
        return centre_of(whole, target.size);
    });
}

Result<Size> probe(std::span<const std::byte> file)
{
    return guarded([&]() -> Result<Size> {
        VELAMEN_ASSIGN(const vips::VImage header, checked_header(file));
        if (is_turned(header)) return Size{.width = header.height(), .height = header.width()};
        return Size{.width = header.width(), .height = header.height()};
    });
}

Result<Size> verify(std::span<const std::byte> file)
{
    return guarded([&]() -> Result<Size> {
        VELAMEN_ASSIGN(const vips::VImage header, checked_header(file));
        const bool turned = is_turned(header);
        const Size size{.width = turned ? header.height() : header.width(),
                        .height = turned ? header.width() : header.height()};
        if (static_cast<std::int64_t>(size.width) * size.height > kSmallImage) {
            // Large ones are shrunk while they are read: less memory, and JPEG is much faster.
            VELAMEN_TRY(decode(file, {.size = 32, .channels = 3}));
        } else {
            std::size_t bytes = 0;
            g_free(header.write_to_memory(&bytes));
        }
        return size;
    });
}

Result<std::vector<std::byte>> encode_png(const Image& image,
                                          const std::map<std::string, std::string>& text,
                                          const std::string& xmp)
{
    const auto expected = static_cast<std::size_t>(image.width)
        * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.channels);
    if (image.width < 1 || image.height < 1 || (image.channels != 1 && image.channels != 3)
        || image.pixels.size() != expected)
        return fail(ErrorCode::InvalidArgument, "the picture to be written has no pixels");
    return guarded([&]() -> Result<std::vector<std::byte>> {
        VELAMEN_TRY(start());
        vips::VImage picture =
            vips::VImage::new_from_memory(const_cast<std::uint8_t*>(image.pixels.data()),
                                          image.pixels.size(), image.width, image.height,
                                          image.channels, VIPS_FORMAT_UCHAR)
                .copy(vips::VImage::option()->set("interpretation",
                                                  image.channels == 1 ? VIPS_INTERPRETATION_B_W
                                                                      : VIPS_INTERPRETATION_sRGB));
        VipsBlob* blob = picture.pngsave_buffer(vips::VImage::option()->set("compression", 6));
        std::size_t size = 0;
        const auto* bytes = static_cast<const std::byte*>(vips_blob_get(blob, &size));
        std::vector<std::byte> file(bytes, bytes + size);
        vips_area_unref(VIPS_AREA(blob));
        return with_text(file, text, xmp);
    });
}

Result<std::map<std::string, std::string>> png_text(std::span<const std::byte> file)
{
    return text_of(file);
}

} // namespace velamen::image
