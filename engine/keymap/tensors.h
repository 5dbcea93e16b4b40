// SPDX-License-Identifier: GPL-3.0-or-later
//
// Tensors as headers tell of them, and how the tensors of one naming are made of those of another.
// Names, shapes and rows; no bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/io/json.h"
#include "engine/io/tensor_header.h"

namespace velamen::keymap {

using Entry = io::TensorHeader;

/// Rows `first` to `first + rows - 1` along dimension 0 of entry `source`.
struct Piece {
    std::size_t source = 0;
    std::int64_t first = 0;
    std::int64_t rows = 0;

    friend bool operator==(const Piece&, const Piece&) = default;
};

/// A tensor made of whole rows of other tensors: its row-major bytes are those of its pieces, one
/// after the other.
struct Mapped {
    std::string name;
    DType dtype = DType::F32;
    Shape shape;
    std::vector<Piece> pieces;

    friend bool operator==(const Mapped&, const Mapped&) = default;
};

/// A model of a diffusers folder.
struct Component {
    std::string name; ///< of the subfolder: "unet", "vae", "vqvae", "text_encoder", "bert", ...
    io::Json config;  ///< config.json
    std::vector<Mapped> tensors;
};

} // namespace velamen::keymap
