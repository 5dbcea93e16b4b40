// SPDX-License-Identifier: GPL-3.0-or-later
//
// The names that a pickle may refer to. They are looked up here, never in a program: what is not in
// this list does not exist.

#pragma once

#include <string>
#include <string_view>

#include "engine/core/dtype.h"

namespace velamen::io {

enum class GlobalRole {
    OrderedDict,
    RebuildTensor,    ///< torch._utils._rebuild_tensor_v2
    RebuildParameter, ///< torch._utils._rebuild_parameter
    Storage,          ///< a storage type, which says the dtype
    Inert,            ///< what training frameworks leave beside the tensors; never looked into
};

struct KnownGlobal {
    std::string_view module;
    std::string_view name;
    GlobalRole role;
    DType dtype = DType::F32; ///< of a storage

    std::string full_name() const { return std::string(module) + "." + std::string(name); }
};

/// Null for every other name. The result lives as long as the program.
const KnownGlobal* find_global(std::string_view module, std::string_view name) noexcept;

} // namespace velamen::io
