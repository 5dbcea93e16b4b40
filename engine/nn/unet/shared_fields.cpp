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

Result<std::int64_t> integer_or_null(const io::Json& json, const char* key, std::int64_t absent)
{
    const io::Json* value = json.find(key);
    if (value == nullptr) return absent;
    if (value->is_null()) return 0;
    return json.integer(key);
}

io::Json null_or_integer(std::int64_t value)
{
    return value == 0 ? io::Json(nullptr) : io::Json(value);
}

Result<bool> scale_shift_of(const io::Json& json)
{
    VELAMEN_ASSIGN(const std::string time, json.text_or("resnet_time_scale_shift", "default"));
    if (time != "default" && time != "scale_shift")
        return fail(ErrorCode::Unsupported,
                    "the UNet's config has resnet_time_scale_shift = " + time
                        + ", which is not supported",
                    "supported are default and scale_shift");
    return time == "scale_shift";
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
