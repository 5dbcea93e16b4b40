// SPDX-License-Identifier: GPL-3.0-or-later
//
// The directory of a zip whose entries are stored as they are, so that they can be used in place.
// What torch.save writes, and no more: compressed or encrypted entries are refused, names are not
// paths here (nothing is unpacked). engine/archive reads and writes general zips.

#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

namespace velamen::io {

/// Borrowed from the file.
struct StoredEntry {
    std::string_view name;
    std::span<const std::byte> bytes;
};

/// Entries in the order of the central directory; sizes come from there, as streamed entries have
/// them nowhere before their data. ZIP64 is understood. Corrupt: anything that lies outside the
/// file, overlaps, is named twice or is said twice differently. Check sums are not computed.
Result<std::vector<StoredEntry>> read_stored_zip(std::span<const std::byte> file);

} // namespace velamen::io
