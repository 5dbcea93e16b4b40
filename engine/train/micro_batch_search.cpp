// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/micro_batch_search.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

namespace velamen::train {

namespace {

constexpr std::int64_t kLargestStep = 8;
constexpr std::int64_t kPrecision = 16;

std::string gibibytes(double value)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.2f GiB", value);
    return text;
}

/// Infinity where the pass did not fit at all.
Result<double> memory_of(const MemoryProbe& probe, std::int64_t units)
{
    auto memory = probe(units);
    if (!memory && memory.error().code == ErrorCode::OutOfMemory)
        return std::numeric_limits<double>::infinity();
    return memory;
}

std::int64_t middle(std::int64_t low, std::int64_t high) { return low + (high - low) / 2; }

Error too_little(double limit, double one)
{
    if (!std::isfinite(one))
        return {ErrorCode::Refused, "one unit alone needs more memory than this machine has",
                "plan fewer images or noise draws a unit, or use a smaller checkpoint"};
    return {ErrorCode::Refused,
            "the memory limit is " + gibibytes(limit) + ", but one unit alone needs "
                + gibibytes(one),
            "allow at least that, or plan fewer images or noise draws a unit"};
}

} // namespace

Result<std::int64_t> largest_micro_batch(std::int64_t most, double limit, const MemoryProbe& probe)
{
    VELAMEN_ASSIGN(double memory, memory_of(probe, 1));
    if (memory > limit) return fail(too_little(limit, memory));
    std::int64_t fits = 1, fails = most + 1;
    std::int64_t guess = 2; // the second point of the formula
    while (fails - fits > std::max<std::int64_t>(1, fits / kPrecision)) {
        const std::int64_t next =
            std::clamp<std::int64_t>(guess, fits + 1, std::min(fails - 1, kLargestStep * fits));
        VELAMEN_ASSIGN(const double taken, memory_of(probe, next));
        if (taken > limit) {
            fails = next;
            guess = middle(fits, fails);
            continue;
        }
        const double slope = (taken - memory) / static_cast<double>(next - fits);
        const double formula = static_cast<double>(next) + (limit - taken) / slope;
        memory = taken;
        fits = next;
        if (slope > 0.0 && formula < static_cast<double>(fails))
            guess = static_cast<std::int64_t>(formula);
        else
            guess = fails > most ? most : middle(fits, fails); // all fits, or the formula is wrong
    }
    return fits;
}

} // namespace velamen::train
