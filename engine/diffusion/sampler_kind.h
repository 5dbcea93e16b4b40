// SPDX-License-Identifier: GPL-3.0-or-later
//
// The samplers by name. No torch here: requests, command line and pages use it as well.

#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace velamen::diffusion {

enum class SamplerKind { Ddim, Ddpm, DpmSolverPp2M, DpmSolverPp2MSde, Euler, EulerAncestral };

inline constexpr std::array kSamplerKinds{SamplerKind::Ddim,          SamplerKind::Ddpm,
                                          SamplerKind::DpmSolverPp2M, SamplerKind::DpmSolverPp2MSde,
                                          SamplerKind::Euler,         SamplerKind::EulerAncestral};

/// For files and arguments.
constexpr std::string_view name_of(SamplerKind kind) noexcept
{
    constexpr std::array<std::string_view, kSamplerKinds.size()> kNames{
        "ddim", "ddpm", "dpm++2m", "dpm++2m-sde", "euler", "euler-a"};
    return kNames[static_cast<std::size_t>(kind)];
}

constexpr std::optional<SamplerKind> sampler_of(std::string_view name) noexcept
{
    for (const SamplerKind kind : kSamplerKinds)
        if (name_of(kind) == name) return kind;
    return std::nullopt;
}

} // namespace velamen::diffusion
