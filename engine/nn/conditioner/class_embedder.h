// SPDX-License-Identifier: GPL-3.0-or-later
//
// Class numbers to context tokens: one row per class, the last row is the null class (no
// condition).

#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/nn/layers/embedding.h"

namespace velamen::nn {

class ClassEmbedderImpl final : public torch::nn::Module {
public:
    /// rows: classes plus the null class.
    ClassEmbedderImpl(std::int64_t rows, std::int64_t dim);

    /// ids: [N] (int64, 0 ... rows - 1)  ->  [N, 1, D]
    at::Tensor forward(const at::Tensor& ids);

    std::int64_t rows() const;
    std::int64_t dim() const;
    std::int64_t null_class() const { return rows() - 1; }
    void set_tap(Tap* tap);

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
