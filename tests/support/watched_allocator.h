// SPDX-License-Identifier: GPL-3.0-or-later
//
// Stands before LibTorch's CPU allocator while it lives: counts the bytes of all tensors and, at a
// chosen allocation, does what a test wants done there, such as failing.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <c10/core/CPUAllocator.h>

namespace velamen::test {

/// Allocations of one thread at a time; one of these at a time.
class WatchedAllocator final : public c10::Allocator {
public:
    WatchedAllocator() : inner_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, kPriority); }
    ~WatchedAllocator() override { c10::SetCPUAllocator(inner_, kPriority); }
    WatchedAllocator(const WatchedAllocator&) = delete;
    WatchedAllocator& operator=(const WatchedAllocator&) = delete;

    c10::DataPtr allocate(std::size_t bytes) override
    {
        ++allocations;
        if (left_ > 0 && --left_ == 0) std::exchange(action_, nullptr)(); // which may set another
        auto block = std::make_unique<Block>(Block{inner_->allocate(bytes), bytes, live_});
        *live_ += static_cast<std::int64_t>(bytes);
        peak_ = std::max(peak_, live_->load());
        void* data = block->data.get();
        const c10::Device device = block->data.device();
        return {data, block.release(), &free_block, device};
    }
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

    /// Bytes of tensors made since this exists, the most since restart_peak().
    std::int64_t peak() const { return peak_; }
    void restart_peak() { peak_ = live_->load(); }

    std::int64_t allocations = 0;

private:
    static constexpr std::uint8_t kPriority = 100;
    using Count = std::shared_ptr<std::atomic<std::int64_t>>;
    struct Block {
        c10::DataPtr data;
        std::size_t bytes;
        Count live; // tensors may outlive the allocator
    };
    static void free_block(void* context)
    {
        const std::unique_ptr<Block> block(static_cast<Block*>(context));
        *block->live -= static_cast<std::int64_t>(block->bytes);
    }

    c10::Allocator* inner_;
    Count live_ = std::make_shared<std::atomic<std::int64_t>>(0);
    std::int64_t peak_ = 0;
    std::int64_t left_ = 0;
    std::function<void()> action_;
};

} // namespace velamen::test
