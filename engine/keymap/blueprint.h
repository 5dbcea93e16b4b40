// SPDX-License-Identifier: GPL-3.0-or-later
//
// All tensors of a model under both names and with both shapes. "Theirs" is CompVis's code, "ours"
// is diffusers, whose names Velamen uses. One list serves both directions, so they cannot differ.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/keymap/part.h"
#include "engine/keymap/tensors.h"

namespace velamen::keymap {

/// One tensor of ours. Their tensor is the same bytes, or holds it as one third of its rows: with H
/// heads of d rows, third p is rows (h * 3 + p) * d .. + d - 1 for h = 0 .. H - 1. That is the
/// order of AttentionBlock's qkv, [H, 3, d]; one head is the order of in_proj, [3, C].
struct Slot {
    static constexpr int kWhole = -1;

    std::string theirs;
    Shape their_shape;
    std::string ours;
    Shape shape;
    int third = kWhole; ///< 0 query, 1 key, 2 value
    std::int64_t heads = 1;
};

/// Paths of modules: ".weight" and ".bias" are appended.
class Blueprint {
public:
    void tensor(const std::string& theirs, const std::string& ours, const Shape& shape);
    void linear(const std::string& theirs, const std::string& ours, std::int64_t out,
                std::int64_t in, bool has_bias = true);
    void conv(const std::string& theirs, const std::string& ours, std::int64_t out, std::int64_t in,
              std::int64_t kernel = 3, bool has_bias = true);
    void norm(const std::string& theirs, const std::string& ours, std::int64_t channels);
    /// A convolution of one pixel there with `their_ones` dimensions of size 1, a linear layer
    /// here.
    void pointwise(const std::string& theirs, const std::string& ours, std::int64_t out,
                   std::int64_t in, std::size_t their_ones);
    /// Query, key and value in one tensor there: `their_weight` [3C, C, 1...] and `their_bias`.
    void thirds(const std::string& their_weight, const std::string& their_bias,
                const std::array<std::string, 3>& ours, std::int64_t channels,
                std::size_t their_ones, std::int64_t heads);

    const std::vector<Slot>& slots() const& noexcept { return slots_; }
    void slots() && = delete;

private:
    std::vector<Slot> slots_;
};

/// Our tensors from theirs. Their shapes may lack or have dimensions of size 1 at the end.
/// Unsupported, with what is missing, unknown or of another shape, unless `part` is the blueprint
/// exactly; `what` names the model.
Result<std::vector<Mapped>> to_ours(const Blueprint& blueprint, const Part& part,
                                    const std::string& what);
/// Their tensors from ours, likewise; `prefix` goes before each name.
Result<std::vector<Mapped>> to_theirs(const Blueprint& blueprint, const Part& part,
                                      const std::string& what, const std::string& prefix);

/// "the UNet is of an unknown architecture: <why>"
tl::unexpected<Error> unknown_architecture(const std::string& what, const std::string& why);

} // namespace velamen::keymap
