// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/keymap/config.h"

namespace velamen::keymap {

namespace {

bool is_size(std::int64_t value) { return value >= 1 && value <= 1 << 20; }

tl::unexpected<Error> bad_size(const std::string& key)
{
    return fail(ErrorCode::InvalidArgument, "config.json: " + key + " must be positive sizes");
}

} // namespace

std::vector<std::string> names_by_flag(const std::vector<bool>& flags, const char* if_true,
                                       const char* if_false)
{
    std::vector<std::string> names;
    names.reserve(flags.size());
    for (const bool flag : flags)
        names.emplace_back(flag ? if_true : if_false);
    return names;
}

Result<std::vector<bool>> flags_by_name(const io::Json& config, const char* key,
                                        const char* if_true, const char* if_false)
{
    VELAMEN_ASSIGN(const auto names, config.texts(key));
    std::vector<bool> flags;
    for (const std::string& name : names) {
        if (name != if_true && name != if_false)
            return fail(ErrorCode::Unsupported,
                        std::string("config.json: ") + key + " has " + name
                            + ", which CompVis's names cannot hold",
                        std::string("they can hold ") + if_true + " and " + if_false);
        flags.push_back(name == if_true);
    }
    return flags;
}

io::Json sorted_by_key(const io::Json& object)
{
    io::Json::Object members = *object.if_object();
    std::ranges::sort(members, {}, &io::Json::Object::value_type::first);
    return members;
}

Result<> refuse_others(const io::Json& config, std::span<const FixedField> fields,
                       const std::string& what)
{
    for (const FixedField& field : fields)
        if (const io::Json* value = config.find(field.key);
            value != nullptr && std::ranges::find(field.accepted, *value) == field.accepted.end())
            return fail(ErrorCode::Unsupported,
                        what + "'s config has " + field.key + " = " + value->dump()
                            + ", which CompVis's code cannot compute",
                        "keep this checkpoint as a diffusers folder");
    return {};
}

Result<std::int64_t> size_field(const io::Json& config, const char* key, std::int64_t absent)
{
    VELAMEN_ASSIGN(const std::int64_t value, config.integer_or(key, absent));
    if (!is_size(value)) return bad_size(key);
    return value;
}

Result<std::vector<std::int64_t>> widths_field(const io::Json& config, const char* key)
{
    VELAMEN_ASSIGN(auto values, config.integers(key));
    if (values.empty() || values.size() > 16 || !std::ranges::all_of(values, is_size))
        return bad_size(key);
    return values;
}

} // namespace velamen::keymap
