// SPDX-License-Identifier: GPL-3.0-or-later
//
// Low-rank factors in a loaded checkpoint: put beside its linear layers for training, folded into
// their weights for everybody else. For code with torch.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/selection.h"

namespace velamen::checkpoint {

using NamedTensorList = std::vector<std::pair<std::string, at::Tensor>>;

/// Puts fresh factors, drawn from the public `seed`, beside each weight "unet/<layer>.weight" among
/// `names` and gives them under lora_name(), A before B. InvalidArgument naming a tensor of the
/// UNet that is no linear layer's weight or narrower than the rank.
Result<NamedTensorList> attach_lora(Checkpoint& checkpoint, const std::vector<std::string>& names,
                                    const Selection& selection, std::uint64_t seed);

/// The weights of a checkpoint as they are without factors, to fold factors into as often as one
/// likes. One thread.
class MergedWeights {
public:
    /// `names` as for attach_lora(); keeps a copy of the weights.
    MergedWeights(Checkpoint& checkpoint, const std::vector<std::string>& names, double scale);

    /// Sets each weight to W + s B A; `factors` holds all of them under lora_name().
    void set(const NamedTensorList& factors);

private:
    struct Entry {
        std::string name;
        at::Tensor weight, base; // [out, in]
    };
    std::vector<Entry> entries_;
    double scale_;
};

} // namespace velamen::checkpoint
