// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reads files one after the other (a source has one thread) and decodes them on all cores.

#include "engine/train/public/image_set.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "engine/data/source.h"
#include "engine/image/codec.h"

namespace velamen::train {

namespace {

constexpr std::int64_t kBlock = 512; ///< files in memory at a time

/// Interleaved samples to planes.
void to_planes(const image::Image& image, std::uint8_t* out)
{
    const auto channels = static_cast<std::size_t>(image.channels);
    const std::size_t area = image.pixels.size() / channels;
    for (std::size_t i = 0; i < area; ++i) {
        for (std::size_t c = 0; c < channels; ++c)
            out[c * area + i] = image.pixels[i * channels + c];
    }
}

} // namespace

at::Tensor ImageSet::rows(const at::Tensor& indices) const
{
    return pixels.index_select(0, indices).to(at::kFloat).div_(127.5).sub_(1.0);
}

Result<ImageSet> load_images(const std::filesystem::path& source, const std::string& label,
                             int size, int channels, std::stop_token stop,
                             const std::function<void(std::int64_t, std::int64_t)>& progress)
{
    VELAMEN_ASSIGN(const auto files, data::Source::open(source));
    // The scan decodes each file too: it counts as the first half of the work.
    VELAMEN_ASSIGN(
        const data::Manifest manifest,
        files->scan({.keys = {.label = label}}, stop,
                    [&](std::int64_t done, std::int64_t total) { progress(done, 2 * total); }));
    const auto total = static_cast<std::int64_t>(manifest.images.size());
    if (total < 2 || manifest.classes.empty())
        return fail(ErrorCode::Refused, "there are not enough images to train on",
                    "choose a folder with one subfolder of images for each class, or with "
                    "captions in its metadata.csv");
    for (const std::int64_t count : manifest.class_counts) {
        if (count == 0)
            return fail(ErrorCode::Refused, "a class has no readable image",
                        "remove the empty subfolder, or put images into it");
    }

    ImageSet set{.classes = manifest.classes,
                 .pixels = at::empty({total, channels, size, size}, at::kByte),
                 .labels = at::empty({total}, at::kLong)};
    std::vector<char> is_good(static_cast<std::size_t>(total), 1);
    std::uint8_t* pixels = set.pixels.data_ptr<std::uint8_t>();
    const std::int64_t stride = set.pixels.stride(0);
    const image::Target target{.size = size, .channels = channels};
    std::vector<std::vector<std::byte>> block;
    for (std::int64_t begin = 0; begin < total; begin += kBlock) {
        if (stop.stop_requested())
            return fail(ErrorCode::Cancelled, "stopped while the images were read");
        const std::int64_t count = std::min(kBlock, total - begin);
        block.clear();
        for (std::int64_t i = 0; i < count; ++i) {
            const auto& entry = manifest.images[static_cast<std::size_t>(begin + i)];
            auto bytes = files->read(entry.name);
            block.push_back(bytes ? std::move(*bytes) : std::vector<std::byte>{});
            set.labels.data_ptr<std::int64_t>()[begin + i] = entry.class_index;
        }
        at::parallel_for(0, count, 1, [&](std::int64_t first, std::int64_t last) {
            for (std::int64_t i = first; i < last; ++i) {
                const auto decoded = image::decode(block[static_cast<std::size_t>(i)], target);
                if (decoded && decoded->pixels.size() == static_cast<std::size_t>(stride))
                    to_planes(*decoded, pixels + (begin + i) * stride);
                else
                    is_good[static_cast<std::size_t>(begin + i)] = 0;
            }
        });
        progress(total + begin + count, 2 * total);
    }

    set.left_out = std::ranges::count(is_good, 0);
    if (set.left_out > 0) {
        std::vector<std::int64_t> kept;
        for (std::int64_t i = 0; i < total; ++i) {
            if (is_good[static_cast<std::size_t>(i)]) kept.push_back(i);
        }
        if (kept.size() < 2)
            return fail(ErrorCode::Corrupt, "hardly any image could be decoded",
                        "check that the files are whole pictures (PNG, JPEG, TIFF, WebP)");
        const at::Tensor indices = at::tensor(kept, at::kLong);
        set.pixels = set.pixels.index_select(0, indices);
        set.labels = set.labels.index_select(0, indices);
    }
    return set;
}

} // namespace velamen::train
