// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/keymap/blueprint.h"

#include <set>
#include <utility>

#include "engine/core/assert.h"

namespace velamen::keymap {

namespace {

Shape with_ones(Shape shape, std::size_t count)
{
    shape.insert(shape.end(), count, 1);
    return shape;
}

/// Row-major bytes do not tell dimensions of size 1 at the end.
bool hold_the_same(Shape a, Shape b)
{
    for (Shape* shape : {&a, &b})
        while (shape->size() > 1 && shape->back() == 1)
            shape->pop_back();
    return a == b;
}

bool is_floating(DType dtype)
{
    return dtype == DType::F64 || dtype == DType::F32 || dtype == DType::F16
        || dtype == DType::BF16;
}

/// What `part` lacks, has too much or has in another shape.
class Differences {
public:
    explicit Differences(const Part& part) : part_(part) {}

    /// Null pointer, and noted, when it is not there as wanted.
    const Entry* take(const std::string& name, const Shape& shape)
    {
        const bool is_new = taken_.insert(name).second;
        const Entry* entry = part_.find(name);
        if (entry == nullptr) {
            if (is_new) missing_.push_back(name);
        } else if (!hold_the_same(entry->shape, shape)) {
            if (is_new)
                misshaped_.push_back(name + " " + to_text(entry->shape) + " instead of "
                                     + to_text(shape));
            entry = nullptr;
        }
        return entry;
    }

