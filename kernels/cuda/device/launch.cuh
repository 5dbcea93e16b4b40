// SPDX-License-Identifier: GPL-3.0-or-later
//
// Launch arithmetic and the sum over a block, shared by the device kernels.

#pragma once

#include <cstddef>

#include <cuda_runtime.h>

#include "kernels/api/status.h"

namespace velamen::kernels::cuda {

inline constexpr unsigned kThreads = 256;

inline unsigned blocks_for(std::size_t items)
{
    const std::size_t blocks = (items + kThreads - 1) / kThreads;
    return static_cast<unsigned>(blocks < 65535 ? blocks : 65535);
}

inline cudaStream_t native(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

inline Status launched()
{
    return cudaGetLastError() == cudaSuccess ? Status::Ok : Status::DeviceError;
}

/// Sum over the block, valid in thread 0.
template <class T>
__device__ T block_sum(T value)
{
    __shared__ T partial[kThreads / 32];
    for (int offset = 16; offset > 0; offset /= 2)
        value += __shfl_down_sync(0xffffffffU, value, offset);
    __syncthreads(); // `partial` may still be read by the previous sum
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
    __syncthreads();
    if (threadIdx.x < 32) {
        value = threadIdx.x < kThreads / 32 ? partial[threadIdx.x] : T{};
        for (int offset = 16; offset > 0; offset /= 2)
            value += __shfl_down_sync(0xffffffffU, value, offset);
    }
    return value;
}

} // namespace velamen::kernels::cuda
