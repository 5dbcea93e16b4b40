// SPDX-License-Identifier: GPL-3.0-or-later
//
// Memory of the whole process over many steps whose draws differ as much as they may.

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "engine/train/private/draw_sum.h"
#include "tests/support/draw_sums.h"
#include "tests/support/tiny_run.h"

namespace velamen::train {
namespace {

using test::DrawSums;

constexpr std::int64_t kMean = 64;
constexpr std::int64_t kSteps = 200;

/// Of /proc/self/status, MiB.
double status(const std::string& key)
{
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024.0;
    return 0.0;
}

TEST(DrawMemory, StaysWithinFivePercentOverStepsOfAnyDraw)
{
    const TrainingPlan plan = test::tiny_plan(
        std::filesystem::path(VELAMEN_SOURCE_DIR) / "resources/checkpoints/letters", {}, 120);
    const auto parts = DrawSums::create(plan, 3 * kMean);
    ASSERT_TRUE(parts) << parts.error().message;
    DrawSum draws = (*parts)->with_micro_batch(32);
    const auto step = [&draws](std::int64_t number, std::int64_t units) {
        const auto sum = draws.sum(DrawSums::draw_of(units), static_cast<std::uint64_t>(number),
                                   [] { return Result<>{}; });
        ASSERT_TRUE(sum) << sum.error().message;
    };
    std::ofstream("/proc/self/clear_refs") << "5"; // the peak begins at what is used now
    const double before = status("VmRSS");
    for (std::int64_t number = 0; number < 5; ++number)
        step(number, kMean);
    const double usual = status("VmHWM") - before;
    for (std::int64_t number = 0; number < kSteps; ++number)
        step(number, number * 67 % (3 * kMean + 1)); // 0 ... 192, every one but few
    const double most = status("VmHWM") - before;
    RecordProperty("before_mib", std::to_string(before));
    RecordProperty("usual_mib", std::to_string(usual));
    RecordProperty("most_mib", std::to_string(most));
    std::printf("before %.0f MiB, usual +%.0f, most +%.0f\n", before, usual, most);
    EXPECT_LE(before + most, 1.05 * (before + usual));
}

} // namespace
} // namespace velamen::train
