// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every rule of the optimiser over several steps against its published formula, written out in
// double; the public gradient beside the noised one; what a rule saves.

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/dpsgd/optimiser.h"
#include "tests/engine/dpsgd/private_parts.h"

namespace velamen::dpsgd::testing {
namespace {

constexpr double kSigma = 2.0;
constexpr double kClip = 0.5;
constexpr double kBatch = 10.0;

/// Two tensors, one far smaller than a group of the noise stream, one with a rest.
TrainedTensors tensors()
{
    torch::manual_seed(5);
    return {{"a", torch::randn({3, 5}).requires_grad_(true)},
            {"b", torch::randn({7, 331}).requires_grad_(true), 2.0}};
}

NoisyGradient next_gradient(const TrainedTensors& trained, StepSource& steps,
                            const core::StreamKey& key)
{
    Clipper clipper(trained, *privacy::ClippingNorm::create(kClip),
                    *privacy::ExpectedBatch::create(kBatch));
    return NoisyGradient::release(*clipper.finish(draw_of(0)), steps.next(), key);
}

/// What the optimisers below will see in each step: with beta1 = 0 AdamW's first moment is the
/// gradient itself.
std::vector<std::vector<at::Tensor>> gradients_of(int count, const core::StreamKey& key)
{
    const TrainedTensors scratch = tensors();
    Optimiser revealing(scratch, {.beta1 = 0.0});
    StepSource steps(kSigma, kSigma);
    std::vector<std::vector<at::Tensor>> out;
    for (int k = 0; k < count; ++k) {
        EXPECT_TRUE(revealing.step(next_gradient(scratch, steps, key)));
        out.emplace_back();
        for (const auto& [name, tensor] : revealing.export_state())
            if (name.starts_with("exp_avg.")) out.back().push_back(tensor.to(at::kDouble));
    }
    return out;
}

PublicGradient public_gradient(const TrainedTensors& trained)
{
    PublicGradient out{.weight = 0.25};
    for (const auto& entry : trained)
        out.gradients.push_back(at::cos(entry.tensor.detach() * 3.0) * 0.2);
    return out;
}

/// The rule as its paper has it, one tensor in double.
class Formula {
public:
    Formula(const OptimiserOptions& options, const TrainedTensor& tensor)
        : o_(options), scale_(tensor.learning_rate_scale),
          weight_(tensor.tensor.detach().to(at::kDouble).clone()), m_(at::zeros_like(weight_)),
          v_(at::zeros_like(weight_)), average_(weight_.clone())
    {
    }

