// SPDX-License-Identifier: GPL-3.0-or-later
//
// The public letters: pictures of a-z and A-Z drawn from free fonts in many hands, as material for
// public pre-training. Never digits, and nothing private goes in.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/image/image.h"

namespace velamen::data {

inline constexpr int kLetterClasses = 52;
inline constexpr int kLetterSize = 32;

struct LettersPlan {
    std::vector<std::filesystem::path> fonts; ///< see find_free_fonts()
    std::int64_t images = 100000;
    std::uint64_t seed = 1;
    int threads = 2;
    std::filesystem::path out; ///< a new zip when it ends in ".zip", else a folder
};

struct LetterFamily {
    std::string family;
    std::string package; ///< empty for a font that is not in the list of free families
    std::string licence; ///< "not in the list: check it before you give the pictures away"
    int files = 0;
};

struct LettersReport {
    std::int64_t images = 0;
    int glyphs = 0;                     ///< letters of fonts that were found good
    int skipped_fonts = 0;              ///< files without usable letters
    std::vector<LetterFamily> families; ///< sorted by name
};

/// "lower_a" ... "lower_z", "upper_a" ... "upper_z": differ also where case does not count.
std::string letter_class(int index);

/// Draws the images: image i is of class i % 52 and depends on (fonts, seed, i) only, not on the
/// number of threads. 32 x 32 grey, white ink on black, placed by MNIST's rule: scaled into 20 x
/// 20, the centre of mass in the middle of 28 x 28, two pixels of black around. A zip appears when
/// it is whole; in a folder the images written before an error stay. `progress(done, total)`.
Result<LettersReport>
make_letters(const LettersPlan& plan, std::stop_token stop,
             const std::function<void(std::int64_t, std::int64_t)>& progress = {});

} // namespace velamen::data
