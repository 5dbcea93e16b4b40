// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/nn/unet/refuse.h"

#include <algorithm>
#include <string>

namespace velamen::nn {

namespace {

bool accepts(const FixedField& field, const io::Json& value)
{
    if (const auto* list = value.if_array())
        return std::ranges::all_of(*list, [&](const io::Json& one) { return accepts(field, one); });
    return std::ranges::find(field.accepted, value) != field.accepted.end();
}

} // namespace

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
