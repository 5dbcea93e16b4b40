// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/support/draw_sums.h"

#include <ATen/ATen.h>

namespace velamen::test {

Result<std::unique_ptr<DrawSums>> DrawSums::create(const train::TrainingPlan& plan,
                                                   std::int64_t units)
{
    std::unique_ptr<DrawSums> sums(new DrawSums);
    sums->plan_ = plan;
    VELAMEN_ASSIGN(sums->model_, train::PrivateModel::create(plan));
    VELAMEN_ASSIGN(sums->clipper_, train::make_clipper(plan, sums->model_->trained()));
    const train::Rows rows = train::random_rows(sums->model_->checkpoint(), units, 5);
    data::LatentCache& cache = sums->dataset_.latents;
    cache.channels = static_cast<int>(rows.latents.size(1));
    cache.height = static_cast<int>(rows.latents.size(2));
    cache.width = static_cast<int>(rows.latents.size(3));
    const float* values = rows.latents.const_data_ptr<float>();
    cache.values.assign(values, values + rows.latents.numel());
    for (std::int64_t unit = 0; unit < units; ++unit) {
        cache.class_index.push_back(unit % static_cast<std::int64_t>(plan.classes.size()));
        sums->dataset_.units.push_back({.images = {unit}});
    }
    sums->key_ = core::StreamKey::reproducible(1);
    return sums;
}

train::DrawSum DrawSums::with_micro_batch(std::int64_t micro_batch)
{
    plan_.micro_batch = micro_batch;
    return {plan_, *model_, *clipper_, dataset_, *key_};
}

data::PoissonDraw DrawSums::draw_of(std::int64_t count)
{
    const auto key = core::StreamKey::reproducible(1);
    core::SecureStream stream(key, 0, 0);
    return data::PoissonSampler(count, privacy::SamplingRate::literal(1.0)).draw(stream);
}

} // namespace velamen::test
