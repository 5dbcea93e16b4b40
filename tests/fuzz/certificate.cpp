// SPDX-License-Identifier: GPL-3.0-or-later
//
// A certificate some of whose fields were replaced: refused, or read, written and read again as the
// same. The input is a JSON object of the fields to replace.

#include "engine/release/certificate.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace velamen;
    const auto edits = io::Json::parse(fuzz::text_of(data, size));
    if (!edits) return 0;
    static_cast<void>(release::certificate_from(*edits));
    if (!edits->is_object()) return 0;
    io::Json json = release::to_json(release::Certificate{});
    for (const auto& [key, value] : *edits->if_object()) {
        if (!value.is_object()) {
            json[key] = value;
            continue;
        }
        for (const auto& [inner, part] : *value.if_object())
            json[key][inner] = part;
    }
    const auto certificate = release::certificate_from(json);
    if (!certificate) {
        fuzz::require(!certificate.error().message.empty(), "a refusal says why");
        return 0;
    }
    const io::Json& mechanism = *json.find("mechanism"); // it is there: the certificate was read
    const io::Json* clipped = mechanism.find("noise_clipped");
    const bool is_released = clipped != nullptr && !clipped->is_null();
    fuzz::require(certificate->noise_clipped.has_value() == is_released, "released or not");
    fuzz::require(!is_released || certificate->noise_clipped == *mechanism.number("noise_clipped"),
                  "with its noise");
    fuzz::require(certificate->is_hardened == *mechanism.flag("hardened"), "hardened or not");
    fuzz::require(certificate->spent.releases == *mechanism.integer("releases_beside_training"),
                  "releases beside training are counted");
    const io::Json written = release::to_json(*certificate);
    const auto again = release::certificate_from(written);
    fuzz::require(again.has_value(), "what was written can be read");
    fuzz::require(release::to_json(*again) == written, "and is the same");
    return 0;
}
