// SPDX-License-Identifier: GPL-3.0-or-later
//
// Opened components become modules and modules become files: strict, by diffusers' key names.

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "engine/checkpoint/opened.h"
#include "engine/core/dtype.h"
#include "engine/nn/autoencoder/autoencoder.h"
#include "engine/nn/autoencoder/tiny.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/conditioner/text_encoder.h"
#include "engine/nn/unet/model.h"

namespace velamen::checkpoint {

/// Whether the tensor "<component>/<key>" is read.
using Wanted = std::function<bool(const std::string& name)>;

/// Every wanted tensor becomes the parameter of that name, as fp32: fp32 ones stay in the file
/// until they are looked at, others are copied; parameters that are not wanted stay as they are.
/// Corrupt when tensors are missing, extra, misshapen or not floating point: counts and the first
/// five names.
Result<> fill(torch::nn::Module& module, const StoredTensors& tensors, const std::string& component,
              const Wanted& wanted = {});
/// As fill(), of parameters that were emptied.
Result<> fill_again(torch::nn::Module& module, const StoredTensors& tensors,
                    const std::string& component);
/// Corrupt when a parameter holds a value that is not finite. Reads all of them.
Result<> check_values(const torch::nn::Module& module, const std::string& component);
/// As fill() by names and shapes alone; no tensor is read.
Result<> check_names(const torch::nn::Module& module, const StoredTensors& tensors,
                     const std::string& component);

/// With memory for the parameters that is not touched yet.
Result<std::shared_ptr<torch::nn::Module>> make_module(const Component& component, Role role);

/// In evaluation mode, no parameter requires grad. Values are not looked at: check_values().
Result<nn::UNet> load_unet(const Component& component, const Wanted& wanted = {});
Result<std::shared_ptr<nn::Autoencoder>> load_autoencoder(const Component& component,
                                                          const Wanted& wanted = {});
Result<nn::ClassEmbedder> load_class_embedder(const Component& component);
Result<std::shared_ptr<nn::TextEncoder>> load_text_encoder(const Component& component,
                                                           const Wanted& wanted = {});

/// Unsupported when the component is another autoencoder.
Result<nn::AutoencoderTiny> load_tiny_autoencoder(const Component& component);

/// All parameters of `module`, converted to `dtype`.
Result<> write_weights(const std::filesystem::path& path, const torch::nn::Module& module,
                       DType dtype);

/// A contiguous copy as `dtype`; an error when a finite value does not fit.
Result<at::Tensor> converted(const std::string& name, const at::Tensor& tensor, DType dtype);

} // namespace velamen::checkpoint
