// SPDX-License-Identifier: GPL-3.0-or-later
//
// Class numbers to context tokens: one row per class, the last row is the null class (no
// condition).

#pragma once

#include <torch/nn/pimpl.h>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/conditioner/conditioner.h"
#include "engine/nn/layers/embedding.h"

namespace velamen::nn {

class ClassEmbedderImpl final : public Conditioner {
public:
    /// rows: classes plus the null class.
    ClassEmbedderImpl(std::int64_t rows, std::int64_t dim);

    /// -> [N, 1, D]
    at::Tensor forward(const at::Tensor& ids) override;
    std::int64_t rows() const override;
    std::int64_t dim() const override;
    std::int64_t tokens() const override { return 1; }

    io::Json to_json() const;

private:
    Embedding embedding_{nullptr};
};
TORCH_MODULE(ClassEmbedder);

/// The size of a class table as written in class_embedder/config.json.
struct ClassEmbedderConfig {
    std::int64_t rows = 0;
    std::int64_t dim = 0;
    static Result<ClassEmbedderConfig> from_json(const io::Json& json);
    io::Json to_json() const;
};

} // namespace velamen::nn
