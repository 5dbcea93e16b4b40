// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/kernel_calls.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <span>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/api/gram_product.h"
#include "kernels/api/layer_norm_sums.h"
#include "kernels/api/weighted_accumulate.h"

namespace velamen::dpsgd {

namespace {

using kernels::Status;

template <class T>
std::span<T> span_of(const at::Tensor& tensor)
{
    TORCH_CHECK(tensor.is_contiguous(), "a kernel was given a strided tensor");
    return {tensor.data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

template <class T>
std::span<T> part(std::span<T> whole, std::int64_t first, std::int64_t last, std::size_t width)
{
    return whole.subspan(static_cast<std::size_t>(first) * width,
                         static_cast<std::size_t>(last - first) * width);
}

/// Rows per thread for which starting a thread pays.
std::int64_t grain(std::int64_t row_cost)
{
    return std::max<std::int64_t>(1, (std::int64_t{1} << 15) / std::max<std::int64_t>(1, row_cost));
}

void expect(Status status)
{
    TORCH_CHECK(status == Status::Ok, "a kernel refused its arguments or its device");
}

/// Calls job(first, last) on slices of [0, count) in parallel; the worst status.
template <class Job>
Status in_parallel(std::int64_t count, std::int64_t row_cost, const Job& job)
{
    std::atomic<Status> worst{Status::Ok};
    at::parallel_for(0, count, grain(row_cost), [&](std::int64_t first, std::int64_t last) {
        if (const Status status = job(first, last); status != Status::Ok) worst = status;
    });
    return worst;
}

} // namespace

void on_all_threads(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& part)
{
    const std::int64_t threads = std::max(1, at::get_num_threads());
    at::parallel_for(0, count, std::max<std::int64_t>(1, (count + threads - 1) / threads), part);
}

std::pair<at::Tensor, at::Tensor> gram_product(const at::Tensor& gram_a, const at::Tensor& gram_g)
{
    const std::int64_t units = gram_a.size(0);
    const auto tokens = static_cast<std::size_t>(gram_a.size(1));
    const auto options = gram_a.options().dtype(at::kDouble);
    std::pair out{at::empty({units}, options), at::empty({units}, options)};
    const auto a = span_of<float>(gram_a), g = span_of<float>(gram_g);
    const auto squared = span_of<double>(out.first), bound = span_of<double>(out.second);
    if (gram_a.is_cuda()) {
        expect(kernels::cuda::gram_product(
            {}, {static_cast<std::size_t>(units), tokens, a, g, squared, bound}));
        return out;
    }
    expect(in_parallel(
        units, gram_a.size(1) * gram_a.size(1), [&](std::int64_t first, std::int64_t last) {
            return kernels::cpu::gram_product(
                {},
                {static_cast<std::size_t>(last - first), tokens,
                 part(a, first, last, tokens * tokens), part(g, first, last, tokens * tokens),
                 part(squared, first, last, 1), part(bound, first, last, 1)});
        }));
    return out;
}

void weighted_accumulate(const at::Tensor& rows, const at::Tensor& weights,
                         const at::Tensor& accumulator)
{
    const kernels::WeightedAccumulate job{
        static_cast<std::size_t>(rows.size(0)), static_cast<std::size_t>(accumulator.numel()),
        span_of<float>(rows), span_of<float>(weights), span_of<float>(accumulator)};
    expect(rows.is_cuda() ? kernels::cuda::weighted_accumulate({}, job)
                          : kernels::cpu::weighted_accumulate({}, job));
}

std::pair<at::Tensor, at::Tensor> layer_norm_sums(const at::Tensor& x, const at::Tensor& g,
                                                  const at::Tensor& mean, const at::Tensor& rstd)
{
    const std::int64_t units = x.size(0);
    const auto tokens = static_cast<std::size_t>(x.size(1));
    const auto width = static_cast<std::size_t>(x.size(2));
    std::pair out{at::empty({units, x.size(2)}, x.options()),
                  at::empty({units, x.size(2)}, x.options())};
    const auto xs = span_of<float>(x), gs = span_of<float>(g);
    const auto means = span_of<float>(mean), rstds = span_of<float>(rstd);
    const auto weight = span_of<float>(out.first), bias = span_of<float>(out.second);
    if (x.is_cuda()) {
        expect(kernels::cuda::layer_norm_sums(
            {},
            {static_cast<std::size_t>(units), tokens, width, xs, gs, means, rstds, weight, bias}));
        return out;
    }
    expect(in_parallel(units, x.size(1) * x.size(2), [&](std::int64_t first, std::int64_t last) {
        return kernels::cpu::layer_norm_sums(
            {},
            {static_cast<std::size_t>(last - first), tokens, width,
             part(xs, first, last, tokens * width), part(gs, first, last, tokens * width),
             part(means, first, last, tokens), part(rstds, first, last, tokens),
             part(weight, first, last, width), part(bias, first, last, width)});
    }));
    return out;
}

UpdateOutcome private_update(kernels::PrivateUpdate job, const at::Tensor& sum,
                             const at::Tensor& weight, const at::Tensor& first_moment,
                             const at::Tensor& second_moment, const at::Tensor& average)
{
    job.sum = span_of<float>(sum);
    job.weight = span_of<float>(weight);
    job.first_moment = span_of<float>(first_moment);
    job.second_moment = span_of<float>(second_moment);
    job.average = average.defined() ? span_of<float>(average) : std::span<float>{};
    if (sum.is_cuda()) {
        const at::Tensor norm = at::zeros({1}, sum.options().dtype(at::kDouble));
        const at::Tensor moved = at::zeros({1}, sum.options().dtype(at::kLong));
        job.squared_norm = norm.data_ptr<double>();
        job.moved = reinterpret_cast<std::uint64_t*>(moved.data_ptr<std::int64_t>());
        expect(kernels::cuda::private_update({}, job));
        return {norm.item<double>(), static_cast<std::uint64_t>(moved.item<std::int64_t>())};
    }
    UpdateOutcome outcome;
    std::mutex mutex;
    constexpr std::int64_t kBlock = 128; // slices start at whole blocks of the noise stream
    const std::int64_t count = sum.numel();
    expect(in_parallel((count + kBlock - 1) / kBlock, 16 * kBlock,
                       [&](std::int64_t first_block, std::int64_t last_block) {
                           const std::int64_t first = first_block * kBlock;
                           const std::int64_t last = std::min(count, last_block * kBlock);
                           UpdateOutcome mine;
                           kernels::PrivateUpdate slice = job;
                           slice.first += static_cast<std::uint64_t>(first);
                           slice.sum = part(job.sum, first, last, 1);
                           slice.weight = part(job.weight, first, last, 1);
                           slice.first_moment = part(job.first_moment, first, last, 1);
                           slice.second_moment = part(job.second_moment, first, last, 1);
                           if (!job.average.empty())
                               slice.average = part(job.average, first, last, 1);
                           slice.squared_norm = &mine.squared_norm;
                           slice.moved = &mine.moved;
                           const Status status = kernels::cpu::private_update({}, slice);
                           const std::scoped_lock lock(mutex);
                           outcome.squared_norm += mine.squared_norm;
                           outcome.moved += mine.moved;
                           return status;
                       }));
    return outcome;
}

} // namespace velamen::dpsgd
