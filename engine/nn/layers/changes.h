// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstdint>

namespace torch::nn {
class Module;
}

namespace velamen::nn {

/// Grows with every change in place of a parameter of `module`; not when one is given other memory.
std::int64_t changes_of(const torch::nn::Module& module);

} // namespace velamen::nn
