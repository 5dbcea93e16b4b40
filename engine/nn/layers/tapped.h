// SPDX-License-Identifier: GPL-3.0-or-later
//
// The part that all watched layers share: a borrowed Tap, and when it is asked. What the tap does
// is not known here.

#pragma once

#include <ATen/core/Tensor.h>

#include "engine/nn/layers/tap.h"

namespace torch::nn {
class Module;
}

namespace velamen::nn {

/// A layer that hands its operation to a Tap while its weight is trained. One thread.
class Tapped {
public:
    virtual ~Tapped() = default;
    /// Borrowed; null detaches.
    void set_tap(Tap* tap) noexcept { tap_ = tap; }

protected:
    Tapped() = default;
    Tapped(const Tapped&) = default;
    Tapped& operator=(const Tapped&) = default;

    /// The tap when it has to see this call: attached, gradients on, `weight` trained. Else null.
    Tap* watching(const at::Tensor& weight) const;

private:
    Tap* tap_ = nullptr;
};

/// Passes `tap` to every tapped layer below `root`.
void set_tap(torch::nn::Module& root, Tap* tap);

} // namespace velamen::nn
