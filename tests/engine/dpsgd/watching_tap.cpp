// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the rules were given, differentiated again by torch in double.

#include <cmath>
#include <unordered_map>

#include <torch/csrc/autograd/autograd.h>

#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {

using Tensors = std::vector<at::Tensor>;

at::Tensor WatchingTap::watch(const Operation& operation, const at::Tensor& x,
                              const Tensors& parameters)
{
    at::Tensor out = operation(tape_, x, parameters);
    const auto gradient = std::make_shared<at::Tensor>();
    out.register_hook([gradient](const at::Tensor& g) { *gradient = g.detach(); });
    calls_.push_back({operation, x.detach(), parameters, gradient});
    return out;
}

at::Tensor WatchingTap::linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b)
{
    return watch(
        [](nn::Tap& t, const at::Tensor& in, const Tensors& p) { return t.linear(in, p[0], p[1]); },
        x, {w, b});
}

at::Tensor WatchingTap::conv1d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                               std::int64_t stride, std::int64_t padding)
{
    return watch([=](nn::Tap& t, const at::Tensor& in,
                     const Tensors& p) { return t.conv1d(in, p[0], p[1], stride, padding); },
                 x, {w, b});
}

at::Tensor WatchingTap::conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                               std::int64_t stride, std::int64_t padding)
{
    return watch([=](nn::Tap& t, const at::Tensor& in,
                     const Tensors& p) { return t.conv2d(in, p[0], p[1], stride, padding); },
                 x, {w, b});
}

at::Tensor WatchingTap::layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                   double eps)
{
    return watch([=](nn::Tap& t, const at::Tensor& in,
                     const Tensors& p) { return t.layer_norm(in, p[0], p[1], eps); },
                 x, {w, b});
}

at::Tensor WatchingTap::group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& w,
                                   const at::Tensor& b, double eps)
{
    return watch([=](nn::Tap& t, const at::Tensor& in,
                     const Tensors& p) { return t.group_norm(in, groups, p[0], p[1], eps); },
                 x, {w, b});
}

at::Tensor WatchingTap::embedding(const at::Tensor& ids, const at::Tensor& w)
{
    return watch(
        [](nn::Tap& t, const at::Tensor& in, const Tensors& p) { return t.embedding(in, p[0]); },
        ids, {w});
}

double WatchingTap::exact_norm(std::int64_t first_row, std::int64_t rows) const
{
    PlainTap plain;
    std::unordered_map<const void*, at::Tensor> totals; // by parameter
    for (const Call& call : calls_) {
        const at::Tensor part = call.input.narrow(0, first_row, rows);
        Tensors parameters, wanted;
        std::vector<const void*> keys;
        for (const at::Tensor& p : call.parameters) {
            parameters.push_back(p.defined() ? p.detach().to(torch::kDouble).requires_grad_(true)
                                             : p);
            if (!p.defined()) continue;
            wanted.push_back(parameters.back());
            keys.push_back(p.unsafeGetTensorImpl());
        }
        const at::Tensor out = call.operation(
            plain, part.is_floating_point() ? part.to(torch::kDouble) : part, parameters);
        const Tensors gradients = torch::autograd::grad(
            {out}, wanted, {call.gradient->narrow(0, first_row, rows).to(torch::kDouble)});
        for (std::size_t i = 0; i < keys.size(); ++i) {
            at::Tensor& total = totals[keys[i]];
            total = total.defined() ? total + gradients[i] : gradients[i];
        }
    }
    double squared = 0.0;
    for (const auto& [key, total] : totals)
        squared += total.square().sum().item<double>();
    return std::sqrt(squared);
}

} // namespace velamen::dpsgd::testing
