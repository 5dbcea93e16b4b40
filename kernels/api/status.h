// SPDX-License-Identifier: GPL-3.0-or-later
//
// What every kernel takes and answers. Kernels see raw memory only: no tensor, no allocation, no
// exception. Spans point to memory of the device that the namespace names (cpu or cuda).

#pragma once

namespace velamen::kernels {

enum class Status {
    Ok,
    Unavailable,     ///< this build or machine has no such device
    InvalidArgument, ///< sizes do not fit each other
    DeviceError,     ///< the device refused the launch
};

/// Where work is queued: a cudaStream_t, or nothing (the default stream; always so on the CPU,
/// where a call runs in the calling thread and has ended when it returns).
struct Stream {
    void* handle = nullptr;
};

} // namespace velamen::kernels
