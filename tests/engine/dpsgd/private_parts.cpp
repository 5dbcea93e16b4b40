// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/engine/dpsgd/private_parts.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <torch/csrc/autograd/autograd.h>

#include "engine/core/hash.h"

namespace velamen::dpsgd::testing {

at::Tensor PlainTap::linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b)
{
    return at::linear(x, w, b);
}

at::Tensor PlainTap::conv1d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            std::int64_t stride, std::int64_t padding)
{
    return at::conv1d(x, w, b, stride, padding);
}

at::Tensor PlainTap::conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            std::int64_t stride, std::int64_t padding)
{
    return at::conv2d(x, w, b, {stride, stride}, {padding, padding});
}

at::Tensor PlainTap::layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                double eps)
{
    return at::layer_norm(x, w.sizes(), w, b, eps);
}

at::Tensor PlainTap::group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& w,
                                const at::Tensor& b, double eps)
{
    return at::group_norm(x, groups, w, b, eps);
}

at::Tensor PlainTap::embedding(const at::Tensor& ids, const at::Tensor& w)
{
    return at::embedding(w, ids);
}

TrainedTensors Model::trained() const
{
    TrainedTensors out;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        at::Tensor tensor = parameters[i];
        out.push_back({name + "." + std::to_string(i), tensor.requires_grad_(true)});
    }
    return out;
}

Rows Rows::part(std::int64_t first, std::int64_t count) const
{
    return {x.narrow(0, first * per_unit, count * per_unit),
            ids.narrow(0, first * per_unit, count * per_unit), count, per_unit};
}

Rows make_rows(const Model& model, std::int64_t units, std::int64_t images, std::int64_t draws)
{
    torch::manual_seed(3);
    std::vector<std::int64_t> x_shape{units * images}, ids_shape{units * images};
    x_shape.insert(x_shape.end(), model.x_shape.begin(), model.x_shape.end());
    ids_shape.insert(ids_shape.end(), model.ids_shape.begin(), model.ids_shape.end());
    at::Tensor x = torch::randn(x_shape).repeat_interleave(draws, 0);
    if (draws > 1) x = x + 0.5 * torch::randn_like(x);
    return {x, torch::randint(model.id_count, ids_shape, torch::kLong).repeat_interleave(draws, 0),
            units, images * draws};
}

at::Tensor row_losses(const at::Tensor& out) { return (out - 0.3).square().flatten(1).mean(1); }

std::vector<at::Tensor> Oracle::clipped_sum(double clip) const
{
    return weighted_sum([&](std::size_t u, std::size_t) { return clip_factor(norms[u], clip); });
}

std::vector<at::Tensor>
Oracle::weighted_sum(const std::function<double(std::size_t, std::size_t)>& factor) const
{
    std::vector<at::Tensor> sums;
    for (std::size_t u = 0; u < gradients.size(); ++u)
        for (std::size_t i = 0; i < gradients[u].size(); ++i) {
            const at::Tensor term = gradients[u][i] * factor(u, i);
            if (u == 0)
                sums.push_back(term);
            else
                sums[i] += term;
        }
    return sums;
}

double Oracle::median_norm() const
{
    auto sorted = norms;
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? 1.0 : sorted[sorted.size() / 2];
}

Oracle slow_gradients(const Model& model, const Rows& rows)
{
    Oracle oracle;
    PlainTap plain;
    for (std::int64_t u = 0; u < rows.units; ++u) {
        const Rows one = rows.part(u, 1);
        std::vector<at::Tensor> parameters;
        for (const at::Tensor& p : model.parameters)
            parameters.push_back(p.detach().to(torch::kDouble).requires_grad_(true));
        const at::Tensor loss =
            row_losses(model.forward(parameters, one.x.to(torch::kDouble), one.ids, plain)).mean();
        oracle.gradients.push_back(torch::autograd::grad({loss}, parameters));
        double squared = 0.0;
        for (const at::Tensor& g : oracle.gradients.back())
            squared += g.square().sum().item<double>();
        oracle.norms.push_back(std::sqrt(squared));
        oracle.losses.push_back(loss.item<double>());
    }
    return oracle;
}

