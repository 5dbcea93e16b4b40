// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any file is refused or opened; every tensor of an opened one can be read to its last byte.

#include "engine/io/safetensors.h"
#include "engine/core/file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temp_dir.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    static const test::TempDir dir;
    const auto path = dir.path() / "t.safetensors";
    if (std::FILE* file = std::fopen(path.c_str(), "wb")) {
        fuzz::require(std::fwrite(data, 1, size, file) == size, "the input is written");
        std::fclose(file);
    }
    const fuzz::AllocationLimit limit(size);
    const auto opened = io::SafetensorsFile::open(path);
    if (!opened) return 0;
    unsigned sum = 0;
    for (const io::TensorView& tensor : opened->tensors()) {
        fuzz::require(opened->find(tensor.name) == &tensor, "a tensor is found by its name");
        for (const std::byte byte : tensor.bytes)
            sum += static_cast<unsigned>(byte);
    }
    return sum == 0xffffffffU ? -1 : 0;
}
