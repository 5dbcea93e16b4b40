// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whether new layers get random initial values. A loader that overwrites them anyway saves the time
// and the memory of large models.

#pragma once

#include <ATen/core/Tensor.h>

namespace velamen::nn {

/// While one lives, linear layers, convolutions and tables made on this thread are left
/// uninitialised: their memory is not touched.
class WithoutInitialValues {
public:
    WithoutInitialValues() noexcept;
    ~WithoutInitialValues();
    WithoutInitialValues(const WithoutInitialValues&) = delete;
    WithoutInitialValues& operator=(const WithoutInitialValues&) = delete;

private:
    bool before_;
};

/// The width to make torch's own layer with: `width`, or 1 where it is replaced afterwards.
std::int64_t initial_width(std::int64_t width) noexcept;
/// Gives `parameter` (undefined: nothing happens) its real shape, uninitialised, where
/// initial_width() was 1.
void replace_uninitialised(at::Tensor& parameter, at::IntArrayRef shape);

} // namespace velamen::nn
