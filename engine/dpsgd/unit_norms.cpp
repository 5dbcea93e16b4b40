// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/unit_norms.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

namespace velamen::dpsgd {

namespace {

/// squared[u - first] += ||gradient of unit u||^2, formed. A tensor that was used several times has
/// one gradient: the sum over its uses, taken before the norm.
void add_formed_norms(std::span<const TapeUse> uses, std::int64_t elements, std::int64_t units,
                      std::int64_t first, const at::Tensor& squared)
{
    const std::int64_t end = squared.numel();
    const std::int64_t step =
        std::max<std::int64_t>(1, kFormedElements / std::max<std::int64_t>(1, elements));
    for (std::int64_t begin = 0; begin < end; begin += step) {
        const std::int64_t count = std::min(step, end - begin);
        at::Tensor total;
        for (const TapeUse& use : uses) {
            const at::Tensor one = use.record->unit_gradients(use.role, units, first + begin, count)
                                       .reshape({count, -1});
            total = total.defined() ? total.add(one) : one;
        }
        squared.narrow(0, begin, count).add_(row_squares(total));
    }
}

/// A use for which Gram matrices kept too few digits of some units' norms.
struct Doubt {
    TapeUse use;
    std::int64_t elements = 0;
    std::int64_t block = 0;
    at::Tensor flags; // [units] bool
};

void form_doubtful(const Doubt& doubt, std::span<const double> flags, UnitFigures& figures)
{
    for (std::int64_t first = 0; first < figures.units; ++first) {
        std::int64_t last = first;
        while (last < figures.units && flags[static_cast<std::size_t>(last)] != 0.0)
            ++last;
        if (last == first) continue;
        const at::Tensor formed =
            at::zeros({last - first}, doubt.flags.options().dtype(at::kDouble));
        add_formed_norms({&doubt.use, 1}, doubt.elements, figures.units, first, formed);
        const at::Tensor host = formed.cpu();
        for (std::int64_t unit = first; unit < last; ++unit)
            figures.squared[static_cast<std::size_t>(doubt.block * figures.units + unit)] +=
                host.data_ptr<double>()[unit - first];
        first = last;
    }
}

} // namespace

TapeUses uses_of(const GradTape& tape)
{
    TapeUses uses(tape.trained().size());
    for (const auto& record : tape.records())
        for (const Role role : {Role::Weight, Role::Bias})
            if (const std::int64_t slot = record->slots().of(role); slot >= 0)
                uses[static_cast<std::size_t>(slot)].push_back({record.get(), role});
    return uses;
}

UnitFigures unit_figures(const GradTape& tape, const TapeUses& uses,
                         std::span<const std::int64_t> blocks, std::int64_t block_count,
                         const at::Tensor& losses, NormPath path)
{
    UnitFigures figures{
        .units = losses.numel(), .blocks = block_count, .squared = {}, .losses = {}};
    const at::Tensor squared =
        at::zeros({block_count, figures.units}, at::dtype(at::kDouble).device(losses.device()));
    const auto elements_of = [&](std::size_t slot) { return tape.trained()[slot].tensor.numel(); };
    GramCache cache;
    cache.path = path;
    std::vector<Doubt> doubts;
    for (const auto& record : tape.records()) // in this order neighbours share activations
        for (const Role role : {Role::Weight, Role::Bias}) {
            const std::int64_t slot = record->slots().of(role);
            const auto at = static_cast<std::size_t>(slot);
            if (slot < 0 || uses[at].size() != 1) continue;
            record->add_squared_norms(role, figures.units, cache, squared.select(0, blocks[at]));
            if (cache.doubtful.defined())
                doubts.push_back({{record.get(), role},
                                  elements_of(at),
                                  blocks[at],
                                  std::exchange(cache.doubtful, {})});
        }
    cache = {};
    for (std::size_t i = 0; i < uses.size(); ++i)
        if (uses[i].size() > 1)
            add_formed_norms(uses[i], elements_of(i), figures.units, 0,
                             squared.select(0, blocks[i]));

    std::vector<at::Tensor> rows{squared, losses.to(at::kDouble).view({1, -1})};
    for (const Doubt& doubt : doubts)
        rows.push_back(doubt.flags.to(at::kDouble).view({1, -1}));
    const at::Tensor host = at::cat(rows).cpu(); // the one look at the device
    const std::span<const double> values(host.data_ptr<double>(),
                                         static_cast<std::size_t>(host.numel()));
    const auto units = static_cast<std::size_t>(figures.units);
    const auto row = [&](std::size_t first, std::size_t count) {
        return values.subspan(first * units, count * units);
    };
    const auto norms = row(0, static_cast<std::size_t>(block_count));
    const auto exact = row(static_cast<std::size_t>(block_count), 1);
    figures.squared.assign(norms.begin(), norms.end());
    figures.losses.assign(exact.begin(), exact.end());
    for (std::size_t i = 0; i < doubts.size(); ++i)
        form_doubtful(doubts[i], row(static_cast<std::size_t>(block_count) + 1 + i, 1), figures);
    return figures;
}

} // namespace velamen::dpsgd
