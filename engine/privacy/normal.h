// SPDX-License-Identifier: GPL-3.0-or-later
//
// The normal distribution far into its tails. Internal to engine/privacy; nothing about privacy
// here.

#pragma once

namespace velamen::privacy {

/// Phi(x).
double ndtr(double x);
/// log Phi(x), accurate to a few ulp for every x.
double log_ndtr(double x);
/// The z with Phi(z) = exp(log_p), log_p < 0.
double ndtri_exp(double log_p);

} // namespace velamen::privacy
