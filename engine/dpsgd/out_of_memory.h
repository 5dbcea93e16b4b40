// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whether an exception means that memory ended, whichever library threw it.

#pragma once

#include <exception>

namespace velamen::dpsgd {

/// True for std::bad_alloc and for what LibTorch's allocators throw.
bool is_out_of_memory(const std::exception& error) noexcept;

} // namespace velamen::dpsgd
