// SPDX-License-Identifier: GPL-3.0-or-later
//
// The class table.

#include "engine/nn/conditioner/class_embedder.h"

#include <ATen/ATen.h>

namespace velamen::nn {

ClassEmbedderImpl::ClassEmbedderImpl(std::int64_t rows, std::int64_t dim)
{
    embedding_ = register_module("embedding", Embedding(rows, dim));
}

at::Tensor ClassEmbedderImpl::forward(const at::Tensor& ids)
{
    return embedding_(ids).unsqueeze(1);
}

std::int64_t ClassEmbedderImpl::rows() const { return embedding_->weight.size(0); }

std::int64_t ClassEmbedderImpl::dim() const { return embedding_->weight.size(1); }

io::Json ClassEmbedderImpl::to_json() const
{
    return ClassEmbedderConfig{.rows = rows(), .dim = dim()}.to_json();
}

Result<ClassEmbedderConfig> ClassEmbedderConfig::from_json(const io::Json& json)
{
    ClassEmbedderConfig c;
    VELAMEN_ASSIGN(c.rows, json.integer("rows"));
    VELAMEN_ASSIGN(c.dim, json.integer("embedding_dim"));
    if (c.rows < 2 || c.rows > 1 << 20 || c.dim < 1 || c.dim > 1 << 16)
        return fail(ErrorCode::Corrupt,
                    "the class table's config needs at least 2 rows and a positive embedding_dim");
    return c;
}

io::Json ClassEmbedderConfig::to_json() const
{
    io::Json out = io::Json::object();
    out["_class_name"] = "ClassEmbedder";
    out["rows"] = rows;
    out["embedding_dim"] = dim;
    return out;
}

} // namespace velamen::nn
