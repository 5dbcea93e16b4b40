// SPDX-License-Identifier: GPL-3.0-or-later
//
// The most memory that this process had at once, as the kernel counts it.

#pragma once

namespace velamen::train {

inline constexpr double kBytesPerGibibyte = 1024.0 * 1024.0 * 1024.0;

/// Since the process began, or since restart_peak(). 0 where the kernel does not tell.
double peak_gibibytes();
/// Memory that was freed but is kept for later goes back to the system.
void give_back_free_memory();
/// Gives free memory back and lets the peak begin at what is left. Where the kernel does not
/// allow that, the peak stays what it was: too high, never too low.
void restart_peak();

} // namespace velamen::train
