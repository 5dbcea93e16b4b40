// SPDX-License-Identifier: GPL-3.0-or-later
//
// The conditioner of an unconditional model: no tokens, no parameters.

#pragma once

#include "engine/nn/conditioner/conditioner.h"

namespace velamen::nn {

class NoConditioner final : public Conditioner {
public:
    explicit NoConditioner(std::int64_t rows) : rows_(rows) {}

    at::Tensor forward(const at::Tensor& /*ids*/) override { return {}; }
    std::int64_t rows() const override { return rows_; }
    std::int64_t tokens() const override { return 0; }
    std::int64_t dim() const override { return 0; }

private:
    std::int64_t rows_;
};

} // namespace velamen::nn
