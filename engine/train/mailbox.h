// SPDX-License-Identifier: GPL-3.0-or-later
//
// Commands to a running session from any thread. The session looks between micro-batches.

#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace velamen::train {

/// Thread-safe. Stop is the std::stop_token of run(), not a command.
class Mailbox {
public:
    void pause();
    void resume();
    void sample_now();

    bool is_pause_wanted() const;
    /// True once per sample_now().
    bool take_sample_now();
    /// Blocks while paused; returns at resume() or stop.
    void wait_while_paused(std::stop_token stop);

private:
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    bool pause_ = false;
    bool sample_now_ = false;
};

} // namespace velamen::train
