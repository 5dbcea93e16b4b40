// SPDX-License-Identifier: GPL-3.0-or-later
//
// One model per layer type and way of using it.

#include <cmath>

#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {

namespace {

using Parameters = std::vector<at::Tensor>;

at::Tensor filled(std::vector<std::int64_t> shape, double scale = 0.3)
{
    return torch::randn(shape) * scale;
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
{
    const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
    return at::bmm(at::softmax(at::bmm(q, k.transpose(1, 2)) * scale, -1), v);
}

} // namespace

namespace {

/// y = x W' + b + s (x A') B' with W and b frozen (LoRA, arXiv 2106.09685, equation 3).
Model low_rank_model()
{
    const at::Tensor base = filled({12, 16}), bias = filled({12});
    return {"low-rank factors",
            {filled({3, 16}), filled({12, 3})},
            [base, bias](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                const auto type = x.scalar_type();
                return at::linear(x, base.to(type), bias.to(type))
                    + 0.5 * t.linear(t.linear(x, p[0], {}), p[1], {});
            },
            {5, 16},
            {}};
}

std::vector<Model> make_models()
{
    torch::manual_seed(1);
    std::vector<Model> models;
    models.push_back({"linear tokens",
                      {filled({24, 16}), filled({24})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.linear(x, p[0], p[1]);
                      },
                      {5, 16},
                      {}});
    models.push_back({"linear one token, no bias",
                      {filled({8, 16})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.linear(x, p[0], {});
                      },
                      {16},
                      {}});
    models.push_back({"linear long, formed",
                      {filled({6, 4}), filled({6})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.linear(x, p[0], p[1]);
                      },
                      {40, 4},
                      {}});
    models.push_back({"conv 1x1",
                      {filled({12, 8, 1, 1}), filled({12})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.conv2d(x, p[0], p[1], 1, 0);
                      },
                      {8, 2, 3},
                      {}});
    models.push_back({"conv 1-D stride 2",
                      {filled({6, 4, 3}), filled({6})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.conv1d(x, p[0], p[1], 2, 1);
                      },
                      {4, 9},
                      {}});
    models.push_back({"conv 3x3",
                      {filled({6, 3, 3, 3}), filled({6})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.conv2d(x, p[0], p[1], 1, 1);
                      },
                      {3, 4, 5},
                      {}});
    models.push_back({"conv 3x3 stride 2",
                      {filled({6, 3, 3, 3}), filled({6})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.conv2d(x, p[0], p[1], 2, 1);
                      },
                      {3, 6, 6},
                      {}});
    models.push_back({"group norm",
                      {filled({8}) + 1.0, filled({8})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.group_norm(x, 2, p[0], p[1], 1e-5);
                      },
                      {8, 3, 3},
                      {}});
    models.push_back({"layer norm",
                      {filled({16}) + 1.0, filled({16})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.layer_norm(x, p[0], p[1], 1e-5);
                      },
                      {5, 16},
                      {}});
    models.push_back({"embedding",
                      {filled({4, 8})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor& ids,
                         nn::Tap& t) { return t.embedding(ids, p[0]).to(x.scalar_type()) * x; },
                      {8},
                      {}});
    models.push_back({"embedding of sequences",
                      {filled({4, 8})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor& ids,
                         nn::Tap& t) { return t.embedding(ids, p[0]).to(x.scalar_type()) * x; },
                      {6, 8},
                      {6}});
    // Backward reaches the same weight and bias twice with different activations.
    models.push_back({"one linear layer called twice",
                      {filled({16, 16}), filled({16})},
                      [](const Parameters& p, const at::Tensor& x, const at::Tensor&, nn::Tap& t) {
                          return t.linear(at::tanh(t.linear(x, p[0], p[1])), p[0], p[1]);
                      },
                      {3, 16},
                      {}});
    models.push_back(low_rank_model());
    models.push_back(attention_network());
    return models;
}

} // namespace

const std::vector<Model>& all_models()
{
    static const std::vector<Model> models = make_models();
    return models;
}

Model attention_network()
{
    torch::manual_seed(2);
    const std::int64_t c = 16, e = 8;
    Parameters p{filled({4, e}, 1.0),  filled({c}) + 1.0,  filled({c}),          // table, norm
                 filled({c, c, 1, 1}), filled({c}),        filled({c}) + 1.0,    // proj, norm1
                 filled({c}),          filled({c, c}),     filled({c, c}),       // q, k
                 filled({c, c}),       filled({c, e}),     filled({c, c}),       // v, v2, out
                 filled({c}),          filled({2 * c, c}), filled({2 * c}),      // ff in
                 filled({c, 2 * c}),   filled({c}),        filled({c, c, 1, 1}), // ff out, proj
                 filled({c})};
    return {"attention network",
            p,
            [](const Parameters& w, const at::Tensor& x, const at::Tensor& ids, nn::Tap& t) {
                const at::Tensor context // [N, 1, e]
                    = t.embedding(ids, w[0]).to(x.scalar_type()).unsqueeze(1);
                at::Tensor h = t.group_norm(x, 4, w[1], w[2], 1e-6);
                h = t.conv2d(h, w[3], w[4], 1, 0).flatten(2).transpose(1, 2);
                const at::Tensor own = t.layer_norm(h, w[5], w[6], 1e-5);
                h = h
                    + t.linear(attend(t.linear(own, w[7], {}), t.linear(own, w[8], {}),
                                      t.linear(own, w[9], {})),
                               w[11], w[12]);
                h = h + t.linear(context, w[10], {});
                h = h + t.linear(at::gelu(t.linear(h, w[13], w[14])), w[15], w[16]);
                h = h.transpose(1, 2).reshape(x.sizes());
                return x + t.conv2d(h, w[17], w[18], 1, 0);
            },
            {c, 3, 3},
            {}};
}

} // namespace velamen::dpsgd::testing