    void step(const at::Tensor& g, std::int64_t k)
    {
        const double rate = learning_rate_at(o_, k) * scale_;
        const double t = static_cast<double>(k + 1);
        weight_ = weight_ - rate * o_.weight_decay * weight_;
        if (o_.rule == OptimiserRule::Sgd) {
            m_ = o_.momentum * m_ + g;
            weight_ = weight_ - rate * m_;
        } else {
            m_ = o_.beta1 * m_ + (1.0 - o_.beta1) * g;
            v_ = o_.beta2 * v_ + (1.0 - o_.beta2) * g * g;
            const at::Tensor m = m_ / (1.0 - std::pow(o_.beta1, t));
            const at::Tensor v = v_ / (1.0 - std::pow(o_.beta2, t));
            const double noise = std::pow(kSigma * kClip / kBatch, 2);
            const at::Tensor root = o_.rule == OptimiserRule::AdamW
                ? v.sqrt()
                : (v - noise).clamp_min(o_.variance_floor * noise).sqrt();
            weight_ = weight_ - rate * m / (root + o_.epsilon);
        }
        const double keep = average_decay_at(o_, k);
        average_ = keep * average_ + (1.0 - keep) * weight_;
    }
    const at::Tensor& weight() const { return weight_; }
    const at::Tensor& average() const { return average_; }

private:
    OptimiserOptions o_;
    double scale_;
    at::Tensor weight_, m_, v_, average_;
};

class OptimiserRules : public ::testing::TestWithParam<OptimiserRule> {
protected:
    OptimiserOptions options() const
    {
        return {.rule = GetParam(),
                .learning_rate = 1e-2,
                .beta2 = 0.95,
                .epsilon = 1e-8,
                .momentum = 0.8,
                .weight_decay = 0.1,
                .warmup_steps = 3,
                .total_steps = 6,
                .ema_decay = 0.7};
    }
    void expect_formula(const PublicGradient* public_part)
    {
        const auto key = core::StreamKey::reproducible(21);
        const auto gradients = gradients_of(6, key);
        const TrainedTensors trained = tensors();
        std::vector<Formula> formulas;
        for (const auto& entry : trained)
            formulas.emplace_back(options(), entry);
        Optimiser optimiser(trained, options());
        StepSource steps(kSigma, kSigma);
        for (std::int64_t k = 0; k < 6; ++k) {
            ASSERT_TRUE(optimiser.step(next_gradient(trained, steps, key), public_part));
            for (std::size_t i = 0; i < formulas.size(); ++i) {
                at::Tensor g = gradients[static_cast<std::size_t>(k)][i];
                if (public_part != nullptr)
                    g = g + public_part->weight * public_part->gradients[i].to(at::kDouble);
                formulas[i].step(g, k);
            }
        }
        std::vector<at::Tensor> weights, averages, wanted, wanted_averages;
        for (std::size_t i = 0; i < formulas.size(); ++i) {
            weights.push_back(trained[i].tensor.detach().to(at::kDouble));
            averages.push_back(optimiser.averaged()[i].second.to(at::kDouble));
            wanted.push_back(formulas[i].weight());
            wanted_averages.push_back(formulas[i].average());
        }
        EXPECT_LE(relative_error(weights, wanted), 1e-6);
        EXPECT_LE(relative_error(averages, wanted_averages), 1e-6);
    }
};

TEST_P(OptimiserRules, EqualTheirFormula) { expect_formula(nullptr); }

TEST_P(OptimiserRules, EqualTheirFormulaWithAPublicGradient)
{
    const PublicGradient mixed = public_gradient(tensors());
    expect_formula(&mixed);
}

TEST_P(OptimiserRules, GoOnFromTheirSavedState)
{
    const auto key = core::StreamKey::reproducible(3);
    const TrainedTensors trained = tensors();
    StepSource steps(kSigma, kSigma), again(kSigma, kSigma);
    Optimiser whole(trained, options());
    NamedTensors saved;
    for (int k = 0; k < 4; ++k) {
        ASSERT_TRUE(whole.step(next_gradient(trained, steps, key)));
        if (k == 1)
            for (const auto& [name, tensor] : whole.export_state())
                saved.emplace_back(name, tensor.clone());
    }
    const at::Tensor wanted = trained[1].tensor.detach().clone();
    Optimiser resumed(trained, options());
    ASSERT_TRUE(resumed.import_state(saved));
    (void)again.next();
    (void)again.next();
    for (int k = 2; k < 4; ++k)
        ASSERT_TRUE(resumed.step(next_gradient(trained, again, key)));
    EXPECT_TRUE(at::equal(trained[1].tensor.detach(), wanted));
}

INSTANTIATE_TEST_SUITE_P(All, OptimiserRules,
                         ::testing::Values(OptimiserRule::AdamW, OptimiserRule::AdamBiasCorrected,
                                           OptimiserRule::Sgd));

TEST(Optimiser, OfOneRuleRefusesTheStateOfAnother)
{
    const TrainedTensors trained = tensors();
    const Optimiser adam(trained, {});
    Optimiser descent(trained, {.rule = OptimiserRule::Sgd});
    const auto refused = descent.import_state(adam.export_state());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Corrupt);
    EXPECT_EQ(descent.export_state().size(), 1 + 3 * trained.size()); // no second moment
}

// Public data are nobody's: the noise, its claimed size and the number of spent steps are those of
// the private part alone.
TEST(PublicGradient, CostsNoNoiseAndNoStep)
{
    const auto key = core::StreamKey::reproducible(9);
    const TrainedTensors plain = tensors(), mixed = tensors();
    const PublicGradient gradient = public_gradient(mixed);
    StepSource plain_steps(kSigma, kSigma), mixed_steps(kSigma, kSigma);
    Optimiser one(plain, {.beta1 = 0.0}), two(mixed, {.beta1 = 0.0});
    for (std::int64_t k = 0; k < 3; ++k) {
        const auto alone = one.step(next_gradient(plain, plain_steps, key));
        const auto both = two.step(next_gradient(mixed, mixed_steps, key), &gradient);
        ASSERT_TRUE(alone && both);
        EXPECT_EQ(both->noised_gradient_norm, alone->noised_gradient_norm);
        EXPECT_EQ(both->expected_noise_norm, alone->expected_noise_norm);
        const NamedTensors state = one.export_state(), other = two.export_state();
        for (std::size_t i = 0; i < mixed.size(); ++i)
            EXPECT_TRUE(at::allclose(other[1 + 4 * i].second - state[1 + 4 * i].second,
                                     gradient.weight * gradient.gradients[i], 0.0, 1e-6));
    }
    EXPECT_EQ(plain_steps.next().index(), 3);
    EXPECT_EQ(mixed_steps.next().index(), 3);
}

TEST(PublicGradient, MayLackTensorsButNotHaveOthers)
{
    const auto key = core::StreamKey::reproducible(9);
    const TrainedTensors trained = tensors();
    StepSource steps(kSigma, kSigma);
    Optimiser optimiser(trained, {});
    PublicGradient gradient = public_gradient(trained);
    gradient.gradients[0] = at::Tensor();
    EXPECT_TRUE(optimiser.step(next_gradient(trained, steps, key), &gradient));
    gradient.gradients[1] = torch::zeros({331, 7});
    EXPECT_EQ(optimiser.step(next_gradient(trained, steps, key), &gradient).error().code,
              ErrorCode::InvalidArgument);
    gradient = public_gradient(trained);
    gradient.weight = std::nan("");
    EXPECT_EQ(optimiser.step(next_gradient(trained, steps, key), &gradient).error().code,
              ErrorCode::InvalidArgument);
}

} // namespace
} // namespace velamen::dpsgd::testing
