// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reads what tests/goldens/make_nn_goldens.py wrote, and compares with it.

#pragma once

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/tensor/convert.h"
#include "tests/support/value.h"

namespace velamen::test {

class Golden {
public:
    explicit Golden(const std::string& name)
        : file_(value(io::SafetensorsFile::open(std::filesystem::path(VELAMEN_SOURCE_DIR)
                                                / "tests/goldens/nn" / (name + ".safetensors"))))
    {
    }

    at::Tensor operator[](const std::string& name) const
    {
        const io::TensorView* view = file_.find(name);
        if (view == nullptr) throw std::runtime_error("no golden " + name);
        return tensor::to_tensor(view->dtype, view->shape, view->bytes);
    }
    at::Tensor data(const std::string& name) const { return (*this)["data/" + name]; }

    io::Json json(const std::string& key) const
    {
        return value(io::Json::parse(file_.metadata().at(key)));
    }
    std::int64_t parameters() const { return std::stoll(file_.metadata().at("parameters")); }

    /// The names must agree exactly in both directions.
    void fill(torch::nn::Module& module) const
    {
        const at::NoGradGuard no_grad;
        std::size_t stored = 0;
        for (const io::TensorView& view : file_.tensors())
            stored += view.name.starts_with("weight/") ? 1 : 0;
        const auto parameters = module.named_parameters();
        EXPECT_EQ(parameters.size(), stored);
        for (const auto& item : parameters) {
            at::Tensor parameter = item.value();
            parameter.copy_((*this)["weight/" + item.key()]);
        }
        module.eval();
    }

private:
    io::SafetensorsFile file_;
};

/// max |a - b| <= tolerance * max(1, |b|), the bound of two correct fp32 implementations.
inline void expect_close(const at::Tensor& a, const at::Tensor& b, double tolerance,
                         const std::string& what = {})
{
    ASSERT_EQ(a.sizes(), b.sizes()) << what;
    const double difference = (a - b).abs().max().item<double>();
    EXPECT_LE(difference, tolerance * std::max(1.0, b.abs().max().item<double>())) << what;
}

} // namespace velamen::test
