// SPDX-License-Identifier: GPL-3.0-or-later
//
// Any bytes as an index of units, with the check sum that belongs to them, so that what lies behind
// it is reached: refused, or searched without harm.

#include <algorithm>

#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/privacy/ledger.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temp_dir.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    using namespace velamen::privacy;
    static const test::TempDir dir;
    static const auto store = LedgerStore::open(dir.path());
    static const auto folder = dir.path() / "one";
    static const bool is_made = core::make_directory(folder, true)
        && core::write_file(folder / "ledger.jsonl", std::string_view());
    fuzz::require(store && is_made, "a ledger is there");
    core::Sha256 sha;
    sha.update(fuzz::text_of(data, size));
    const core::Digest check = sha.finish();
    std::FILE* const file = std::fopen((folder / "units.idx").c_str(), "wb");
    fuzz::require(file != nullptr, "the index can be written");
    std::fwrite(data, 1, size, file);
    if (size % 8 != 7) std::fwrite(check.data(), 1, check.size(), file);
    std::fclose(file);
    core::Digest wanted{};
    if (size >= wanted.size())
        std::copy_n(data + size - wanted.size(), wanted.size(), wanted.data());
    const auto found = store->find({&wanted, 1});
    if (found && *found) fuzz::require(**found == folder, "it is the only one");
    return 0;
}
