// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/io/pickle_globals.h"

#include <array>

namespace velamen::io {

namespace {

constexpr auto kKnownGlobals = std::to_array<KnownGlobal>({
    {"collections", "OrderedDict", GlobalRole::OrderedDict},
    {"torch._utils", "_rebuild_tensor_v2", GlobalRole::RebuildTensor},
    {"torch._utils", "_rebuild_parameter", GlobalRole::RebuildParameter},
    {"torch", "DoubleStorage", GlobalRole::Storage, DType::F64},
    {"torch", "FloatStorage", GlobalRole::Storage, DType::F32},
    {"torch", "HalfStorage", GlobalRole::Storage, DType::F16},
    {"torch", "BFloat16Storage", GlobalRole::Storage, DType::BF16},
    {"torch", "LongStorage", GlobalRole::Storage, DType::I64},
    {"torch", "IntStorage", GlobalRole::Storage, DType::I32},
    {"torch", "ShortStorage", GlobalRole::Storage, DType::I16},
    {"torch", "CharStorage", GlobalRole::Storage, DType::I8},
    {"torch", "ByteStorage", GlobalRole::Storage, DType::U8},
    {"torch", "BoolStorage", GlobalRole::Storage, DType::Bool},
    {"pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", GlobalRole::Inert},
    // NumPy 2 renamed the package; files have either name.
    {"numpy.core.multiarray", "scalar", GlobalRole::Inert},
    {"numpy.core.multiarray", "_reconstruct", GlobalRole::Inert},
    {"numpy._core.multiarray", "scalar", GlobalRole::Inert},
    {"numpy._core.multiarray", "_reconstruct", GlobalRole::Inert},
    {"numpy", "dtype", GlobalRole::Inert},
    {"numpy", "ndarray", GlobalRole::Inert},
    {"_codecs", "encode", GlobalRole::Inert},
    // Protocol 2 uses the name of Python 2, later ones that of Python 3.
    {"__builtin__", "set", GlobalRole::Inert},
    {"builtins", "set", GlobalRole::Inert},
});

} // namespace

const KnownGlobal* find_global(std::string_view module, std::string_view name) noexcept
{
    for (const KnownGlobal& known : kKnownGlobals)
        if (known.module == module && known.name == name) return &known;
    return nullptr;
}

} // namespace velamen::io
