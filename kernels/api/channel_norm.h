// SPDX-License-Identifier: GPL-3.0-or-later
//
// The passes of a group norm over maps that lie channels innermost (Wu, He 2018), with the SiLU
// that follows it in diffusion models. Sums of squares are taken about a centre: about zero they
// lose every digit of a faint map with a large mean. On the CPU alone: on a device torch's own norm
// serves.

#pragma once

#include <cstddef>
#include <span>

#include "kernels/api/status.h"

namespace velamen::kernels {

struct ChannelSums {
    std::size_t pixels = 0;
    std::size_t channels = 0;
    std::span<const float> input;  ///< [pixels, channels]
    std::span<const float> centre; ///< [channels]: sum_p (x - centre)^2; empty: sum_p x
    std::span<double> sums;        ///< [channels], overwritten
};

struct ChannelAffine {
    std::size_t pixels = 0;
    std::size_t channels = 0;
    std::span<const float> input;  ///< [pixels, channels]
    std::span<const float> centre; ///< [channels]
    std::span<const float> scale;  ///< [channels]
    std::span<const float> shift;  ///< [channels]
    bool has_silu = false;         ///< y sigmoid(y) in place of y
    std::span<float> output;       ///< [pixels, channels]: y = (x - centre) scale + shift
};

namespace cpu {
Status channel_sums(Stream stream, const ChannelSums& job) noexcept;
Status channel_affine(Stream stream, const ChannelAffine& job) noexcept;
} // namespace cpu
namespace reference {
Status channel_sums(Stream stream, const ChannelSums& job) noexcept;
Status channel_affine(Stream stream, const ChannelAffine& job) noexcept;
} // namespace reference

} // namespace velamen::kernels
