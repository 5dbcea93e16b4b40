// SPDX-License-Identifier: GPL-3.0-or-later
//
// All images of a public training set, decoded once and held in memory as bytes. For public images
// only: private ones never lie in memory or on disk as a set outside the latent cache.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/core/result.h"

namespace velamen::train {

struct ImageSet {
    std::vector<std::string> classes; ///< by caption: each different one
    at::Tensor pixels;                // u8 [N, C, H, W]
    at::Tensor labels;                // int64 [N]
    std::int64_t left_out = 0;        ///< files that could not be used

    std::int64_t size() const { return labels.size(0); }
    /// Rows as the autoencoder sees them: fp32 in [-1, 1].
    at::Tensor rows(const at::Tensor& indices) const; // [B, C, H, W]
};

/// `label`: where a class is found (data/keys.h). `progress(done, total)` over reading and
/// decoding. Refused when a class is missing or there are fewer than two images; NotFound when the
/// folder holds no image; errors of a scan.
Result<ImageSet> load_images(const std::filesystem::path& source, const std::string& label,
                             int size, int channels, std::stop_token stop,
                             const std::function<void(std::int64_t, std::int64_t)>& progress);

} // namespace velamen::train
