// SPDX-License-Identifier: GPL-3.0-or-later
//
// Attention by explicit products where that is faster, by torch's fused kernel where the score
// matrix would be large. The explicit form keeps q, k, v and, unless they are many, the
// probabilities for its backward pass, none of the copies that the products need.

#include <cmath>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/layers/attention.h"

namespace velamen::nn {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Up to here the explicit form was about twice as fast on the CPU as the fused one.
constexpr std::int64_t kExplicitKeys = 1024;

// Without a backward pass, from so many scores on, the fused one was two to three times as fast:
// they no longer fit into a cache.
constexpr std::int64_t kManyScores = 1 << 21;

/// Of one sample from so many on, the backward pass computes them again: five maps of 8 heads over
/// 1024 positions, as in Stable Diffusion at 256 x 256, would take 168 MB.
constexpr std::int64_t kProbabilitiesKept = 1 << 22;

/// [N, T, C]  ->  [N * heads, T, d]; a view for one sample
at::Tensor fold(const at::Tensor& x, std::int64_t heads)
{
    const std::int64_t n = x.size(0), t = x.size(1), d = x.size(2) / heads;
    const at::Tensor split = x.reshape({n, t, heads, d}).transpose(1, 2);
    return n == 1 ? split.squeeze(0) : split.reshape({n * heads, t, d});
}

/// [N * heads, T, d]  ->  [N, T, C]
at::Tensor unfold(const at::Tensor& x, std::int64_t heads)
{
    const std::int64_t n = x.size(0) / heads, t = x.size(1), d = x.size(2);
    return x.view({n, heads, t, d}).transpose(1, 2).reshape({n, t, heads * d});
}

at::Tensor scaled_product(const at::Tensor& a, const at::Tensor& b, double scale)
{
    const at::Tensor out = at::empty({a.size(0), a.size(1), b.size(2)}, a.options());
    return at::baddbmm(out, a, b, 0.0, scale);
}

double scale_of(const at::Tensor& q, std::int64_t heads)
{
    return 1.0 / std::sqrt(static_cast<double>(q.size(2) / heads));
}

/// [N * heads, T, S]
at::Tensor probabilities_of(const at::Tensor& q, const at::Tensor& k, std::int64_t heads)
{
    return at::softmax(
        scaled_product(fold(q, heads), fold(k, heads).transpose(1, 2), scale_of(q, heads)), -1);
}

at::Tensor weighted_values(const at::Tensor& probabilities, const at::Tensor& v, std::int64_t heads)
{
    return unfold(at::bmm(probabilities, fold(v, heads)), heads);
}

struct AttendFunction : torch::autograd::Function<AttendFunction> {
    static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                              const at::Tensor& v, std::int64_t heads)
    {
        const at::Tensor probabilities = probabilities_of(q, k, heads);
        context->saved_data["heads"] = heads;
        const bool are_kept = probabilities.numel() < kProbabilitiesKept * q.size(0);
        context->save_for_backward({q, k, v, are_kept ? probabilities : at::Tensor()});
        return weighted_values(probabilities, v, heads);
    }

    static variable_list backward(AutogradContext* context, variable_list grads)
    {
        const auto saved = context->get_saved_variables();
        const std::int64_t heads = context->saved_data["heads"].toInt();
        const at::Tensor probabilities =
            saved[3].defined() ? saved[3] : probabilities_of(saved[0], saved[1], heads);
        const at::Tensor grad = fold(grads[0].contiguous(), heads);
        const at::Tensor v_grad = at::bmm(probabilities.transpose(1, 2), grad);
        at::Tensor scores = at::bmm(grad, fold(saved[2], heads).transpose(1, 2));
        scores = at::_softmax_backward_data(scores, probabilities, -1, probabilities.scalar_type());
        const double scale = scale_of(saved[0], heads);
        const at::Tensor q_grad = scaled_product(scores, fold(saved[1], heads), scale);
        const at::Tensor k_grad =
            scaled_product(scores.transpose(1, 2), fold(saved[0], heads), scale);
        return {unfold(q_grad, heads), unfold(k_grad, heads), unfold(v_grad, heads), {}};
    }
};

} // namespace

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads)
{
    const bool has_many_scores =
        !at::GradMode::is_enabled() && q.size(0) * heads * q.size(1) * k.size(1) >= kManyScores;
    if (k.size(1) > kExplicitKeys || has_many_scores) {
        const auto split = [&](const at::Tensor& x) { // [N, heads, length, d]
            return x.reshape({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
        };
        const at::Tensor out = at::scaled_dot_product_attention(split(q), split(k), split(v));
        return out.transpose(1, 2).reshape(q.sizes());
    }
    if (!at::GradMode::is_enabled())
        return weighted_values(probabilities_of(q, k, heads), v, heads);
    return AttendFunction::apply(q, k, v, heads);
}

} // namespace velamen::nn
