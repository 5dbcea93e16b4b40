// SPDX-License-Identifier: GPL-3.0-or-later
//
// Inputs for kernels under test: equal seeds give equal values.

#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace velamen::kernels {

/// Standard normals.
inline std::vector<float> random_values(std::size_t count, unsigned seed)
{
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values)
        value = normal(engine);
    return values;
}

} // namespace velamen::kernels
