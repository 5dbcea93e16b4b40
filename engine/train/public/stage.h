// SPDX-License-Identifier: GPL-3.0-or-later
//
// One of the two models of public training, as a loop of steps. Every step draws its randomness
// from the plan's seed and its own number, so that a resumed run repeats an uninterrupted one bit
// for bit.

#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/generate/noise.h"
#include "engine/train/public/adamw.h"

namespace velamen::train {

struct StepReport {
    double loss = 0.0;
    double gradient_norm = 0.0;
    double learning_rate = 0.0;
};

/// One thread.
class Stage {
public:
    virtual ~Stage() = default;

    /// Optimiser step `index` (0-based).
    virtual StepReport step(std::int64_t index) = 0;
    virtual std::int64_t steps() const = 0;
    virtual std::int64_t batch() const = 0;
    /// Everything that the next step depends on; shares memory with the stage.
    virtual NamedTensors state() const = 0;
};

/// Which draws a stream is for; with the step's number it names a stream of the plan's seed.
enum class Draw : std::uint64_t { AutoencoderStep = 1, HeldOut = 2, UnetStep = 3 };

generate::CounterNoise draws(std::uint64_t seed, Draw draw, std::int64_t step);
/// Row numbers, uniform with replacement.
at::Tensor draw_rows(generate::CounterNoise& noise, std::int64_t count, std::int64_t among);
at::Tensor draw_normals(generate::CounterNoise& noise, at::IntArrayRef shape);

/// bf16 inside matrix products and convolutions while it lives, for the calling thread.
class Autocast {
public:
    explicit Autocast(bool enabled);
    ~Autocast();
    Autocast(const Autocast&) = delete;
    Autocast& operator=(const Autocast&) = delete;

private:
    bool was_enabled_;
};

} // namespace velamen::train
