// SPDX-License-Identifier: GPL-3.0-or-later
//
// Stands before LibTorch's CPU allocator while it lives: counts the bytes of all tensors and, at a
// chosen allocation, does what a test wants done there, such as failing.

#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <c10/core/CPUAllocator.h>

namespace velamen::test {

/// Allocations of one thread at a time; one of these at a time.
class WatchedAllocator final : public c10::Allocator {
public:
    WatchedAllocator() : inner_(c10::GetDefaultCPUAllocator())
    {
        c10::SetCPUAllocator(this, kPriority);
    }
    ~WatchedAllocator() override { c10::SetCPUAllocator(inner_, kPriority); }
    WatchedAllocator(const WatchedAllocator&) = delete;
    WatchedAllocator& operator=(const WatchedAllocator&) = delete;

    c10::DataPtr allocate(std::size_t bytes) override
    {
        ++allocations;
        if (left_ > 0 && --left_ == 0) std::exchange(action_, nullptr)(); // which may set another
        void* data = inner_->raw_allocate(bytes);
        if (data != nullptr) {
            const std::scoped_lock lock(mutex_);
            sizes_[data] = static_cast<std::int64_t>(bytes);
            live_ += static_cast<std::int64_t>(bytes);
            peak_ = std::max(peak_, live_);
        }
        return {data, data, &free_block, c10::Device(c10::DeviceType::CPU)};
    }
    /// Convolutions ask for plain memory.
    c10::DeleterFnPtr raw_deleter() const override { return &free_block; }
    void copy_data(void* to, const void* from, std::size_t bytes) const override
    {
        default_copy_data(to, from, bytes);
    }

    /// `action` comes before the allocation number `count` from now, 1 being the next; it may
    /// throw.
    void at(std::int64_t count, std::function<void()> action)
    {
        left_ = count;
        action_ = std::move(action);
    }
    bool is_waiting() const { return left_ > 0; }

    /// Bytes of tensors made under such an allocator, the most since restart_peak().
    std::int64_t peak() const { return peak_; }
    void restart_peak() { peak_ = live_; }

    std::int64_t allocations = 0;

private:
    static constexpr std::uint8_t kPriority = 100;
    static void free_block(void* data)
    {
        {
            const std::scoped_lock lock(mutex_);
            // What libraries keep may be older than the allocator.
            if (const auto found = sizes_.find(data); found != sizes_.end()) {
                live_ -= found->second;
                sizes_.erase(found);
            }
        }
        c10::GetDefaultCPUAllocator()->raw_deallocate(data);
    }

    // Of all allocators, since tensors may outlive theirs.
    inline static std::mutex mutex_;
    inline static std::unordered_map<void*, std::int64_t> sizes_;
    inline static std::int64_t live_ = 0;

    c10::Allocator* inner_;
    std::int64_t peak_ = 0;
    std::int64_t left_ = 0;
    std::function<void()> action_;
};

} // namespace velamen::test
