// SPDX-License-Identifier: GPL-3.0-or-later
//
// Files become modules and modules become files: strict, by diffusers' key names.

#pragma once

#include <filesystem>

#include "engine/checkpoint/folder.h"
#include "engine/core/dtype.h"
#include "engine/io/safetensors.h"
#include "engine/nn/autoencoder/model.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/unet/model.h"

namespace velamen::checkpoint {

/// Copies every tensor of `file` into the parameter of that name, as fp32. Corrupt when tensors are
/// missing, extra, misshapen, not floating point or not finite: counts and the first five names.
Result<> fill(torch::nn::Module& module, const io::SafetensorsFile& file, const std::string& part);

/// In evaluation mode, no parameter requires grad.
Result<nn::UNet2DCondition> load_unet(const std::filesystem::path& folder,
                                      const io::SafetensorsFile& file);
Result<nn::AutoencoderKL> load_autoencoder(const std::filesystem::path& folder,
                                           const io::SafetensorsFile& file);
Result<nn::ClassEmbedder> load_class_embedder(const std::filesystem::path& folder,
                                              const io::SafetensorsFile& file);

/// All parameters of `module`, converted to `dtype`.
Result<> write_weights(const std::filesystem::path& path, const torch::nn::Module& module,
                       DType dtype);

/// A contiguous copy as `dtype`; an error when a finite value does not fit.
Result<at::Tensor> converted(const std::string& name, const at::Tensor& tensor, DType dtype);

} // namespace velamen::checkpoint
