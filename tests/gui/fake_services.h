// SPDX-License-Identifier: GPL-3.0-or-later
//
// An engine that only pretends, for driving windows: no torch, no files but the zips it "writes", a
// run of a couple of seconds. Figures come from the real accountant, pictures are drawn strokes.

#pragma once

#include <filesystem>
#include <memory>

#include "ui/models/services.h"

namespace velamen::test {

struct FakeOptions {
    std::int64_t imagesPerClass = 2000;
    std::int64_t steps = 500;     ///< of a plan that asks for none
    int stepMicroseconds = 4000;  ///< how long a step takes
    int encodeMicroseconds = 300; ///< how long an image takes to "encode", thousands at a time
    int imageMicroseconds = 4000; ///< how long a generated image takes
    std::int64_t failsAtStep = 0; ///< the run ends in an error there; 0: never
    std::int64_t haltsAtStep = 0; ///< the run waits there until it is stopped; 0: never
    /// Of "column:patient", which is suggested when there are some; 0: there is no table.
    std::int64_t patients = 0;
};

/// Keeps what its runs wrote in memory: runs, ledgers and plans live as long as the returned
/// functions.
ui::Services fakeServices(const FakeOptions& options = {});

/// A digit 0..9 in white strokes; `clarity` 0 is noise, 1 is clean. The same seed draws the same.
image::Image drawnDigit(int digit, std::uint64_t seed, int side = 32, double clarity = 1.0);

} // namespace velamen::test
