// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/warm_start_file.h"

#include "engine/core/file.h"
#include "engine/io/json.h"

namespace velamen::train {

namespace {

namespace fs = std::filesystem;
using io::Json;

constexpr const char* kFile = "warm_start.json";
constexpr std::int64_t kSchema = 1;
constexpr std::int64_t kMostDimensions = 512;

Json numbers(const std::vector<double>& values)
{
    return Json(Json::Array(values.begin(), values.end()));
}

/// InvalidArgument or Corrupt in the reader's own words; read_warm_start() names the file.
Result<std::vector<double>> numbers_of(const Json& json, const char* key, std::size_t count)
{
    VELAMEN_ASSIGN(std::vector<double> values, json.numbers(key));
    if (values.size() == count) return values;
    return fail(ErrorCode::Corrupt,
                std::string(key) + " holds " + std::to_string(values.size()) + " numbers, not "
                    + std::to_string(count));
}

Result<WarmStartReleases> from_json(const Json& json, std::size_t classes, std::size_t publics)
{
    VELAMEN_ASSIGN(const std::int64_t schema, json.integer("schema"));
    if (schema != kSchema)
        return fail(ErrorCode::Unsupported, "it has schema " + std::to_string(schema));
    WarmStartReleases out;
    if (json.find("votes") != nullptr) {
        VELAMEN_ASSIGN(out.votes, numbers_of(json, "votes", classes * publics));
    }
    if (const Json* found = json.find("moments")) {
        privacy::ClassMoments moments;
        VELAMEN_ASSIGN(moments.dimensions, found->integer("dimensions"));
        if (moments.dimensions < 1 || moments.dimensions > kMostDimensions)
            return fail(ErrorCode::Corrupt, "dimensions is out of range");
        const auto d = static_cast<std::size_t>(moments.dimensions);
        VELAMEN_ASSIGN(moments.shares, numbers_of(*found, "shares", classes));
        VELAMEN_ASSIGN(moments.means, numbers_of(*found, "means", classes * d));
        VELAMEN_ASSIGN(moments.covariance, numbers_of(*found, "covariance", d * d));
        out.moments = std::move(moments);
    }
    return out;
}

Result<WarmStartReleases> read(const fs::path& file, std::size_t classes, std::size_t publics)
{
    VELAMEN_ASSIGN(const std::string text, core::read_file(file));
    VELAMEN_ASSIGN(const Json json, Json::parse(text));
    return from_json(json, classes, publics);
}

} // namespace

Result<WarmStartReleases> read_warm_start(const fs::path& run_folder, std::size_t classes,
                                          std::size_t publics)
{
    std::error_code ignored;
    if (!fs::exists(run_folder / kFile, ignored)) return WarmStartReleases{};
    auto releases = read(run_folder / kFile, classes, publics);
    if (releases) return releases;
    return fail(ErrorCode::Corrupt,
                "warm_start.json of the run cannot be used: " + releases.error().message,
                "restore it from a copy; without the file the run goes on, but what the warm start "
                "paid for is lost");
}

Result<> write_warm_start(const fs::path& run_folder, const WarmStartReleases& releases)
{
    Json json = Json::object();
    json["schema"] = kSchema;
    if (releases.votes) json["votes"] = numbers(*releases.votes);
    if (releases.moments) {
        Json moments = Json::object();
        moments["dimensions"] = releases.moments->dimensions;
        moments["shares"] = numbers(releases.moments->shares);
        moments["means"] = numbers(releases.moments->means);
        moments["covariance"] = numbers(releases.moments->covariance);
        json["moments"] = std::move(moments);
    }
    return core::write_file(run_folder / kFile, json.dump() + "\n");
}

} // namespace velamen::train
