// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a header says of a tensor, in any container. No bytes.

#pragma once

#include <string>

#include "engine/core/dtype.h"

namespace velamen::io {

struct TensorHeader {
    std::string name;
    DType dtype = DType::F32;
    Shape shape;

    friend bool operator==(const TensorHeader&, const TensorHeader&) = default;
};

} // namespace velamen::io
