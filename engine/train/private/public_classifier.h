// SPDX-License-Identifier: GPL-3.0-or-later
//
// Tells a checkpoint's own classes apart by latents. Made from the public checkpoint alone, which
// draws its own examples; it sees no image, and its answers about private ones are private until
// they are released as votes (class_votes.h).

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"

namespace velamen::train {

/// Latents as the UNet sees them, drawn from a checkpoint, with the classes that were asked for.
struct DrawnLatents {
    at::Tensor latents; // fp32 [n, C, H, W]
    at::Tensor classes; // int64 [n]
};

/// Immutable; reads are thread-safe.
class PublicClassifier {
public:
    /// Draws examples from the checkpoint in `folder` and fits. The same seed gives the same
    /// classifier. Takes as long as generating 48 images a class in 10 steps, at most 3,000 unless
    /// there are more than 750 classes, then 4 a class. Errors as
    /// Checkpoint::load(); Corrupt: it draws values that are not numbers; Cancelled.
    static Result<PublicClassifier>
    create(const std::filesystem::path& folder, std::uint64_t seed, const std::stop_token& stop,
           const std::function<void(std::int64_t done, std::int64_t total)>& counter);

    /// A quadratic discriminant: one Gaussian a class, its covariance drawn towards the pooled one
    /// and that towards a multiple of the identity (Friedman, "Regularized discriminant analysis",
    /// JASA 84, 1989). Latents of more than 512 numbers, or fewer where there are more than 128
    /// classes, are averaged over squares first.
    /// InvalidArgument: a class without two examples.
    static Result<PublicClassifier> fit(const DrawnLatents& drawn,
                                        std::vector<std::string> classes);

    /// The likeliest class of each latent; row-major, [n, C, H, W]. A latent that is not finite
    /// gets class 0: any answer is as good for the guarantee.
    std::vector<std::int64_t> classify(std::span<const float> latents) const;
    const std::vector<std::string>& classes() const noexcept { return classes_; }

private:
    PublicClassifier() = default;
    std::vector<std::string> classes_;
    std::vector<std::int64_t> shape_; // [C, H, W]
    at::Tensor means_;                // fp64 [K, d]
    at::Tensor factors_;              // fp64 [K, d, d], inverse Cholesky factors
    at::Tensor offsets_;              // fp64 [K], log determinants
};

} // namespace velamen::train