at::Tensor losses_of(const Model& model, const Rows& rows, nn::Tap& tap)
{
    const at::Tensor out = model.forward(model.parameters, rows.x, rows.ids, tap);
    return unit_losses(row_losses(out.to(torch::kFloat)), rows.per_unit);
}

void add_rows(const Model& model, const Rows& rows, GradTape& tape, Clipper& clipper,
              std::int64_t padded)
{
    if (rows.units == 0) return;
    const at::Tensor losses = losses_of(model, rows, tape);
    losses.sum().backward();
    if (const auto added = clipper.add(tape, {rows.units, padded}, losses); !added)
        throw std::runtime_error(added.error().message);
}

data::PoissonDraw draw_of(std::int64_t units)
{
    const auto key = core::StreamKey::reproducible(1);
    core::SecureStream stream(key, 0, 0);
    if (units == 0) // one unit, hardly ever drawn
        return data::PoissonSampler(1, *privacy::SamplingRate::create(1e-12)).draw(stream);
    return data::PoissonSampler(units, privacy::SamplingRate::literal(1.0)).draw(stream);
}

double relative_error(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b)
{
    double difference = 0.0, size = 0.0;
    for (std::size_t i = 0; i < b.size(); ++i) {
        difference += (a.at(i).to(torch::kDouble) - b[i]).square().sum().item<double>();
        size += b[i].to(torch::kDouble).square().sum().item<double>();
    }
    return difference == 0.0 ? 0.0 : std::sqrt(difference / size);
}

void StepSource::open()
{
    auto store = privacy::LedgerStore::open(folder_.path());
    if (!store) throw std::runtime_error(store.error().message);
    const std::string image = "the one image";
    const core::Digest hash = store->hash_unit(std::as_bytes(std::span(image)));
    auto ledger = store->join({&hash, 1});
    if (!ledger) throw std::runtime_error(ledger.error().message);
    ledger_.push_back(std::move(*ledger));
    event_.rate = 0.5;
}

StepSource::StepSource(const privacy::StepNoise& noise)
{
    open();
    event_.is_hardened = true;
    event_.noise_gradient = noise.gradient.value();
    if (noise.loss) event_.noise_loss = noise.loss->value();
    if (noise.clipped_fraction) event_.noise_clipped = noise.clipped_fraction->value();
    charge();
}

StepSource::StepSource(double effective, double gradient)
{
    open();
    event_.noise_gradient = gradient;
    const double rest = 1.0 / (effective * effective) - 1.0 / (gradient * gradient);
    if (rest * effective * effective > 1e-9) event_.noise_loss = 1.0 / std::sqrt(rest);
    charge();
}

void StepSource::release_clipped_fraction(double noise)
{
    event_.noise_clipped = noise;
    charge();
    reserved_.clear();
}

/// What the parts give, which is what was asked for but for the last digits.
void StepSource::charge()
{
    privacy::StepNoise noise{privacy::NoiseMultiplier::create(event_.noise_gradient).value()};
    if (event_.noise_loss)
        noise.loss = privacy::NoiseMultiplier::create(*event_.noise_loss).value();
    if (event_.noise_clipped)
        noise.clipped_fraction = privacy::NoiseMultiplier::create(*event_.noise_clipped).value();
    event_.noise_effective = privacy::joint_noise(noise).value();
    event_.steps = 32;
}

privacy::SpentStep StepSource::next()
{
    if (reserved_.empty() || reserved_.back().left() == 0) {
        auto steps =
            ledger_.front().reserve("run", 1, "image", privacy::Neighbours::ZeroOut, event_);
        if (!steps) throw std::runtime_error(steps.error().message);
        reserved_.push_back(std::move(*steps));
    }
    return reserved_.back().take();
}

} // namespace velamen::dpsgd::testing
