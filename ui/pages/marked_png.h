// SPDX-License-Identifier: GPL-3.0-or-later
//
// Single pictures saved from a page, marked as synthetic. Releases with a certificate are written
// by engine/release.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/image/image.h"

namespace velamen::ui {

struct PngMark {
    double epsilon = 0.0; ///< 0: of a public model, nothing private is in it
    double delta = 0.0;
    std::string parameters; ///< "class 4, seed 1242, ..."
};

/// A PNG that says in text and XMP that it is synthetic.
Result<std::vector<std::byte>> markedPng(const image::Image& image, const PngMark& mark);

} // namespace velamen::ui
