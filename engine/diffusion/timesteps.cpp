// SPDX-License-Identifier: GPL-3.0-or-later
//
// Spacings as in table 2 of Lin et al. 2023 (arXiv 2305.08891), rounded as numpy does for
// diffusers.

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/diffusion/sampler.h"

namespace velamen::diffusion {

namespace {

/// numpy's round: halves go to the even neighbour.
double round_even(double value) { return std::nearbyint(value); }

bool is_euler(SamplerKind kind)
{
    return kind == SamplerKind::Euler || kind == SamplerKind::EulerAncestral;
}

bool is_dpm_solver(SamplerKind kind)
{
    return kind == SamplerKind::DpmSolverPp2M || kind == SamplerKind::DpmSolverPp2MSde;
}

/// numpy.linspace(0, last, count); Euler alone keeps what lies between two steps of training.
std::vector<double> spread(double last, int count, bool is_rounded)
{
    std::vector<double> out;
    const double step = count > 1 ? last / static_cast<double>(count - 1) : 0.0;
    for (int i = 0; i < count; ++i) {
        const double value = i > 0 && i + 1 == count ? last : static_cast<double>(i) * step;
        out.push_back(is_rounded ? round_even(value) : value);
    }
    return out;
}

std::vector<double> ascending(const Schedule& schedule, SamplerKind kind, int steps)
{
    const std::int64_t total = schedule.num_train_timesteps();
    const std::int64_t offset = schedule.options().steps_offset;
    // DPM-Solver++ lays one more point and leaves out the lowest.
    const int left_out = is_dpm_solver(kind) ? 1 : 0;
    const int points = steps + left_out;
    std::vector<double> out;
    switch (schedule.options().timestep_spacing) {
    case TimestepSpacing::Linspace:
        out = spread(static_cast<double>(total - 1), points, !is_euler(kind));
        out.erase(out.begin(), out.begin() + left_out);
        break;
    case TimestepSpacing::Leading:
        for (int i = left_out; i < points; ++i)
            out.push_back(static_cast<double>(i * (total / points) + offset));
        break;
    case TimestepSpacing::Trailing: {
        const double ratio = static_cast<double>(total) / steps;
        for (int i = 0; i < steps; ++i)
            out.push_back(round_even(static_cast<double>(total) - i * ratio) - 1.0);
        std::ranges::reverse(out);
        break;
    }
    }
    return out;
}

} // namespace

Result<std::vector<float>> timesteps(const Schedule& schedule, const SamplerOptions& options)
{
    const std::int64_t total = schedule.num_train_timesteps();
    if (options.steps < 1 || options.steps > total)
        return fail(ErrorCode::InvalidArgument,
                    "sampling takes 1 to " + std::to_string(total) + " steps, not "
                        + std::to_string(options.steps));
    std::vector<double> times = ascending(schedule, options.kind, options.steps);
    std::ranges::reverse(times);
    if (times.front() > static_cast<double>(total - 1) || times.back() < 0.0)
        return fail(ErrorCode::InvalidArgument,
                    std::to_string(options.steps) + " steps do not fit the schedule's steps_offset",
                    "take fewer steps");
    std::vector<float> out;
    for (const double time : times)
        out.push_back(static_cast<float>(time));
    return out;
}

} // namespace velamen::diffusion
