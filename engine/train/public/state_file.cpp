// SPDX-License-Identifier: GPL-3.0-or-later
//
// Named tensors to a safetensors file and back.

#include "engine/train/public/state_file.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "engine/io/safetensors.h"
#include "engine/tensor/convert.h"

namespace velamen::train {

namespace {

constexpr const char* kHeaderKey = "velamen.pretrain";

Error unusable(const std::string& cause)
{
    return {.code = ErrorCode::Corrupt,
            .message = "the state of the earlier pre-training cannot be read: " + cause,
            .hint = "delete the folder .pretrain to start again"};
}

} // namespace

Result<> write_state(const std::filesystem::path& path, const NamedTensors& tensors,
                     const io::Json& header)
{
    std::vector<at::Tensor> kept; // keeps contiguous copies alive
    std::vector<io::TensorView> views;
    for (const auto& [name, tensor] : tensors) {
        kept.push_back(tensor.detach().contiguous());
        views.push_back({.name = name,
                         .dtype = tensor::dtype_of(kept.back()),
                         .shape = tensor::shape_of(kept.back()),
                         .bytes = tensor::bytes_of(kept.back())});
    }
    return io::write_safetensors(path, views, {{kHeaderKey, header.dump()}});
}

Result<io::Json> read_state_header(const std::filesystem::path& path)
{
    const auto file = io::SafetensorsFile::open(path);
    if (!file) return fail(unusable(file.error().message));
    const auto found = file->metadata().find(kHeaderKey);
    if (found == file->metadata().end())
        return fail(unusable("it was not written by pre-training"));
    auto header = io::Json::parse(found->second);
    if (!header) return fail(unusable(header.error().message));
    return header;
}

Result<> read_state(const std::filesystem::path& path, const NamedTensors& tensors)
{
    const auto file = io::SafetensorsFile::open(path);
    if (!file) return fail(unusable(file.error().message));
    if (file->tensors().size() != tensors.size())
        return fail(unusable("it holds another number of tensors"));
    for (const auto& [name, tensor] : tensors) {
        const io::TensorView* view = file->find(name);
        if (view == nullptr) return fail(unusable("it does not hold " + name));
        if (view->shape != tensor::shape_of(tensor) || view->dtype != tensor::dtype_of(tensor))
            return fail(unusable(name + " has another shape"));
    }
    const c10::NoGradGuard guard;
    for (const auto& [name, tensor] : tensors) {
        const io::TensorView* view = file->find(name);
        tensor.detach().copy_(tensor::to_tensor(view->dtype, view->shape, view->bytes));
    }
    return {};
}

} // namespace velamen::train
