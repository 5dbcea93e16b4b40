// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <array>

namespace velamen::checkpoint {

/// The rôles of components; each has its folders in diffusers' layout.
enum class Role { UNet, Autoencoder, Conditioner };
inline constexpr std::array kRoles{Role::UNet, Role::Autoencoder, Role::Conditioner};

} // namespace velamen::checkpoint
