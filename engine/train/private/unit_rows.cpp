// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/unit_rows.h"

#include <algorithm>

#include <torch/torch.h>

namespace velamen::train {

Rows unit_rows(const Dataset& dataset, std::span<const std::int64_t> units,
               const OptimiserPlan& plan, std::int64_t train_timesteps, std::int64_t null_class,
               const core::StreamKey& key, std::uint64_t step)
{
    const data::LatentCache& cache = dataset.latents;
    const std::int64_t draws = plan.noise_multiplicity;
    const std::int64_t count = static_cast<std::int64_t>(units.size()) * draws;
    const std::vector<std::int64_t> shape{count, cache.channels, cache.height, cache.width};
    Rows rows{torch::empty(shape), torch::empty(shape), torch::empty({count}, torch::kInt64),
              torch::empty({count}, torch::kInt64)};
    float* latents = rows.latents.data_ptr<float>();
    float* noise = rows.noise.data_ptr<float>();
    auto* times = rows.times.data_ptr<std::int64_t>();
    auto* classes = rows.classes.data_ptr<std::int64_t>();
    const auto width = static_cast<std::size_t>(cache.row());
    std::int64_t row = 0;
    for (const std::int64_t unit : units) {
        const data::Unit& members = dataset.units[static_cast<std::size_t>(unit)];
        core::SecureStream stream(key, step, static_cast<std::uint32_t>(unit));
        for (std::int64_t k = 0; k < draws; ++k, ++row) {
            const std::uint64_t pick =
                members.images.size() == 1 ? 0 : stream.below(members.images.size());
            const std::int64_t image = members.images[static_cast<std::size_t>(pick)];
            const auto latent = cache.latent(image);
            std::copy(latent.begin(), latent.end(),
                      latents + static_cast<std::size_t>(row) * width);
            times[row] = static_cast<std::int64_t>(
                stream.below(static_cast<std::uint64_t>(train_timesteps)));
            const bool is_dropped = stream.uniform() < plan.class_dropout;
            classes[row] =
                is_dropped ? null_class : cache.class_index[static_cast<std::size_t>(image)];
            stream.normals({noise + static_cast<std::size_t>(row) * width, width});
        }
    }
    return rows;
}

} // namespace velamen::train
