// SPDX-License-Identifier: GPL-3.0-or-later
//
// One call of one trained layer as the backward pass saw it, and what private training asks of it:
// the squared norm of each unit's gradient and the weighted sum of all of them. One subclass per
// layer type; none of them ever forms the plain gradient of the batch.
//
// A unit's rows are adjacent: row / (rows / units) is its number. The gradient of a unit includes
// the cross terms of all its rows.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/dpsgd/grad_rules/token_products.h"

namespace velamen::dpsgd {

enum class Role { Weight, Bias };

/// Positions among the trained tensors; -1: not trained.
struct Slots {
    std::int64_t weight = -1;
    std::int64_t bias = -1;
    std::int64_t of(Role role) const noexcept { return role == Role::Weight ? weight : bias; }
};

class GradRecord {
public:
    explicit GradRecord(Slots slots) : slots_(slots) {}
    virtual ~GradRecord() = default;

    const Slots& slots() const noexcept { return slots_; }
    virtual std::int64_t rows() const = 0;

    /// squared[u] += ||gradient of unit u||^2 of the tensor in `role`. squared: [units] double.
    virtual void add_squared_norms(Role role, std::int64_t units, GramCache& cache,
                                   const at::Tensor& squared) = 0;
    /// The gradients themselves, for units first ... first + count - 1: [count, elements] fp32.
    virtual at::Tensor unit_gradients(Role role, std::int64_t units, std::int64_t first,
                                      std::int64_t count) = 0;
    /// sum += sum_u factors[u] * gradient of unit u. factors: [units] fp32, sum: fp32.
    virtual void add_weighted(Role role, const at::Tensor& factors, const at::Tensor& sum) = 0;
    /// The same as a new tensor of as many elements, for the first use of a step; the record may
    /// give away what it holds and is not asked again.
    virtual at::Tensor weighted(Role role, const at::Tensor& factors) = 0;
    /// Overwrites the rows of these units (int64 indices) with zeros: 0 * NaN would be NaN.
    virtual void clear_units(std::int64_t units, const at::Tensor& indices) = 0;

private:
    Slots slots_;
};

/// A layer whose gradients per row are so small that they are kept: [rows, width] for weight and
/// bias. Used by the normalisation layers.
class RowGradRecord final : public GradRecord {
public:
    RowGradRecord(Slots slots, at::Tensor weight_rows, at::Tensor bias_rows);
    std::int64_t rows() const override;
    void add_squared_norms(Role role, std::int64_t units, GramCache& cache,
                           const at::Tensor& squared) override;
    at::Tensor unit_gradients(Role role, std::int64_t units, std::int64_t first,
                              std::int64_t count) override;
    void add_weighted(Role role, const at::Tensor& factors, const at::Tensor& sum) override;
    at::Tensor weighted(Role role, const at::Tensor& factors) override;
    void clear_units(std::int64_t units, const at::Tensor& indices) override;

private:
    at::Tensor per_unit(Role role, std::int64_t units) const; // [units, width]
    at::Tensor weight_rows_;
    at::Tensor bias_rows_;
};

/// `tensor` with the given units zeroed; a copy, since what it shares memory with may be the
/// caller's.
at::Tensor without_units(const at::Tensor& tensor, std::int64_t units, const at::Tensor& indices);

} // namespace velamen::dpsgd
