// SPDX-License-Identifier: GPL-3.0-or-later
//
// Fields of a UNet's config that change the computation: values other than the known ones are
// refused instead of ignored.

#pragma once

#include <span>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::nn {

struct FixedField {
    const char* key;
    std::vector<io::Json> accepted; ///< besides absent
};

/// Unsupported, naming the first field with another value. A list, one value a level, is accepted
/// when each of its values is. `wanted`: what to choose instead.
Result<> refuse_unsupported(const io::Json& json, std::span<const FixedField> fields,
                            const char* wanted);

} // namespace velamen::nn
