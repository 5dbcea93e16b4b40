// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/autoencoder/slices.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace velamen::nn {
namespace {

/// Halves the image; remembers the most pixels that it was given at once.
class Halving final : public Autoencoder {
public:
    Posterior encode(const at::Tensor& x) override
    {
        see(x.size(0) * x.size(2) * x.size(3));
        return certain(at::avg_pool2d(x, 2));
    }
    at::Tensor decode(const at::Tensor& z) override
    {
        see(4 * z.size(0) * z.size(2) * z.size(3));
        return at::upsample_nearest2d(z, {2 * z.size(2), 2 * z.size(3)});
    }
    AutoencoderSizes sizes() const override { return {.factor = 2}; }
    std::int64_t most = 0;

private:
    void see(std::int64_t pixels) { most = std::max(most, pixels); }
};

TEST(Slices, GiveTheNumbersOfOnePassAndNeverMoreThanItsPixels)
{
    at::manual_seed(1);
    for (const std::int64_t side : {16, 256, 1024}) {
        Halving autoencoder;
        const at::Tensor x = at::randn({5, 1, side, side});
        EXPECT_TRUE(at::equal(encode_means(autoencoder, x), at::avg_pool2d(x, 2)));
        EXPECT_TRUE(
            at::equal(decode_all(autoencoder, x), at::upsample_nearest2d(x, {2 * side, 2 * side})));
        EXPECT_LE(autoencoder.most, std::max<std::int64_t>(512 * 512, 4 * side * side));
    }
}

} // namespace
} // namespace velamen::nn
