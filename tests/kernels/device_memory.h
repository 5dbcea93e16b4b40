// SPDX-License-Identifier: GPL-3.0-or-later
//
// Memory of a GPU for tests that hold device kernels against the slow loops. Where the build or the
// machine has none, is_there() says so and nothing else may be called.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace velamen::kernels::device {

bool is_there();

/// Bytes on the device.
class Memory {
public:
    explicit Memory(std::span<const std::byte> bytes);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    void* data() const { return data_; }
    void read(std::span<std::byte> out) const; ///< waits for the device

private:
    void* data_ = nullptr;
};

/// Copies of numbers on the device.
template <class T>
class Values {
public:
    explicit Values(std::span<const T> values)
        : memory_(std::as_bytes(values)), count_(values.size())
    {
    }
    std::span<T> span() const { return {static_cast<T*>(memory_.data()), count_}; }
    std::vector<T> read() const
    {
        std::vector<T> out(count_);
        memory_.read(std::as_writable_bytes(std::span(out)));
        return out;
    }

private:
    Memory memory_;
    std::size_t count_;
};

using Floats = Values<float>;

} // namespace velamen::kernels::device
