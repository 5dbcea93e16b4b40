// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names of phases, as JSON lines and status texts use them.

#include "engine/train/observer.h"

namespace velamen::train {

const char* name_of(Phase phase) noexcept
{
    switch (phase) {
    case Phase::Preparing:
        return "preparing";
    case Phase::Scanning:
        return "scanning";
    case Phase::Encoding:
        return "encoding";
    case Phase::Calibrating:
        return "calibrating";
    case Phase::WarmStart:
        return "warm start";
    case Phase::Training:
        return "training";
    case Phase::Sampling:
        return "sampling";
    case Phase::Saving:
        return "saving";
    case Phase::Paused:
        return "paused";
    case Phase::Done:
        return "done";
    }
    return "preparing";
}

} // namespace velamen::train
