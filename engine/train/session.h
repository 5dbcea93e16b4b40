// SPDX-License-Identifier: GPL-3.0-or-later
//
// The one way in which long work on a model is run, private or public.

#pragma once

#include <stop_token>

#include "engine/core/result.h"
#include "engine/train/mailbox.h"
#include "engine/train/observer.h"

namespace velamen::train {

/// Used by one thread at a time. run() is called once.
class TrainingSession {
public:
    virtual ~TrainingSession() = default;

    /// Runs to the end, a stop or an error. Stop is safe at any moment: what is on the disk
    /// afterwards is whole and the run can be resumed. Cancelled when stopped before the end.
    [[nodiscard]] virtual Result<> run(std::stop_token stop, Mailbox& mailbox,
                                       TrainingObserver& observer) noexcept = 0;
};

} // namespace velamen::train
