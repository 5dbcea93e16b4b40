// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen_cli/bench_models.h"

namespace velamen::app {

std::optional<BenchModel> benchModel(const std::string& name)
{
    if (name == "mnist")
        return BenchModel{{.sample_size = 4,
                           .in_channels = 3,
                           .out_channels = 3,
                           .down_block_types = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D"},
                           .up_block_types = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D"},
                           .block_out_channels = {64, 128},
                           .layers_per_block = 1,
                           .cross_attention_dim = 5,
                           .attention_head_dim = {4}},
                          1,
                          256};
    if (name == "cifar")
        return BenchModel{{.sample_size = 16,
                           .in_channels = 3,
                           .out_channels = 3,
                           .block_out_channels = {128, 256, 256, 512},
                           .cross_attention_dim = 512},
                          1,
                          16};
    if (name == "sd256") return BenchModel{{.sample_size = 32, .cross_attention_dim = 768}, 77, 1};
    return std::nullopt;
}

} // namespace velamen::app
