// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/kernel_calls.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>

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

/// The caller's stream on the tensor's device.
kernels::Stream stream_of(const at::Device& device)
{
    if (!device.is_cuda()) return {};
    return {c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle()};
}

/// A piece of an update, as much as a thread takes at a time.
struct Slice {
    std::size_t job = 0, first = 0, count = 0;
};

/// Whole groups of the noise stream; 1 MB of memory, which the slice's thread passes over once.
constexpr std::size_t kSlice = 64 * kernels::kNoiseGroup;

std::vector<Slice> slices_of(std::span<const kernels::PrivateUpdate> jobs)
{
    std::vector<Slice> slices;
    for (std::size_t j = 0; j < jobs.size(); ++j)
        for (std::size_t first = 0; first < jobs[j].sum.size(); first += kSlice)
            slices.push_back({j, first, std::min(kSlice, jobs[j].sum.size() - first)});
    return slices;
}

template <class T>
std::span<T> cut(std::span<T> whole, const Slice& slice)
{
    return whole.empty() ? whole : whole.subspan(slice.first, slice.count);
}

kernels::PrivateUpdate cut(kernels::PrivateUpdate job, const Slice& slice)
{
    job.first += slice.first;
    job.sum = cut(job.sum, slice);
    job.public_gradient = cut(job.public_gradient, slice);
    job.weight = cut(job.weight, slice);
    job.first_moment = cut(job.first_moment, slice);
    job.second_moment = cut(job.second_moment, slice);
    job.average = cut(job.average, slice);
    return job;
}

std::vector<UpdateOutcome> updates_on_cpu(std::span<const kernels::PrivateUpdate> jobs)
{
    const std::vector<Slice> slices = slices_of(jobs);
    std::vector<UpdateOutcome> parts(slices.size());
    const auto run = [&](std::int64_t first, std::int64_t last) {
        Status worst = Status::Ok;
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
            kernels::PrivateUpdate job = cut(jobs[slices[i].job], slices[i]);
            job.squared_norm = &parts[i].squared_norm;
            job.moved = &parts[i].moved;
            if (const Status status = kernels::cpu::private_update({}, job); status != Status::Ok)
                worst = status;
        }
        return worst;
    };
    expect(in_parallel(static_cast<std::int64_t>(slices.size()), kSlice, run));
    std::vector<UpdateOutcome> outcomes(jobs.size());
    for (std::size_t i = 0; i < slices.size(); ++i) { // in order: any number of threads sums alike
        outcomes[slices[i].job].squared_norm += parts[i].squared_norm;
        outcomes[slices[i].job].moved += parts[i].moved;
    }
    return outcomes;
}

std::vector<UpdateOutcome> updates_on_device(std::vector<kernels::PrivateUpdate> jobs,
                                             const at::Device& device)
{
    const auto count = static_cast<std::int64_t>(jobs.size());
    // Norms as bits of doubles beside the counts: one block to clear, one to read.
    const at::Tensor sums = at::zeros({2, count}, at::dtype(at::kLong).device(device));
    auto* const bits = sums.data_ptr<std::int64_t>();
    for (std::size_t j = 0; j < jobs.size(); ++j) {
        jobs[j].squared_norm = reinterpret_cast<double*>(bits) + j;
        jobs[j].moved = reinterpret_cast<std::uint64_t*>(bits) + jobs.size() + j;
        expect(kernels::cuda::private_update(stream_of(device), jobs[j]));
    }
    const at::Tensor read = sums.cpu();
    const at::Tensor norms = read[0].view(at::kDouble);
    std::vector<UpdateOutcome> outcomes(jobs.size());
    for (std::size_t j = 0; j < jobs.size(); ++j)
        outcomes[j] = {norms.data_ptr<double>()[j],
                       static_cast<std::uint64_t>(read.data_ptr<std::int64_t>()[jobs.size() + j])};
    return outcomes;
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
            stream_of(gram_a.device()),
            {static_cast<std::size_t>(units), tokens, a, g, squared, bound}));
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
    expect(rows.is_cuda() ? kernels::cuda::weighted_accumulate(stream_of(rows.device()), job)
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
            stream_of(x.device()),
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

std::span<float> floats_of(const at::Tensor& tensor)
{
    return tensor.defined() ? span_of<float>(tensor) : std::span<float>{};
}

std::vector<UpdateOutcome> private_updates(std::vector<kernels::PrivateUpdate> jobs,
                                           const at::Device& device)
{
    return device.is_cuda() ? updates_on_device(std::move(jobs), device) : updates_on_cpu(jobs);
}

} // namespace velamen::dpsgd
