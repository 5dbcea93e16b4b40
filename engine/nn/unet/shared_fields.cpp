// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/unet/shared_fields.h"

#include <algorithm>
#include <utility>

namespace velamen::nn {

namespace {

bool accepts(const FixedField& field, const io::Json& value)
{
    if (const auto* list = value.if_array())
        return std::ranges::all_of(*list, [&](const io::Json& one) { return accepts(field, one); });
    return std::ranges::find(field.accepted, value) != field.accepted.end();
}

} // namespace

io::Json sorted_by_key(const io::Json& object)
{
    io::Json::Object members = *object.if_object();
    std::ranges::sort(members, {}, &io::Json::Object::value_type::first);
    io::Json out = io::Json::object();
    for (auto& [key, value] : members)
        out[key] = std::move(value);
    return out;
}

tl::unexpected<Error> inconsistent(const std::string& what)
{
    return fail(ErrorCode::InvalidArgument, "the UNet's config is not consistent: " + what);
}

Result<> check_block_types(const char* way, const std::vector<std::string>& types,
                           const char* with_attention, const char* without)
{
    for (const std::string& type : types)
        if (type != with_attention && type != without)
            return fail(ErrorCode::Unsupported,
                        std::string("the UNet's ") + way + " block " + type + " is not supported",
                        std::string("supported are ") + with_attention + " and " + without);
    return {};
}

Result<> refuse_unsupported(const io::Json& json, std::span<const FixedField> fields,
                            const char* wanted)
{
    for (const FixedField& field : fields)
        if (const io::Json* value = json.find(field.key);
            value != nullptr && !accepts(field, *value))
            return fail(ErrorCode::Unsupported,
                        std::string("the UNet's config has ") + field.key + " = " + value->dump()
                            + ", which is not supported",
                        std::string("choose a checkpoint of ") + wanted);
    return {};
}

} // namespace velamen::nn
