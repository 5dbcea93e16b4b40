// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/autoencoder/slices.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

namespace velamen::nn {

namespace {

constexpr std::int64_t kPixels = 512 * 512;

/// `work` over slices of x along the samples; `pixels` of an image.
template <class Work>
at::Tensor in_slices(const at::Tensor& x, std::int64_t pixels, Work&& work)
{
    const std::int64_t count =
        std::max<std::int64_t>(kPixels / std::max<std::int64_t>(pixels, 1), 1);
    if (x.size(0) <= count) return work(x);
    std::vector<at::Tensor> parts;
    for (const at::Tensor& part : x.split(count))
        parts.push_back(work(part));
    return at::cat(parts);
}

} // namespace

at::Tensor encode_means(Autoencoder& autoencoder, const at::Tensor& x)
{
    return in_slices(x, x.size(2) * x.size(3),
                     [&](const at::Tensor& part) { return autoencoder.encode(part).mean; });
}

at::Tensor decode_all(Autoencoder& autoencoder, const at::Tensor& z)
{
    const std::int64_t factor = autoencoder.sizes().factor;
    return in_slices(z, z.size(2) * z.size(3) * factor * factor,
                     [&](const at::Tensor& part) { return autoencoder.decode(part); });
}

} // namespace velamen::nn
