// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any file is refused with a sentence or opened; every tensor of an opened one can be read to its
// last element, and takes no more memory than the file.

#include "engine/io/torch_file.h"
#include "engine/core/file.h"
#include "engine/io/byte_reader.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temp_dir.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    static const test::TempDir dir;
    const auto path = dir.path() / "t.ckpt";
    if (std::FILE* file = std::fopen(path.c_str(), "wb")) {
        fuzz::require(std::fwrite(data, 1, size, file) == size, "the input is written");
        std::fclose(file);
    }
    const fuzz::AllocationLimit limit(size);
    const auto opened = io::TorchFile::open(path);
    if (!opened) {
        const Error& error = opened.error();
        fuzz::require(error.message.starts_with("t.ckpt: "), "an error names the file");
        fuzz::require(io::is_printable(error.message), "and can be shown");
        fuzz::require(!error.hint.empty(), "with the way out");
        return 0;
    }
    unsigned sum = 0;
    for (const io::TorchTensor& tensor : opened->tensors()) {
        fuzz::require(opened->find(tensor.name) == &tensor, "a tensor is found by its name");
        fuzz::require(tensor.shape.size() == tensor.strides.size(), "a stride for every size");
        std::size_t bytes = size_of(tensor.dtype);
        for (const std::int64_t dim : tensor.shape)
            bytes *= static_cast<std::size_t>(dim);
        std::vector<std::byte> buffer;
        const auto row_major = io::row_major(tensor, buffer);
        fuzz::require(row_major.size() == bytes, "a tensor has the bytes of its shape");
        fuzz::require(bytes <= size, "which are in the file");
        for (const std::byte byte : row_major)
            sum += static_cast<unsigned>(byte);
    }
    return sum == 0xffffffffU ? -1 : 0;
}
