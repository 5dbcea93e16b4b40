// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/class_votes.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "engine/core/assert.h"

namespace velamen::train {

namespace {

constexpr double kStandsOut = 4.0; // sigma of the noise
constexpr std::size_t kMostParts = 3;

} // namespace

Result<privacy::VoteSum> class_vote_sum(const Dataset& dataset,
                                        std::span<const std::int64_t> answers, std::int64_t classes,
                                        std::int64_t publics)
{
    if (static_cast<std::int64_t>(answers.size()) != dataset.latents.count())
        return fail(ErrorCode::InvalidArgument, "there is not one answer for each image");
    VELAMEN_ASSIGN(auto sum, privacy::VoteSum::create(classes * publics));
    const auto cell = [&](std::int64_t image) {
        const auto i = static_cast<std::size_t>(image);
        return dataset.latents.class_index[i] * publics + answers[i];
    };
    std::vector<float> shared;
    for (const data::Unit& unit : dataset.units) {
        if (unit.images.size() == 1) {
            VELAMEN_TRY(sum.add_vote(cell(unit.images.front())));
            continue;
        }
        shared.assign(static_cast<std::size_t>(classes * publics), 0.0F);
        const float share = 1.0F / static_cast<float>(unit.images.size());
        for (const data::ImageIndex image : unit.images)
            shared[static_cast<std::size_t>(cell(image))] += share;
        VELAMEN_TRY(sum.add(shared)); // scales down what rounding put above 1
    }
    return sum;
}

std::vector<double> class_shares(std::span<const double> counts, std::int64_t publics, double noise)
{
    const auto width = static_cast<std::size_t>(publics);
    VELAMEN_ASSERT(width > 0 && counts.size() % width == 0);
    std::vector<double> shares(counts.begin(), counts.end());
    for (std::size_t at = 0; at < shares.size(); at += width) {
        const std::span row(shares.data() + at, width);
        std::vector<double> sorted(row.begin(), row.end());
        std::ranges::sort(sorted, std::greater<>());
        const double least =
            std::max(kStandsOut * noise, sorted[std::min(kMostParts, sorted.size()) - 1]);
        for (double& value : row)
            if (!(value >= least)) value = 0.0;
        const double total = std::accumulate(row.begin(), row.end(), 0.0);
        for (double& value : row)
            value = total > 0.0 ? value / total : 0.0;
    }
    return shares;
}

ClassMapping class_mapping(std::span<const double> shares, const std::vector<std::string>& classes,
                           const std::vector<std::string>& publics)
{
    VELAMEN_ASSERT(shares.size() == classes.size() * publics.size());
    ClassMapping mapping;
    for (std::size_t c = 0; c < classes.size(); ++c) {
        ClassMapping::Row row{classes[c], {}};
        for (std::size_t p = 0; p < publics.size(); ++p)
            if (const double share = shares[c * publics.size() + p]; share > 0.0)
                row.parts.push_back({publics[p], share});
        std::ranges::stable_sort(row.parts, std::greater<>(), &ClassMapping::Part::share);
        mapping.rows.push_back(std::move(row));
    }
    return mapping;
}

io::Json to_json(const ClassMapping& mapping)
{
    io::Json json = io::Json::object();
    json["event"] = "class_votes";
    json["rows"] = io::Json::array();
    for (const ClassMapping::Row& row : mapping.rows) {
        io::Json line = io::Json::object();
        line["class"] = row.name;
        line["from"] = io::Json::array();
        for (const ClassMapping::Part& part : row.parts)
            line["from"].push_back(io::Json(io::Json::Array{part.from, part.share}));
        json["rows"].push_back(std::move(line));
    }
    return json;
}

std::string to_text(const ClassMapping& mapping)
{
    std::string text;
    for (const ClassMapping::Row& row : mapping.rows) {
        text += (text.empty() ? "" : "; ") + row.name + " from ";
        if (row.parts.empty()) text += "the mean of all";
        for (std::size_t i = 0; i < row.parts.size(); ++i)
            text += (i == 0 ? "" : ", ") + row.parts[i].from + " ("
                + std::to_string(std::lround(100.0 * row.parts[i].share)) + " %)";
    }
    return text;
}

} // namespace velamen::train
