// SPDX-License-Identifier: GPL-3.0-or-later
//
// The single files of CompVis's code (.ckpt, .safetensors): which models their tensors are, under
// which names, shapes and configs diffusers has them, and back. Names, shapes and rows; reading and
// writing bytes is the caller's.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/keymap/tensors.h"

namespace velamen::keymap {

enum class EmaChoice {
    Prefer,  ///< the moving average where the file has one
    Require, ///< an error without one
    Ignore   ///< the weights of the last step
};

enum class Prediction { Epsilon, VPrediction, Sample };

struct Betas {
    double start = 0.0;
    double end = 0.0;
};

/// What shapes do not tell. Where it is known of the family it need not be told; what is told wins.
struct SingleFileOptions {
    EmaChoice ema = EmaChoice::Prefer;
    std::vector<std::int64_t> heads; ///< of the UNet's attention: one number, or one a level
    std::int64_t head_channels = 0;  ///< or the channels of a head; 0: not told
    std::int64_t text_heads = 0;     ///< of the text encoder; 0: not told
    std::optional<Prediction> prediction;
    std::optional<std::int64_t> global_step; ///< the number beside the tensors of a .ckpt
    std::optional<Betas> betas;              ///< the first and the last of the noise schedule
};

struct SingleFile {
    std::string family; ///< "sd1", "sd2", "text2im", ..., "custom" for other shapes
    std::vector<Component> components;
    io::Json scheduler; ///< scheduler_config.json; null without a UNet
    std::vector<std::string>
        notes; ///< for people: which weights, heads, prediction, what is absent
    std::vector<std::string> ignored;        ///< names that are in the file and in no component
    std::optional<std::size_t> scale_factor; ///< index of the number that latents are multiplied by
    std::optional<std::size_t> betas;        ///< index of the noise schedule
};

/// A whole checkpoint, or one with nothing but a UNet, an autoencoder or half a tiny autoencoder.
///
/// Unsupported, saying what it is instead: a LoRA, a ControlNet, a text encoder alone, SDXL, SD3,
/// Flux, a UNet with further inputs, an unknown architecture (what was recognised and what was
/// not). Incomplete, saying what to pass: what is neither visible nor known of the family.
/// InvalidArgument for options that do not fit the shapes. A missing autoencoder is not an error
/// but a note.
Result<SingleFile> from_compvis(std::span<const Entry> entries,
                                const SingleFileOptions& options = {});

/// A model of a diffusers folder as it is read.
struct StoredComponent {
    io::Json config;
    std::vector<Entry> tensors; ///< diffusers' names, the old ones of attention too
};

/// The tensors of a single file under CompVis's names. A source counts through the tensors of all
/// components, in their order. Unsupported for what CompVis's code could not load or would compute
/// otherwise.
Result<std::vector<Mapped>> to_compvis(std::span<const StoredComponent> components);

} // namespace velamen::keymap
