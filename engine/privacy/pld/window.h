// SPDX-License-Identifier: GPL-3.0-or-later
//
// All masses of a tilted sum, by an inverse transform. Internal to engine/privacy.

#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/privacy/pld/frame.h"

namespace velamen::privacy {

/// The cells of a frame, whose number the caller has found bearable. Cell 0 is its lower end.
class Window {
public:
    Window(std::span<const Part> parts, const Frame& frame);

    std::int64_t size() const noexcept { return static_cast<std::int64_t>(values_.size()); }
    double loss(std::int64_t k) const { return frame_.loss(frame_.lower + k); }
    double mass(std::int64_t k) const
    {
        return std::max(0.0, values_[static_cast<std::size_t>(k)]) * untilt(k);
    }
    /// Bound on the error by rounding of any sum of masses from cell k up that is relative to the
    /// bulk of the tilted sum: what the transform spreads over all cells.
    double noise(std::int64_t k) const { return frame_.noise * untilt(k); }
    const Frame& frame() const noexcept { return frame_; }

private:
    double untilt(std::int64_t k) const
    {
        return std::exp(frame_.log_scale - frame_.theta * static_cast<double>(frame_.lower + k));
    }

    Frame frame_;
    std::vector<double> values_;
};

} // namespace velamen::privacy
