// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/kernels/device_memory.h"

#include <algorithm>
#include <stdexcept>

#include <cuda_runtime_api.h>

namespace velamen::kernels::device {

namespace {

void expect(cudaError_t status)
{
    if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

} // namespace

bool is_there()
{
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

Memory::Memory(std::span<const std::byte> bytes)
{
    expect(cudaMalloc(&data_, std::max<std::size_t>(1, bytes.size())));
    expect(cudaMemcpy(data_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
}

Memory::~Memory() { cudaFree(data_); }

void Memory::read(std::span<std::byte> out) const
{
    expect(cudaMemcpy(out.data(), data_, out.size(), cudaMemcpyDeviceToHost));
}

} // namespace velamen::kernels::device
