// SPDX-License-Identifier: GPL-3.0-or-later
//
// Flags behind one mutex.

#include "engine/train/mailbox.h"

#include <utility>

namespace velamen::train {

void Mailbox::pause()
{
    const std::lock_guard lock(mutex_);
    pause_ = true;
}

void Mailbox::resume()
{
    {
        const std::lock_guard lock(mutex_);
        pause_ = false;
    }
    changed_.notify_all();
}

void Mailbox::sample_now()
{
    const std::lock_guard lock(mutex_);
    sample_now_ = true;
}

bool Mailbox::is_pause_wanted() const
{
    const std::lock_guard lock(mutex_);
    return pause_;
}

bool Mailbox::take_sample_now()
{
    const std::lock_guard lock(mutex_);
    return std::exchange(sample_now_, false);
}

void Mailbox::wait_while_paused(std::stop_token stop)
{
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return !pause_; });
}

} // namespace velamen::train
