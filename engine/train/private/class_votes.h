// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which public classes resemble which private one, by votes: each unit has one vote, which its
// images share; how many fell on (private class, public class) is released once with noise. What is
// computed from the released counts is public.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/privacy/statistics.h"
#include "engine/train/observer.h"
#include "engine/train/private/dataset.h"

namespace velamen::train {

/// The exact counts, [classes, publics] row-major: an image of class c with answer p puts 1 / m of
/// the vote of a unit of m images on (c, p). `answers`: public class of each image. Private.
/// InvalidArgument: more than 2^20 counts, or answers that are not one an image.
Result<privacy::VoteSum> class_vote_sum(const Dataset& dataset,
                                        std::span<const std::int64_t> answers, std::int64_t classes,
                                        std::int64_t publics);

/// Share of each public class in each new one, [classes, publics]: the released counts of the three
/// largest cells of a row, without those below 4 sigma of the noise (among hundreds of empty cells
/// the largest noise comes near it), divided by their sum. A row with none left is zero.
std::vector<double> class_shares(std::span<const double> counts, std::int64_t publics,
                                 double noise);

/// The same with names.
ClassMapping class_mapping(std::span<const double> shares, const std::vector<std::string>& classes,
                           const std::vector<std::string>& publics);
/// {"event": "class_votes", "rows": [{"class": "0", "from": [["o", 0.6], ["O", 0.4]]}]}
io::Json to_json(const ClassMapping& mapping);
/// "0 from o (60 %), O (40 %); 1 from the mean of all"
std::string to_text(const ClassMapping& mapping);

} // namespace velamen::train
