// SPDX-License-Identifier: GPL-3.0-or-later
//
// Weights in the layout that oneDNN computes with. Without it, every product and every convolution
// lays its weight out anew; while images are drawn the weights stay the same, and once is enough.

#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/nn/layers/channels_last.h"

namespace torch::nn {
class Module;
}

namespace velamen::nn {

/// A layer whose weight can be packed. One thread.
class Packable {
public:
    virtual ~Packable() = default;
    void pack(bool is_wanted)
    {
        is_wanted_ = is_wanted;
        packed_.reset();
    }

protected:
    Packable() = default;
    Packable(const Packable&) = default;
    Packable& operator=(const Packable&) = default;

    /// Whether this call may use the packed weight: wanted, without gradients, fp32 on the CPU.
    bool is_packed_for(const at::Tensor& x, const at::Tensor& weight) const;
    /// x w' + b. x: [..., in], weight: [out, in] or [out, in, 1, 1]  ->  [..., out]
    at::Tensor packed_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
    /// x: [N, in, H, W], weight: [out, in, k, k]  ->  [N, out, H', W'], lying channels-last
    at::Tensor packed_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             const ConvGeometry& geometry);

private:
    bool is_wanted_ = false;
    at::Tensor packed_; // made by the first call, for its number of rows or its map
};

/// While it lives, the linear layers and convolutions below a module compute with packed copies of
/// their weights, which take as much memory again. The weights must not change meanwhile. One
/// thread.
class PackedWeights {
public:
    /// A module with more than `most_bytes` of weights is left as it is.
    static constexpr std::int64_t kMostBytes = std::int64_t{512} << 20;
    explicit PackedWeights(torch::nn::Module& root, std::int64_t most_bytes = kMostBytes);
    ~PackedWeights();
    PackedWeights(const PackedWeights&) = delete;
    PackedWeights& operator=(const PackedWeights&) = delete;

private:
    std::vector<Packable*> layers_; // borrowed
};

} // namespace velamen::nn
