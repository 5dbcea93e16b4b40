// SPDX-License-Identifier: GPL-3.0-or-later
//
// Orders and conversions that all Renyi bounds share. Internal to engine/privacy.

#pragma once

#include <span>

#include "engine/privacy/accountant.h"

namespace velamen::privacy {

/// 1.1, 1.2, ..., 10.9, 11, 12, ..., 63, 128, 256, 512, 1024.
std::span<const double> renyi_orders();

/// Epsilon at `delta` of a divergence r >= 0 of order alpha > 1 (Canonne, Kamath, Steinke, arXiv
/// 2004.00010, proposition 12), never negative; 0 where the total variation already is below delta.
double renyi_epsilon(double r, double alpha, double delta);
/// log delta at epsilon >= 0, the same proposition and the bound by total variation; at most 0.
double renyi_log_delta(double r, double alpha, double epsilon);

/// The best order of renyi_orders(), to which `divergences` belong one by one.
RdpBound best_order(std::span<const double> divergences, double delta);

} // namespace velamen::privacy
