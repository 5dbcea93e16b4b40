// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every update rule, with and without a public gradient and an average, against the slow loops in
// double of kernels/cpu/reference.cpp: on the CPU always, on a GPU where there is one.

#include "kernels/api/private_update.h"

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/device_memory.h"
#include "tests/kernels/random_values.h"

namespace velamen::kernels {
namespace {

struct Parameters {
    std::vector<float> sum, weight, first, second, average, gradient;
    double norm = 0.0;
    std::uint64_t moved = 0;
};

Parameters parameters(std::size_t count)
{
    Parameters p{random_values(count, 1), random_values(count, 2), random_values(count, 3),
                 random_values(count, 4), random_values(count, 5), random_values(count, 6)};
    for (float& v : p.first)
        v *= 0.02F;
    for (float& v : p.second)
        v = 1e-3F * v * v;
    return p;
}

enum class Rule { AdamW, AdamBiasCorrected, Momentum };

UpdateStep step_of(Rule rule)
{
    UpdateStep step{.learning_rate = 1e-2,
                    .beta1 = 0.9,
                    .beta2 = 0.99,
                    .epsilon = 1e-8,
                    .weight_decay = 0.1,
                    .bias_correction1 = 1.0 - std::pow(0.9, 3),
                    .bias_correction2 = 1.0 - std::pow(0.99, 3),
                    .average_decay = 0.8};
    if (rule == Rule::Momentum) step.rule = UpdateRule::Momentum;
    if (rule == Rule::AdamBiasCorrected) {
        step.noise_variance = 0.7 * 0.7 / (32.0 * 32.0);
        step.variance_floor = 0.1 * step.noise_variance;
    }
    return step;
}

PrivateUpdate job_of(Parameters& p, const NoiseStreamId& id, Rule rule = Rule::AdamW)
{
    PrivateUpdate job{.id = &id,
                      .first = 3,
                      .noise_stddev = 0.7F,
                      .inverse_batch = 1.0F / 32.0F,
                      .step = step_of(rule),
                      .sum = p.sum,
                      .weight = p.weight,
                      .first_moment = p.first,
                      .average = p.average,
                      .squared_norm = &p.norm,
                      .moved = &p.moved};
    if (rule != Rule::Momentum) job.second_moment = p.second;
    return job;
}

/// Runs the job with its arrays on the device and brings them back.
Status on_device(const PrivateUpdate& job, Parameters& p)
{
    device::Floats sum(p.sum), weight(p.weight), first(p.first), second(p.second),
        average(p.average), gradient(p.gradient);
    device::Values<double> norm(std::span<const double>(&p.norm, 1));
    device::Values<std::uint64_t> moved(std::span<const std::uint64_t>(&p.moved, 1));
    PrivateUpdate there = job;
    there.sum = sum.span();
    there.weight = weight.span();
    there.first_moment = first.span();
    if (!job.second_moment.empty()) there.second_moment = second.span();
    if (!job.average.empty()) there.average = average.span();
    if (!job.public_gradient.empty()) there.public_gradient = gradient.span();
    there.squared_norm = norm.span().data();
    there.moved = moved.span().data();
    const Status status = cuda::private_update({}, there);
    p.weight = weight.read();
    p.first = first.read();
    p.second = second.read();
    p.average = average.read();
    p.norm = norm.read()[0];
    p.moved = moved.read()[0];
    return status;
}

double relative_error(const std::vector<float>& given, const std::vector<float>& wanted)
{
    double difference = 0.0;
    double norm = 0.0;
    for (std::size_t i = 0; i < given.size(); ++i) {
        difference += std::pow(static_cast<double>(given[i]) - wanted[i], 2);
        norm += static_cast<double>(wanted[i]) * wanted[i];
    }
    return std::sqrt(difference / norm);
}

void expect_equal(const Parameters& given, const Parameters& wanted)
{
    EXPECT_LE(relative_error(given.weight, wanted.weight), 1e-6);
    EXPECT_LE(relative_error(given.first, wanted.first), 1e-6);
    EXPECT_LE(relative_error(given.second, wanted.second), 1e-6);
    EXPECT_LE(relative_error(given.average, wanted.average), 1e-6);
    for (std::size_t i = 0; i < given.weight.size(); ++i)
        ASSERT_NEAR(given.weight[i], wanted.weight[i], 2e-6 * (0.1 + std::abs(wanted.weight[i])));
    EXPECT_NEAR(given.norm, wanted.norm, 5e-6 * wanted.norm); // sum and noise may cancel
    EXPECT_EQ(given.moved, wanted.moved);
}

using Case = std::tuple<Rule, bool, bool>;

class PrivateUpdateRules : public testing::TestWithParam<Case> {
protected:
    PrivateUpdate job(Parameters& p) const
    {
        const auto [rule, has_public, has_average] = GetParam();
        PrivateUpdate job = job_of(p, id_, rule);
        if (has_public) {
            job.public_gradient = p.gradient;
            job.public_weight = 0.03F;
        }
        if (!has_average) job.average = {};
        return job;
    }
    NoiseStreamId id_{.key = {1, 2, 3}};
};

TEST_P(PrivateUpdateRules, EqualTheSlowLoop)
{
    // Less than a row of lanes, rows and a rest, groups and a rest.
    for (const std::size_t count : {1U, 31U, 77U, 5001U}) {
        Parameters fast = parameters(count);
        Parameters slow = fast;
        ASSERT_EQ(cpu::private_update({}, job(fast)), Status::Ok);
        ASSERT_EQ(reference::private_update({}, job(slow)), Status::Ok);
        expect_equal(fast, slow);
        EXPECT_EQ(fast.moved, count);
    }
}

TEST_P(PrivateUpdateRules, EqualTheSlowLoopOnTheDevice)
{
    if (!device::is_there()) GTEST_SKIP() << "no GPU";
    Parameters fast = parameters(5001);
    Parameters slow = fast;
    ASSERT_EQ(on_device(job(fast), fast), Status::Ok);
    ASSERT_EQ(reference::private_update({}, job(slow)), Status::Ok);
    expect_equal(fast, slow);
}

// Slices of a tensor are updated by different threads: their noise is that of the whole.
TEST_P(PrivateUpdateRules, PiecesEqualTheWhole)
{
    Parameters whole = parameters(2000);
    Parameters pieces = whole;
    ASSERT_EQ(cpu::private_update({}, job(whole)), Status::Ok);
    for (const auto& [first, count] : {std::pair{0U, 509U}, {509U, 1024U}, {1533U, 467U}}) {
        PrivateUpdate part = job(pieces);
        part.first += first;
        for (std::span<float>* span :
             {&part.weight, &part.first_moment, &part.second_moment, &part.average})
            if (!span->empty()) *span = span->subspan(first, count);
        part.sum = part.sum.subspan(first, count);
        if (!part.public_gradient.empty())
            part.public_gradient = part.public_gradient.subspan(first, count);
        ASSERT_EQ(cpu::private_update({}, part), Status::Ok);
    }
    EXPECT_LE(relative_error(pieces.weight, whole.weight), 1e-7);
    EXPECT_LE(relative_error(pieces.average, whole.average), 1e-7);
    EXPECT_EQ(pieces.moved, whole.moved);
}

INSTANTIATE_TEST_SUITE_P(All, PrivateUpdateRules,
                         testing::Combine(testing::Values(Rule::AdamW, Rule::AdamBiasCorrected,
                                                          Rule::Momentum),
                                          testing::Bool(), testing::Bool()));

// The same four steps done one after another, noise from the fill kernel.
TEST(PrivateUpdate, EqualsSeparateSteps)
{
    const NoiseStreamId id{.nonce = {0, 0, 9}};
    Parameters fused = parameters(1500);
    Parameters apart = fused;
    ASSERT_EQ(cpu::private_update({}, job_of(fused, id)), Status::Ok);

    std::vector<float> noise(fused.sum.size());
    ASSERT_EQ(cpu::gaussian_fill({}, {.id = &id, .first = 3, .stddev = 0.7F, .out = noise}),
              Status::Ok);
    for (std::size_t i = 0; i < noise.size(); ++i)
        apart.sum[i] = (apart.sum[i] + noise[i]) / 32.0F;
    PrivateUpdate plain = job_of(apart, id);
    plain.noise_stddev = 0.0F;
    plain.inverse_batch = 1.0F;
    plain.average = {};
    ASSERT_EQ(cpu::private_update({}, plain), Status::Ok);
    for (std::size_t i = 0; i < noise.size(); ++i) {
        apart.average[i] = 0.8F * apart.average[i] + 0.2F * apart.weight[i];
        ASSERT_NEAR(fused.weight[i], apart.weight[i], 1e-6);
        ASSERT_NEAR(fused.average[i], apart.average[i], 1e-6);
    }
}

TEST(PrivateUpdate, MovesNothingWhereGradientAndMomentsAreZero)
{
    const NoiseStreamId id;
    std::vector<float> sum(9), weight(9, 1.0F), first(9), second(9);
    std::uint64_t moved = 0;
    const PrivateUpdate job{.id = &id,
                            .step = {.learning_rate = 1.0},
                            .sum = sum,
                            .weight = weight,
                            .first_moment = first,
                            .second_moment = second,
                            .moved = &moved};
    ASSERT_EQ(cpu::private_update({}, job), Status::Ok);
    EXPECT_EQ(moved, 0U);
}

// Where noise is all there is, what is left of the second moment is below its floor.
TEST(PrivateUpdate, BiasCorrectionNeverDividesByLessThanTheFloor)
{
    const NoiseStreamId id;
    std::vector<float> sum(100, 0.5F), weight(100), first(100), second(100);
    const PrivateUpdate job{.id = &id,
                            .step = {.learning_rate = 1.0,
                                     .beta1 = 0.0,
                                     .beta2 = 0.0,
                                     .epsilon = 0.0,
                                     .noise_variance = 1.0,
                                     .variance_floor = 0.04},
                            .sum = sum,
                            .weight = weight,
                            .first_moment = first,
                            .second_moment = second};
    ASSERT_EQ(cpu::private_update({}, job), Status::Ok);
    for (const float w : weight)
        ASSERT_NEAR(w, -0.5 / 0.2, 1e-6);
}

TEST(PrivateUpdate, RefusesSpansThatDoNotFitTheRule)
{
    const NoiseStreamId id;
    Parameters p = parameters(8);
    PrivateUpdate adam = job_of(p, id);
    adam.second_moment = {};
    EXPECT_EQ(cpu::private_update({}, adam), Status::InvalidArgument);
    PrivateUpdate momentum = job_of(p, id, Rule::Momentum);
    momentum.second_moment = p.second;
    EXPECT_EQ(cpu::private_update({}, momentum), Status::InvalidArgument);
    PrivateUpdate mixed = job_of(p, id);
    mixed.public_gradient = std::span<const float>(p.gradient).first(7);
    EXPECT_EQ(cpu::private_update({}, mixed), Status::InvalidArgument);
}

} // namespace
} // namespace velamen::kernels
