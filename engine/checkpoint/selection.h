// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a selection of trained tensors means, by names and shapes only. What training does with it
// is not known here.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"
#include "engine/nn/unet/shapes.h"

namespace velamen::checkpoint {

/// A selection as typed: "attention", "attention:from=k", "qkvo", "cross", "lora:r", "lora:r:alpha"
/// or "full".
struct Selection {
    enum class Kind { Attention, Qkvo, Cross, Lora, Full } kind = Kind::Attention;
    std::int64_t from = 1; ///< first transformer block, 1-based in the order input, middle, output
    std::int64_t rank = 0; ///< of the factors of "lora"
    double alpha = 0.0;    ///< the rank unless it was typed

    /// InvalidArgument with the nearest selection that there is.
    static Result<Selection> parse(const std::string& text);
    bool is_lora() const noexcept { return kind == Kind::Lora; }
    /// Of the product of the factors (arXiv 2106.09685, section 4.1).
    double scale() const noexcept { return alpha / static_cast<double>(rank); }
};

/// "unet/<layer>.weight" and 'A' or 'B'  ->  "unet/<layer>.lora_A.weight".
std::string lora_name(std::string_view weight, char factor);
bool is_lora_name(std::string_view tensor);

/// The tensors that are trained: those of select_tensors(), and under "lora" a pair of factors in
/// place of each weight. Errors as there; InvalidArgument when the rank is above a layer's width.
Result<std::vector<nn::NamedShape>> trained_shapes(const std::vector<nn::NamedShape>& all,
                                                   const std::string& selection, bool skip_dead,
                                                   bool train_conditioner = true);

} // namespace velamen::checkpoint
