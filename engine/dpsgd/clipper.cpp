// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/clipper.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <ATen/ATen.h>

#include "engine/core/assert.h"
#include "engine/dpsgd/kernel_calls.h"
#include "engine/dpsgd/out_of_memory.h"

namespace velamen::dpsgd {

namespace {

/// L of the released loss: per unit it is clamped to [0, L] and L / 2 is taken off.
constexpr double kLossLimit = 1.0;

/// The loss as it is released: clamped to [0, L], minus L / 2.
double shifted_loss(double loss) { return std::clamp(loss, 0.0, kLossLimit) - 0.5 * kLossLimit; }

/// As it is released: clipped or not, minus 1/2.
double shifted_clipped(bool is_clipped) { return is_clipped ? 0.5 : -0.5; }

at::Tensor zero_sum(const at::Tensor& trained)
{
    return at::zeros(trained.sizes(), trained.options().dtype(at::kFloat));
}

void clear_non_finite(const GradTape& tape, const UnitFigures& figures, const at::Device& device)
{
    std::vector<std::int64_t> bad;
    for (std::int64_t unit = 0; unit < figures.units; ++unit)
        if (!figures.is_finite(unit)) bad.push_back(unit);
    if (bad.empty()) return;
    const at::Tensor indices = at::tensor(bad, at::kLong).to(device);
    for (const auto& record : tape.records())
        record->clear_units(figures.units, indices);
}

} // namespace

at::Tensor unit_losses(const at::Tensor& row_losses, std::int64_t rows_per_unit)
{
    return row_losses.view({-1, rows_per_unit}).mean(1);
}

at::Tensor part_loss(const at::Tensor& row_losses, std::int64_t unit_rows)
{
    return row_losses.sum().div(static_cast<double>(unit_rows));
}

Clipper::Clipper(TrainedTensors trained, privacy::ClippingNorm clip, privacy::ExpectedBatch batch,
                 const ClipOptions& options)
    : trained_(std::move(trained)), clip_(clip), batch_(batch), options_(options)
{
    VELAMEN_ASSERT(options.style != ClippingStyle::Automatic || clip.value() == 1.0);
    for (const auto& entry : trained_) {
        VELAMEN_ASSERT(entry.block >= 0);
        blocks_.push_back(options.style == ClippingStyle::PerBlock ? entry.block : 0);
        block_count_ = std::max(block_count_, blocks_.back() + 1);
    }
    reset();
}

Result<Clipper> Clipper::hardened(TrainedTensors trained, privacy::ClippingNorm clip,
                                  privacy::ExpectedBatch batch, const privacy::StepNoise& noise,
                                  const ClipOptions& options)
{
    // Nothing is clipped by normalising: there is no fraction to release.
    VELAMEN_ASSERT(options.style != ClippingStyle::Automatic || !noise.clipped_fraction);
    VELAMEN_ASSIGN(HardenedLayout layout, HardenedLayout::create(trained, clip, noise));
    Clipper clipper(std::move(trained), clip, batch, options);
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
    open_.reset();
    sums_.assign(trained_.size(), {});
    loss_sum_ = 0.0;
    clipped_sum_ = 0.0;
    is_broken_ = false;
    view_ = {};
}

const at::Tensor& Clipper::sum_of(std::size_t tensor)
{
    if (!sums_[tensor].defined()) sums_[tensor] = zero_sum(trained_[tensor].tensor);
    return sums_[tensor];
}

Result<> Clipper::check_pass(const GradTape& tape, std::int64_t units) const
{
    VELAMEN_TRY(tape.check_known());
    for (const auto& entry : trained_)
        if (entry.tensor.grad().defined())
            return fail(ErrorCode::Refused,
                        "tensor " + entry.name + " received a gradient outside the private path",
                        "clear all gradients before a private run; if it happens again, the model "
                        "uses this tensor in a way that cannot be trained privately");
    for (const auto& record : tape.records())
        if (record->rows() % units != 0)
            return fail(ErrorCode::Internal, "the rows of a layer do not divide into units");
    return {};
}

Result<> Clipper::guarded(GradTape& tape, const std::function<Result<>()>& adding)
{
    const bool was_broken = std::exchange(is_broken_, true);
    try {
        const at::NoGradGuard no_grad;
        VELAMEN_TRY(adding());
        tape.clear();
    } catch (const std::exception& error) { // its text may hold shapes of the draw
        if (is_out_of_memory(error))
            return fail(ErrorCode::OutOfMemory, "no memory for a micro-batch",
                        "choose a smaller micro-batch");
        return fail(ErrorCode::Internal, "a micro-batch could not be clipped");
    }
    is_broken_ = was_broken;
    return {};
}

Result<> Clipper::add(GradTape& tape, const MicroBatch& batch, const at::Tensor& losses)
{
    return guarded(tape, [&]() -> Result<> {
        if (batch.units < 1 || batch.padded < 0 || batch.padded > batch.units
            || losses.numel() != batch.units)
            return fail(ErrorCode::Internal, "a micro-batch does not name its units");
        if (open_)
            return fail(ErrorCode::Internal, "a unit lacks rows when the next units are added");
        VELAMEN_TRY(check_pass(tape, batch.units));
        return accumulate(tape, batch, losses.detach());
    });
}

Result<> Clipper::add_part(GradTape& tape, const UnitPart& part, const at::Tensor& loss)
{
    return guarded(tape, [&]() -> Result<> {
        if (!open_) open_.emplace().unit_rows = part.unit_rows;
        if (part.rows < 1 || loss.numel() != 1 || part.unit_rows != open_->unit_rows
            || open_->rows + part.rows > part.unit_rows)
            return fail(ErrorCode::Internal, "a part of a unit does not fit its other parts");
        VELAMEN_TRY(check_pass(tape, 1));
        return accumulate_part(tape, part, loss.detach());
    });
}

Result<> Clipper::accumulate(GradTape& tape, const MicroBatch& batch, const at::Tensor& losses)
{
    const TapeUses uses = uses_of(tape);
    const UnitFigures figures =
        unit_figures(tape, uses, blocks_, block_count_, losses, options_.norms);
    clear_non_finite(tape, figures, losses.device());
    const UnitWeights weights = weigh(figures, options_.style, clip_.value(), batch.padded);
    if (layout_) {
        VELAMEN_TRY(add_on_grid(
            figures, weights,
            [&](const at::Tensor& sum, std::size_t tensor, std::int64_t unit, float weight) {
                for (const TapeUse& use : uses[tensor])
                    sum.add_(
                        use.record->unit_gradients(use.role, batch.units, unit, 1).flatten().cpu(),
                        weight);
            }));
    } else {
        const at::Tensor factors = at::tensor(weights.factors, at::kFloat)
                                       .view({block_count_, batch.units})
                                       .to(losses.device());
        for (std::size_t i = 0; i < uses.size(); ++i) {
            const at::Tensor own = factors.select(0, blocks_[i]);
            for (const TapeUse& use : uses[i])
                if (sums_[i].defined())
                    use.record->add_weighted(use.role, own, sums_[i]);
                else
                    sums_[i] = use.record->weighted(use.role, own).view(trained_[i].tensor.sizes());
        }
    }
    note(figures, weights, batch.padded);
    return {};
}

Result<> Clipper::accumulate_part(const GradTape& tape, const UnitPart& part,
                                  const at::Tensor& loss)
{
    const TapeUses uses = uses_of(tape);
    open_->gradient.resize(trained_.size());
    const at::Tensor whole = at::ones({1}, at::dtype(at::kFloat).device(loss.device()));
    for (std::size_t i = 0; i < uses.size(); ++i)
        for (const TapeUse& use : uses[i]) {
            at::Tensor& gradient = open_->gradient[i];
            if (!gradient.defined()) gradient = zero_sum(trained_[i].tensor);
            use.record->add_weighted(use.role, whole, gradient);
        }
    const at::Tensor exact = loss.to(at::kDouble).view({1});
    open_->loss = open_->loss.defined() ? open_->loss.add(exact) : exact;
    open_->rows += part.rows;
    return open_->rows == open_->unit_rows ? close_unit() : Result<>{};
}

Result<> Clipper::close_unit()
{
    const OpenUnit unit = std::move(*std::exchange(open_, std::nullopt));
    const at::Tensor squared =
        at::zeros({block_count_, 1}, at::dtype(at::kDouble).device(unit.loss.device()));
    for (std::size_t i = 0; i < unit.gradient.size(); ++i)
        if (unit.gradient[i].defined())
            squared.select(0, blocks_[i]).add_(row_squares(unit.gradient[i].view({1, -1})));
    const at::Tensor host = at::cat({squared.flatten(), unit.loss}).cpu();
    const double* values = host.data_ptr<double>();
    const UnitFigures figures{.units = 1,
                              .blocks = block_count_,
                              .squared = {values, values + block_count_},
                              .losses = {values[block_count_]}};
    const UnitWeights weights = weigh(figures, options_.style, clip_.value(), 0);
    if (layout_) {
        VELAMEN_TRY(
            add_on_grid(figures, weights,
                        [&](const at::Tensor& sum, std::size_t tensor, std::int64_t, float weight) {
                            if (unit.gradient[tensor].defined())
                                sum.add_(unit.gradient[tensor].flatten().cpu(), weight);
                        }));
    } else if (weights.is_counted[0]) {
        for (std::size_t i = 0; i < unit.gradient.size(); ++i)
            if (unit.gradient[i].defined())
                sum_of(i).add_(unit.gradient[i], weights.factor(blocks_[i], 0));
    }
    note(figures, weights, 0);
    return {};
}

/// Every unit's whole contribution, formed and rounded on its own. Sums of integers do not depend
/// on the order, hence not on the threads.
Result<> Clipper::add_on_grid(const UnitFigures& figures, const UnitWeights& weights,
                              const AddGradient& add_gradient)
{
    if (!hardened_sum_) {
        VELAMEN_ASSIGN(hardened_sum_, HardenedSum::create(*layout_));
    }
    std::mutex mutex;
    Result<> outcome;
    const auto add_units = [&](std::int64_t first, std::int64_t last) -> Result<> {
        const at::NoGradGuard no_grad;
        VELAMEN_ASSIGN(auto contribution, HardenedContribution::create(*layout_));
        for (std::int64_t unit = first; unit < last; ++unit) {
            const auto at = static_cast<std::size_t>(unit);
            if (!weights.is_counted[at]) continue;
            for (std::size_t i = 0; i < trained_.size(); ++i) {
                const std::span<float> place = contribution.weights_of(i);
                const at::Tensor whole = at::from_blob(
                    place.data(), {static_cast<std::int64_t>(place.size())}, at::kFloat);
                whole.zero_();
                add_gradient(whole, i, unit, weights.factor(blocks_[i], unit));
            }
            contribution.round(shifted_loss(figures.loss(unit)),
                               shifted_clipped(weights.is_clipped[at]));
            const std::scoped_lock lock(mutex);
            VELAMEN_TRY(hardened_sum_->add(contribution));
        }
        return {};
    };
    on_all_threads(figures.units, [&](std::int64_t first, std::int64_t last) {
        auto part = add_units(first, last);
        const std::scoped_lock lock(mutex);
        if (!part && outcome) outcome = std::move(part);
    });
    return outcome;
}

void Clipper::note(const UnitFigures& figures, const UnitWeights& weights, std::int64_t padded)
{
    for (std::int64_t unit = 0; unit < figures.units - padded; ++unit) {
        const auto at = static_cast<std::size_t>(unit);
        ++view_.units;
        if (!weights.is_counted[at]) {
            ++view_.non_finite;
            continue;
        }
        const bool is_clipped = weights.is_clipped[at];
        loss_sum_ += shifted_loss(figures.loss(unit));
        clipped_sum_ += shifted_clipped(is_clipped);
        view_.clipped_fraction += is_clipped ? 1.0 : 0.0;
        view_.mean_norm += figures.norm(unit);
        view_.mean_loss += figures.loss(unit);
    }
}

Result<ClippedSum> Clipper::finish(data::PoissonDraw&& draw)
{
    const data::PoissonDraw used(std::move(draw));
    const bool is_whole =
        !is_broken_ && !open_ && view_.units == static_cast<std::int64_t>(used.units().size());
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
            sum_of(i);
    } catch (const std::exception&) {
        reset();
        return fail(ErrorCode::OutOfMemory, "no memory for the sum of a step");
    }
    const auto clipped = options_.style == ClippingStyle::Automatic
        ? std::nullopt
        : std::optional<double>(clipped_sum_);
    ClippedSum sum = on_grid
        ? ClippedSum(std::exchange(sums_, {}), std::move(*on_grid), clip_, batch_)
        : ClippedSum(std::exchange(sums_, {}), loss_sum_, clipped, clip_, batch_);
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
