// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/layers/group_norm.h"

#include <algorithm>
#include <cmath>
#include <span>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "engine/core/assert.h"
#include "engine/nn/layers/channels_last.h"
#include "kernels/api/channel_norm.h"

namespace velamen::nn {

namespace {

constexpr std::int64_t kFewestPixels = 64; ///< that are worth a thread

/// One call. Samples are split between the threads; where there are too few of them, their pixels.
class Norm {
public:
    Norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight, const at::Tensor& bias,
         double eps, bool has_silu)
        : x_(channels_last(x)), weight_(weight.contiguous()), bias_(bias.contiguous()),
          samples_(x.size(0)), channels_(x.size(1)), pixels_(x.size(2) * x.size(3)),
          groups_(groups), eps_(eps), has_silu_(has_silu)
    {
        const std::int64_t threads = at::get_num_threads();
        parts_ = std::clamp((threads + samples_ - 1) / std::max<std::int64_t>(samples_, 1),
                            std::int64_t{1}, std::max<std::int64_t>(pixels_ / kFewestPixels, 1));
        out_ = at::empty_like(x_, x_.options(), at::MemoryFormat::ChannelsLast);
        mean_ = at::empty({samples_, groups}, x_.options());
        rstd_ = at::empty({samples_, groups}, x_.options());
        sums_ = at::empty({samples_, parts_, channels_}, x_.options().dtype(at::kDouble));
        centre_ = at::empty({samples_, channels_}, x_.options());
        scale_ = at::empty({samples_, channels_}, x_.options());
    }

    Normed run()
    {
        if (parts_ == 1) { // a sample stays in its thread's cache
            at::parallel_for(0, samples_, 1, [&](std::int64_t first, std::int64_t last) {
                for (std::int64_t n = first; n < last; ++n) {
                    sums(n, 0, {});
                    find_mean(n);
                    sums(n, 0, row(centre_, n));
                    find_scale(n);
                    finish(n, 0);
                }
            });
        } else {
            each_part([&](std::int64_t n, std::int64_t part) { sums(n, part, {}); });
            for (std::int64_t n = 0; n < samples_; ++n)
                find_mean(n);
            each_part([&](std::int64_t n, std::int64_t part) { sums(n, part, row(centre_, n)); });
            for (std::int64_t n = 0; n < samples_; ++n)
                find_scale(n);
            each_part([&](std::int64_t n, std::int64_t part) { finish(n, part); });
        }
        return {out_, mean_, rstd_};
    }

private:
    template <class Work>
    void each_part(const Work& work) const
    {
        at::parallel_for(0, samples_ * parts_, 1, [&](std::int64_t first, std::int64_t last) {
            for (std::int64_t i = first; i < last; ++i)
                work(i / parts_, i % parts_);
        });
    }

    std::span<float> row(const at::Tensor& table, std::int64_t n) const
    {
        return {table.data_ptr<float>() + n * channels_, static_cast<std::size_t>(channels_)};
    }

    std::int64_t begin_of(std::int64_t part) const { return part * pixels_ / parts_; }

    std::span<float> pixels(const at::Tensor& map, std::int64_t n, std::int64_t part) const
    {
        const std::int64_t begin = begin_of(part), end = begin_of(part + 1);
        return {map.data_ptr<float>() + (n * pixels_ + begin) * channels_,
                static_cast<std::size_t>((end - begin) * channels_)};
    }

    void sums(std::int64_t n, std::int64_t part, std::span<const float> centre) const
    {
        const auto input = pixels(x_, n, part);
        const auto width = static_cast<std::size_t>(channels_);
        const auto status = kernels::cpu::channel_sums(
            {},
            {.pixels = input.size() / width,
             .channels = width,
             .input = input,
             .centre = centre,
             .sums = {sums_.data_ptr<double>() + (n * parts_ + part) * channels_, width}});
        VELAMEN_ASSERT(status == kernels::Status::Ok);
    }

    /// Of one group of a sample, over its channels, pixels and parts; divided by their number.
    double average(std::int64_t n, std::int64_t group) const
    {
        const std::int64_t width = channels_ / groups_;
        double total = 0.0;
        for (std::int64_t part = 0; part < parts_; ++part) {
            const double* of_part =
                sums_.data_ptr<double>() + (n * parts_ + part) * channels_ + group * width;
            for (std::int64_t c = 0; c < width; ++c)
                total += of_part[c];
        }
        return total / static_cast<double>(width * pixels_);
    }

    void find_mean(std::int64_t n) const
    {
        for (std::int64_t group = 0; group < groups_; ++group)
            set(mean_, centre_, n, group, static_cast<float>(average(n, group)));
    }

    void find_scale(std::int64_t n) const
    {
        for (std::int64_t group = 0; group < groups_; ++group)
            set(rstd_, scale_, n, group,
                static_cast<float>(1.0 / std::sqrt(average(n, group) + eps_)));
        const auto scale = row(scale_, n);
        const float* weight = weight_.data_ptr<float>();
        for (std::size_t c = 0; c < scale.size(); ++c)
            scale[c] *= weight[c];
    }

    /// A group's value, in the table of groups and in that of channels.
    void set(const at::Tensor& by_group, const at::Tensor& by_channel, std::int64_t n,
             std::int64_t group, float value) const
    {
        const std::int64_t width = channels_ / groups_;
        by_group.data_ptr<float>()[n * groups_ + group] = value;
        std::ranges::fill(
            row(by_channel, n)
                .subspan(static_cast<std::size_t>(group * width), static_cast<std::size_t>(width)),
            value);
    }

    void finish(std::int64_t n, std::int64_t part) const
    {
        const auto input = pixels(x_, n, part);
        const auto width = static_cast<std::size_t>(channels_);
        const auto status = kernels::cpu::channel_affine({},
                                                         {.pixels = input.size() / width,
                                                          .channels = width,
                                                          .input = input,
                                                          .centre = row(centre_, n),
                                                          .scale = row(scale_, n),
                                                          .shift = {bias_.data_ptr<float>(), width},
                                                          .has_silu = has_silu_,
                                                          .output = pixels(out_, n, part)});
        VELAMEN_ASSERT(status == kernels::Status::Ok);
    }

    at::Tensor x_, weight_, bias_;
    std::int64_t samples_, channels_, pixels_, groups_, parts_ = 1;
    double eps_;
    bool has_silu_;
    at::Tensor out_, mean_, rstd_;
    at::Tensor sums_;           // f64 [N, parts, C]
    at::Tensor centre_, scale_; // [N, C]
};

} // namespace

Normed group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                  const at::Tensor& bias, double eps, bool has_silu)
{
    const bool is_ours = x.device().is_cpu() && x.scalar_type() == at::kFloat
        && weight.scalar_type() == at::kFloat && bias.scalar_type() == at::kFloat;
    if (is_ours) return Norm(x, groups, weight, bias, eps, has_silu).run();
    auto [out, mean, rstd] = at::native_group_norm(channels_last(x), weight, bias, x.size(0),
                                                   x.size(1), x.size(2) * x.size(3), groups, eps);
    return {has_silu ? at::silu_(out) : out, mean, rstd};
}

} // namespace velamen::nn
