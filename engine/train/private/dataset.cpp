// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/dataset.h"

#include <algorithm>
#include <span>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/generate/latent_scale.h"
#include "engine/image/codec.h"
#include "engine/nn/autoencoder/slices.h"

namespace velamen::train {

namespace {

/// Pixels encoded at once, whatever their number of images.
constexpr std::int64_t kEncodedPixels = 250 * 32 * 32;

Result<std::vector<std::int64_t>> class_map(const data::Manifest& manifest,
                                            const std::vector<std::string>& classes)
{
    std::vector<std::int64_t> map;
    for (const std::string& name : manifest.classes) {
        const auto at = std::find(classes.begin(), classes.end(), name);
        if (at == classes.end())
            return fail(ErrorCode::Refused, "the folder has a class that the plan does not name",
                        "the list of classes is public and fixed by the plan: make a new plan");
        map.push_back(at - classes.begin());
    }
    return map;
}

Result<> check_scan(const data::Manifest& manifest, const TrainingPlan& plan)
{
    if (plan.privacy.neighbours == privacy::Neighbours::ZeroOut
        && static_cast<std::int64_t>(manifest.units.size()) != plan.privacy.public_units)
        return fail(ErrorCode::Refused,
                    "the folder does not hold the " + std::to_string(plan.privacy.public_units)
                        + " units of the plan, each one " + plan.privacy.unit,
                    "images were added, removed, became unreadable or are grouped otherwise: make "
                    "a new plan");
    return {};
}

/// Equal for the same images with the same classes in the same units, whatever files are called and
/// in which order they come.
std::string fingerprint_of(const Dataset& dataset, const privacy::LedgerStore& store)
{
    const auto hex = [&](const std::string& text) {
        return core::to_hex(store.hash_unit(std::as_bytes(std::span(text.data(), text.size()))));
    };
    const auto joined = [](std::vector<std::string>& parts) {
        std::sort(parts.begin(), parts.end());
        std::string text;
        for (const std::string& part : parts)
            text += part + "\n";
        return text;
    };
    std::vector<std::string> units, images;
    for (const data::Unit& unit : dataset.units) {
        images.clear();
        for (const data::ImageIndex image : unit.images) {
            const auto i = static_cast<std::size_t>(image);
            images.push_back(core::to_hex(dataset.hashes[i]) + " "
                             + std::to_string(dataset.latents.class_index[i]));
        }
        units.push_back(hex(joined(images)));
    }
    return hex(joined(units));
}

/// fp32 in [-1, 1], [n, C, H, W]
at::Tensor to_batch(const std::vector<image::Image>& images)
{
    const image::Image& first = images.front();
    auto bytes = torch::empty(
        {static_cast<std::int64_t>(images.size()), first.height, first.width, first.channels},
        torch::kUInt8);
    for (std::size_t i = 0; i < images.size(); ++i)
        std::copy(images[i].pixels.begin(), images[i].pixels.end(),
                  bytes[static_cast<std::int64_t>(i)].data_ptr<std::uint8_t>());
    return bytes.permute({0, 3, 1, 2}).to(torch::kFloat32).div_(127.5).sub_(1.0).contiguous();
}

} // namespace

std::int64_t encode_batch(std::int64_t size)
{
    return std::clamp<std::int64_t>(kEncodedPixels / (size * size), 1, 250);
}

Result<Dataset> load_dataset(const TrainingPlan& plan, const privacy::LedgerStore& store,
                             checkpoint::Checkpoint& checkpoint, std::stop_token stop,
                             const Counter& scanning, const Counter& encoding)
{
    VELAMEN_ASSIGN(const auto source, data::Source::open(plan.source));
    VELAMEN_ASSIGN(data::Manifest manifest,
                   source->scan({.keys = plan.keys, .unit = plan.privacy.unit}, stop, scanning));
    VELAMEN_TRY(check_scan(manifest, plan));
    VELAMEN_ASSIGN(const std::vector<std::int64_t> classes, class_map(manifest, plan.classes));

    auto& vae = checkpoint.autoencoder();
    const image::Target target{.size = static_cast<int>(checkpoint.image_size()),
                               .channels = static_cast<int>(vae.sizes().image_channels)};
    VELAMEN_ASSIGN(const auto scale, generate::LatentScale::of(checkpoint));
    const auto total = static_cast<std::int64_t>(manifest.images.size());
    Dataset dataset;
    const std::int64_t batch = encode_batch(target.size);
    dataset.units = std::move(manifest.units);
    dataset.hashes.reserve(static_cast<std::size_t>(total));
    data::LatentCache& cache = dataset.latents;
    for (std::int64_t first = 0; first < total; first += batch) {
        if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "stopped while encoding");
        std::vector<image::Image> images;
        for (std::int64_t i = first; i < std::min(total, first + batch); ++i) {
            const data::ImageEntry& entry = manifest.images[static_cast<std::size_t>(i)];
            const auto bytes = source->read(entry.name);
            if (!bytes)
                return fail(ErrorCode::Unreadable,
                            "an image of the private folder can no longer be read",
                            "scan the folder again and make a new plan");
            dataset.hashes.push_back(store.hash_unit(*bytes));
            auto image = image::decode(*bytes, target);
            if (!image)
                return fail(ErrorCode::Corrupt,
                            "an image of the private folder can no longer be decoded",
                            "scan the folder again and make a new plan");
            images.push_back(std::move(*image));
            cache.class_index.push_back(classes[static_cast<std::size_t>(entry.class_index)]);
        }
        try {
            const torch::NoGradGuard no_grad;
            const auto latents = scale.to_model(nn::encode_means(vae, to_batch(images)))
                                     .contiguous(); // [n, Z, h, w]
            cache.channels = static_cast<int>(latents.size(1));
            cache.height = static_cast<int>(latents.size(2));
            cache.width = static_cast<int>(latents.size(3));
            const float* values = latents.const_data_ptr<float>();
            cache.values.insert(cache.values.end(), values, values + latents.numel());
        } catch (const std::exception& error) {
            return fail(ErrorCode::Internal,
                        std::string("the autoencoder failed: ") + error.what());
        }
        if (encoding) encoding(static_cast<std::int64_t>(cache.class_index.size()), total);
    }
    dataset.fingerprint = fingerprint_of(dataset, store);
    return dataset;
}

} // namespace velamen::train
