// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/record.h"

#include <utility>

#include <ATen/ATen.h>

#include "engine/dpsgd/kernel_calls.h"

namespace velamen::dpsgd {

RowGradRecord::RowGradRecord(Slots slots, at::Tensor weight_rows, at::Tensor bias_rows)
    : GradRecord(slots), weight_rows_(std::move(weight_rows)), bias_rows_(std::move(bias_rows))
{
}

std::int64_t RowGradRecord::rows() const { return weight_rows_.size(0); }

at::Tensor RowGradRecord::per_unit(Role role, std::int64_t units) const
{
    const at::Tensor& rows = role == Role::Weight ? weight_rows_ : bias_rows_;
    const std::int64_t width = rows.size(1);
    return rows.size(0) == units ? rows : rows.view({units, -1, width}).sum(1);
}

void RowGradRecord::add_squared_norms(Role role, std::int64_t units, GramCache&,
                                      const at::Tensor& squared)
{
    squared.add_(row_squares(per_unit(role, units)));
}

at::Tensor RowGradRecord::unit_gradients(Role role, std::int64_t units, std::int64_t first,
                                         std::int64_t count)
{
    return per_unit(role, units).narrow(0, first, count);
}

void RowGradRecord::add_weighted(Role role, const at::Tensor& factors, const at::Tensor& sum)
{
    weighted_accumulate(per_unit(role, factors.size(0)), factors, sum);
}

at::Tensor RowGradRecord::weighted(Role role, const at::Tensor& factors)
{
    return at::mv(per_unit(role, factors.size(0)).t(), factors);
}

void RowGradRecord::clear_units(std::int64_t units, const at::Tensor& indices)
{
    weight_rows_ = without_units(weight_rows_, units, indices);
    bias_rows_ = without_units(bias_rows_, units, indices);
}

at::Tensor without_units(const at::Tensor& tensor, std::int64_t units, const at::Tensor& indices)
{
    const at::Tensor flat = tensor.reshape({units, -1}).clone();
    return flat.index_fill_(0, indices, 0.0).view(tensor.sizes());
}

} // namespace velamen::dpsgd