    Result<> check(const std::string& what) const
    {
        std::vector<std::string> unknown;
        for (const auto& [name, source] : part_.names())
            if (!taken_.contains(name)) unknown.push_back(name);
        std::string why = std::to_string(taken_.size() - missing_.size() - misshaped_.size())
            + " of " + std::to_string(part_.size()) + " tensors recognised";
        const std::string all = why;
        if (!missing_.empty()) why += ", " + count_of(missing_, "missing");
        if (!unknown.empty()) why += ", " + count_of(unknown, "not recognised");
        if (!misshaped_.empty()) why += ", " + count_of(misshaped_, "of another shape");
        if (why != all) return unknown_architecture(what, why);
        return {};
    }

private:
    const Part& part_;
    std::set<std::string> taken_;
    std::vector<std::string> missing_, misshaped_;
};

std::vector<Piece> pieces_of_third(const Slot& slot, std::size_t source)
{
    const std::int64_t rows = slot.shape[0] / slot.heads;
    std::vector<Piece> pieces;
    for (std::int64_t head = 0; head < slot.heads; ++head)
        pieces.push_back({source, (head * 3 + slot.third) * rows, rows});
    return pieces;
}

} // namespace

void Blueprint::tensor(const std::string& theirs, const std::string& ours, const Shape& shape)
{
    slots_.push_back({.theirs = theirs, .their_shape = shape, .ours = ours, .shape = shape});
}

void Blueprint::linear(const std::string& theirs, const std::string& ours, std::int64_t out,
                       std::int64_t in, bool has_bias)
{
    tensor(theirs + ".weight", ours + ".weight", {out, in});
    if (has_bias) tensor(theirs + ".bias", ours + ".bias", {out});
}

void Blueprint::conv(const std::string& theirs, const std::string& ours, std::int64_t out,
                     std::int64_t in, std::int64_t kernel, bool has_bias)
{
    tensor(theirs + ".weight", ours + ".weight", {out, in, kernel, kernel});
    if (has_bias) tensor(theirs + ".bias", ours + ".bias", {out});
}

void Blueprint::norm(const std::string& theirs, const std::string& ours, std::int64_t channels)
{
    tensor(theirs + ".weight", ours + ".weight", {channels});
    tensor(theirs + ".bias", ours + ".bias", {channels});
}

void Blueprint::pointwise(const std::string& theirs, const std::string& ours, std::int64_t out,
                          std::int64_t in, std::size_t their_ones)
{
    slots_.push_back({.theirs = theirs + ".weight",
                      .their_shape = with_ones({out, in}, their_ones),
                      .ours = ours + ".weight",
                      .shape = {out, in}});
    tensor(theirs + ".bias", ours + ".bias", {out});
}

void Blueprint::thirds(const std::string& their_weight, const std::string& their_bias,
                       const std::array<std::string, 3>& ours, std::int64_t channels,
                       std::size_t their_ones, std::int64_t heads)
{
    VELAMEN_ASSERT(heads > 0 && channels % heads == 0);
    for (int third = 0; third < 3; ++third) {
        const std::string& path = ours[static_cast<std::size_t>(third)];
        slots_.push_back({.theirs = their_weight,
                          .their_shape = with_ones({3 * channels, channels}, their_ones),
                          .ours = path + ".weight",
                          .shape = {channels, channels},
                          .third = third,
                          .heads = heads});
        slots_.push_back({.theirs = their_bias,
                          .their_shape = {3 * channels},
                          .ours = path + ".bias",
                          .shape = {channels},
                          .third = third,
                          .heads = heads});
    }
}

Result<std::vector<Mapped>> to_ours(const Blueprint& blueprint, const Part& part,
                                    const std::string& what)
{
    Differences differences(part);
    std::vector<Mapped> found;
    for (const Slot& slot : blueprint.slots()) {
        const Entry* entry = differences.take(slot.theirs, slot.their_shape);
        if (entry == nullptr) continue;
        if (!is_floating(entry->dtype))
            return fail(ErrorCode::Unsupported,
                        what + " has quantised weights, which is unsupported here: " + slot.theirs
                            + " is " + std::string(name_of(entry->dtype)),
                        "choose a file with weights of 16 or 32 bits");
        const auto source = static_cast<std::size_t>(entry - part.entries().data());
        found.push_back({slot.ours, entry->dtype, slot.shape,
                         slot.third == Slot::kWhole ? std::vector<Piece>{{source, 0, slot.shape[0]}}
                                                    : pieces_of_third(slot, source)});
    }
    VELAMEN_TRY(differences.check(what));
    return found;
}

Result<std::vector<Mapped>> to_theirs(const Blueprint& blueprint, const Part& part,
                                      const std::string& what, const std::string& prefix)
{
    struct Thirds {
        std::size_t at = 0;                   // in `found`
        std::array<std::size_t, 3> sources{}; // query, key, value
        std::size_t known = 0;
        std::int64_t heads = 1;
    };
    Differences differences(part);
    std::vector<Mapped> found;
    std::map<std::string, Thirds> joined;
    for (const Slot& slot : blueprint.slots()) {
        const Entry* entry = differences.take(slot.ours, slot.shape);
        if (entry == nullptr) continue;
        const auto source = static_cast<std::size_t>(entry - part.entries().data());
        Mapped whole{
            prefix + slot.theirs, entry->dtype, slot.their_shape, {{source, 0, slot.shape[0]}}};
        if (slot.third == Slot::kWhole) {
            found.push_back(std::move(whole));
            continue;
        }
        const auto [at, is_new] = joined.try_emplace(slot.theirs);
        Thirds& thirds = at->second;
        if (is_new) {
            thirds.at = found.size();
            thirds.heads = slot.heads;
            found.push_back(std::move(whole));
        } else if (found[thirds.at].dtype != entry->dtype) {
            return fail(ErrorCode::Unsupported,
                        slot.ours + " is " + std::string(name_of(entry->dtype))
                            + ", but has to be joined with "
                            + std::string(name_of(found[thirds.at].dtype)) + " as " + slot.theirs,
                        "convert the weights to one type first");
        }
        thirds.sources[static_cast<std::size_t>(slot.third)] = source;
        ++thirds.known;
    }
    VELAMEN_TRY(differences.check(what));
    for (const auto& [name, thirds] : joined) {
        VELAMEN_ASSERT(thirds.known == 3);
        Mapped& whole = found[thirds.at];
        const std::int64_t rows = whole.shape[0] / (3 * thirds.heads);
        whole.pieces.clear();
        for (std::int64_t head = 0; head < thirds.heads; ++head)
            for (const std::size_t source : thirds.sources)
                whole.pieces.push_back({source, head * rows, rows});
    }
    return found;
}

tl::unexpected<Error> unknown_architecture(const std::string& what, const std::string& why)
{
    return fail(
        ErrorCode::Unsupported, what + " is of an unknown architecture: " + why,
        "Velamen knows the models of latent-diffusion, Stable Diffusion 1 and 2 and DP-LDM");
}

} // namespace velamen::keymap
