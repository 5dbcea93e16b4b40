// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/clipper.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include <ATen/ATen.h>

#include "engine/core/assert.h"
#include "engine/dpsgd/kernel_calls.h"
#include "engine/dpsgd/out_of_memory.h"

namespace velamen::dpsgd {

namespace {

/// Elements of one block of formed gradients when a tensor was used several times (16 MiB).
constexpr std::int64_t kFormedElements = std::int64_t{1} << 22;
/// L of the released loss: per unit it is clamped to [0, L] and L / 2 is taken off.
constexpr double kLossLimit = 1.0;

/// The loss as it is released: clamped to [0, L], minus L / 2.
double shifted_loss(double loss) { return std::clamp(loss, 0.0, kLossLimit) - 0.5 * kLossLimit; }

/// All uses of each trained tensor in this pass.
TapeUses uses_of(const GradTape& tape, std::size_t count)
{
    TapeUses uses(count);
    for (const auto& record : tape.records())
        for (const Role role : {Role::Weight, Role::Bias})
            if (const std::int64_t slot = record->slots().of(role); slot >= 0)
                uses[static_cast<std::size_t>(slot)].push_back({record.get(), role});
    return uses;
}

/// A tensor that was used several times has one gradient: the sum over its uses, taken before the
/// norm.
void add_summed_norms(const std::vector<TapeUse>& uses, std::int64_t elements, std::int64_t units,
                      const at::Tensor& squared)
{
    const std::int64_t block =
        std::clamp<std::int64_t>(kFormedElements / std::max<std::int64_t>(1, elements), 1, units);
    for (std::int64_t first = 0; first < units; first += block) {
        const std::int64_t count = std::min(block, units - first);
        at::Tensor total;
        for (const TapeUse& use : uses) {
            const at::Tensor one =
                use.record->unit_gradients(use.role, units, first, count).reshape({count, -1});
            total = total.defined() ? total.add(one) : one;
        }
        squared.narrow(0, first, count).add_(row_squares(total));
    }
}

} // namespace

at::Tensor unit_losses(const at::Tensor& row_losses, std::int64_t rows_per_unit)
{
    return row_losses.view({-1, rows_per_unit}).mean(1);
}

double clip_factor(double norm, double clip) noexcept
{
    return std::min(1.0, clip / (norm * (1.0 + 1e-3) + 1e-6));
}

Clipper::Clipper(TrainedTensors trained, privacy::ClippingNorm clip, privacy::ExpectedBatch batch)
    : trained_(std::move(trained)), clip_(clip), batch_(batch)
{
    reset();
}

Result<Clipper> Clipper::hardened(TrainedTensors trained, privacy::ClippingNorm clip,
                                  privacy::ExpectedBatch batch, const privacy::StepNoise& noise)
{
    VELAMEN_ASSIGN(HardenedLayout layout, HardenedLayout::create(trained, clip, noise));
    Clipper clipper(std::move(trained), clip, batch);
    clipper.layout_ = std::move(layout);
    return clipper;
}

const privacy::Grid& Clipper::grid() const
{
    VELAMEN_ASSERT(layout_);
    return layout_->grid();
}

void Clipper::reset()
{
    hardened_sum_.reset();
    sums_.assign(trained_.size(), {});
    loss_sum_ = 0.0;
    clipped_sum_ = 0.0;
    is_broken_ = false;
    view_ = {};
}

Result<> Clipper::add(GradTape& tape, const MicroBatch& batch, const at::Tensor& losses)
{
    is_broken_ = true; // until this micro-batch is whole
    if (batch.units < 1 || batch.padded < 0 || batch.padded > batch.units
        || losses.numel() != batch.units)
        return fail(ErrorCode::Internal, "a micro-batch does not name its units");
    VELAMEN_TRY(tape.check_known());
    for (const auto& [name, tensor, scale] : trained_)
        if (tensor.grad().defined())
            return fail(ErrorCode::Refused,
                        "tensor " + name + " received a gradient outside the private path",
                        "clear all gradients before a private run; if it happens again, the model "
                        "uses this tensor in a way that cannot be trained privately");
    for (const auto& record : tape.records())
        if (record->rows() % batch.units != 0)
            return fail(ErrorCode::Internal, "the rows of a layer do not divide into units");
    try {
        const at::NoGradGuard no_grad;
        VELAMEN_TRY(accumulate(tape, batch, losses.detach()));
        tape.clear();
    } catch (const std::exception& error) { // its text may hold shapes of the draw
        if (is_out_of_memory(error))
            return fail(ErrorCode::OutOfMemory, "no memory for a micro-batch",
                        "choose a smaller micro-batch");
        return fail(ErrorCode::Internal, "a micro-batch could not be clipped");
    }
    is_broken_ = false;
    return {};
}

Result<> Clipper::accumulate(GradTape& tape, const MicroBatch& batch, const at::Tensor& losses)
{
    const std::int64_t units = batch.units;
    const auto uses = uses_of(tape, trained_.size());
    const at::Tensor squared = at::zeros({units}, at::dtype(at::kDouble).device(losses.device()));
    GramCache cache;
    for (const auto& record : tape.records()) // in this order neighbours share activations
        for (const Role role : {Role::Weight, Role::Bias})
            if (const std::int64_t slot = record->slots().of(role);
                slot >= 0 && uses[static_cast<std::size_t>(slot)].size() == 1)
                record->add_squared_norms(role, units, cache, squared);
    cache = {};
    for (std::size_t i = 0; i < uses.size(); ++i)
        if (uses[i].size() > 1)
            add_summed_norms(uses[i], trained_[i].tensor.numel(), units, squared);

    const at::Tensor good = at::isfinite(squared).logical_and_(at::isfinite(losses));
    if (!good.all().item<bool>()) {
        const at::Tensor bad = good.logical_not().nonzero().flatten();
        for (const auto& record : tape.records())
            record->clear_units(units, bad);
        squared.index_fill_(0, bad, 0.0);
    }
    const at::Tensor counted = good.clone();
    counted.narrow(0, units - batch.padded, batch.padded).fill_(false);

    const at::Tensor norms = squared.clamp_min(0.0).sqrt_();
    const double clip = clip_.value();
    const at::Tensor factors // clip_factor() of each
        = norms.mul(1.0 + 1e-3).add_(1e-6).reciprocal_().mul_(clip).clamp_max_(1.0).mul_(counted);
    const at::Tensor weights = factors.to(at::kFloat);
    if (layout_) {
        VELAMEN_TRY(add_on_grid(uses, {weights, losses, counted}));
    } else {
        for (std::size_t i = 0; i < uses.size(); ++i) {
            if (!sums_[i].defined())
                sums_[i] = at::zeros(trained_[i].tensor.sizes(),
                                     trained_[i].tensor.options().dtype(at::kFloat));
            for (const TapeUse& use : uses[i])
                use.record->add_weighted(use.role, weights, sums_[i]);
        }
    }

    add_losses(losses, counted);
    // A unit that counts adds 1/2 when it is clipped and takes 1/2 off when it is not.
    const auto clipped = factors.lt(1.0).logical_and_(counted).sum().item<double>();
    clipped_sum_ += clipped - 0.5 * counted.sum().item<double>();
    view_.units += units - batch.padded;
    view_.non_finite +=
        good.narrow(0, 0, units - batch.padded).logical_not().sum().item<std::int64_t>();
    view_.clipped_fraction += clipped;
    view_.mean_norm += norms.mul(counted).sum().item<double>();
    return {};
}

/// Every unit's whole contribution, formed and rounded on its own. Sums of integers do not depend
/// on the order, hence not on the threads.
Result<> Clipper::add_on_grid(const TapeUses& uses, const UnitFactors& units)
{
    if (!hardened_sum_) {
        VELAMEN_ASSIGN(hardened_sum_, HardenedSum::create(*layout_));
    }
    const std::int64_t count = units.weights.numel();
    const at::Tensor factors = units.weights.cpu(), included = units.counted.cpu();
    const at::Tensor exact = units.losses.to(at::kDouble).cpu();
    const auto weights = factors.accessor<float, 1>();
    const auto counted = included.accessor<bool, 1>();
    const auto losses = exact.accessor<double, 1>();
    std::mutex mutex;
    Result<> outcome;
    const auto add_units = [&](std::int64_t first, std::int64_t last) -> Result<> {
        const at::NoGradGuard no_grad;
        VELAMEN_ASSIGN(auto contribution, HardenedContribution::create(*layout_));
        for (std::int64_t unit = first; unit < last; ++unit) {
            if (!counted[unit]) continue;
            for (std::size_t i = 0; i < uses.size(); ++i) {
                const std::span<float> place = contribution.weights_of(i);
                at::Tensor whole = at::from_blob(
                    place.data(), {static_cast<std::int64_t>(place.size())}, at::kFloat);
                whole.zero_();
                for (const TapeUse& use : uses[i])
                    whole.add_(use.record->unit_gradients(use.role, count, unit, 1).flatten().cpu(),
                               weights[unit]);
            }
            contribution.round(shifted_loss(losses[unit]), weights[unit] < 1.0F ? 0.5 : -0.5);
            const std::scoped_lock lock(mutex);
            VELAMEN_TRY(hardened_sum_->add(contribution));
        }
        return {};
    };
    on_all_threads(count, [&](std::int64_t first, std::int64_t last) {
        auto part = add_units(first, last);
        const std::scoped_lock lock(mutex);
        if (!part && outcome) outcome = std::move(part);
    });
    return outcome;
}

void Clipper::add_losses(const at::Tensor& losses, const at::Tensor& counted)
{
    const at::Tensor exact = at::where(counted, losses.to(at::kDouble), 0.0);
    const at::Tensor bounded = exact.clamp(0.0, kLossLimit).sub_(0.5 * kLossLimit).mul_(counted);
    loss_sum_ += bounded.sum().item<double>();
    view_.mean_loss += exact.sum().item<double>();
}

Result<ClippedSum> Clipper::finish(data::PoissonDraw&& draw)
{
    const data::PoissonDraw used(std::move(draw));
    const bool is_whole =
        !is_broken_ && view_.units == static_cast<std::int64_t>(used.units().size());
    std::optional<HardenedSum> on_grid = std::exchange(hardened_sum_, std::nullopt);
    if (layout_ && !on_grid) { // a draw of no unit
        auto empty = HardenedSum::create(*layout_);
        if (!empty) {
            reset();
            return fail(empty.error());
        }
        on_grid = std::move(*empty);
    }
    try {
        for (std::size_t i = 0; i < sums_.size(); ++i)
            if (!sums_[i].defined())
                sums_[i] = at::zeros(trained_[i].tensor.sizes(),
                                     trained_[i].tensor.options().dtype(at::kFloat));
    } catch (const std::exception&) {
        reset();
        return fail(ErrorCode::OutOfMemory, "no memory for the sum of a step");
    }
    ClippedSum sum = on_grid
        ? ClippedSum(std::exchange(sums_, {}), std::move(*on_grid), clip_, batch_)
        : ClippedSum(std::exchange(sums_, {}), loss_sum_, clipped_sum_, clip_, batch_);
    reset();
    if (!is_whole)
        return fail(ErrorCode::Internal, "a step was ended that does not hold what was drawn");
    return sum;
}

PrivateView Clipper::private_view() const
{
    PrivateView view = view_;
    const auto finite =
        static_cast<double>(std::max<std::int64_t>(1, view.units - view.non_finite));
    view.clipped_fraction /= finite;
    view.mean_norm /= finite;
    view.mean_loss /= finite;
    return view;
}

} // namespace velamen::dpsgd
