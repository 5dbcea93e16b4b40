// SPDX-License-Identifier: GPL-3.0-or-later
//
// Texts of the files around the images of a release, and their strict readers.

#include "engine/release/bundle.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "engine/privacy/explain.h"
#include "engine/release/certificate.h"

namespace velamen::release {

namespace {

constexpr std::string_view kColumns = "file,class,seed,sampler,steps,guidance,sha256";

/// RFC 4180: quoted where it must be.
std::string field(std::string_view text)
{
    if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + "\"";
}

/// Cuts one record off `text`; nothing when it does not end as it must.
std::optional<std::vector<std::string>> take_record(std::string_view& text)
{
    std::vector<std::string> fields(1);
    bool is_quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (is_quoted) {
            if (c != '"')
                fields.back() += c;
            else if (i + 1 < text.size() && text[i + 1] == '"')
                fields.back() += text[++i];
            else
                is_quoted = false;
        } else if (c == '"' && fields.back().empty()) {
            is_quoted = true;
        } else if (c == ',') {
            fields.emplace_back();
        } else if (c == '\n') {
            text.remove_prefix(i + 1);
            return fields;
        } else {
            fields.back() += c;
        }
    }
    return std::nullopt;
}

template <class T>
bool read_number(const std::string& text, T& value)
{
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && stop == end;
}

bool is_sha256(std::string_view text)
{
    return text.size() == 64 && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

} // namespace

std::string manifest_text(std::span<const ManifestRow> rows)
{
    std::string text = std::string(kColumns) + "\n";
    for (const ManifestRow& row : rows)
        text += field(row.file) + "," + field(row.class_name) + "," + std::to_string(row.seed) + ","
            + field(row.sampler) + "," + std::to_string(row.steps) + "," + exact_text(row.guidance)
            + "," + row.sha256 + "\n";
    return text;
}

Result<std::vector<ManifestRow>> parse_manifest(std::string_view text)
{
    const auto corrupt = [](std::size_t number, const std::string& cause) {
        return fail(ErrorCode::Corrupt, "row " + std::to_string(number) + " " + cause);
    };
    const std::string head = std::string(kColumns) + "\n";
    if (!text.starts_with(head))
        return fail(ErrorCode::Corrupt, "its columns are not those of a manifest");
    text.remove_prefix(head.size());
    std::vector<ManifestRow> rows;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto fields = take_record(text);
        if (!fields || fields->size() != 7) return corrupt(number, "does not have seven fields");
        ManifestRow row;
        row.file = (*fields)[0];
        row.class_name = (*fields)[1];
        row.sampler = (*fields)[3];
        row.sha256 = (*fields)[6];
        if (!read_number((*fields)[2], row.seed) || !read_number((*fields)[4], row.steps)
            || !read_number((*fields)[5], row.guidance))
            return corrupt(number, "holds a text where a number belongs");
        if (!is_sha256(row.sha256)) return corrupt(number, "has no SHA-256");
        rows.push_back(std::move(row));
    }
    return rows;
}

std::string slug_of(std::string_view class_name)
{
    std::string slug;
    for (const char c : class_name) {
        const bool is_upper = c >= 'A' && c <= 'Z';
        if (is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            slug += is_upper ? static_cast<char>(c - 'A' + 'a') : c;
        else if (!slug.empty() && slug.back() != '-')
            slug += '-';
        if (slug.size() == 40) break;
    }
    while (!slug.empty() && slug.back() == '-')
        slug.pop_back();
    return slug.empty() ? "class" : slug;
}

std::map<std::string, std::string> slugs_of(std::span<const std::string> classes)
{
    std::map<std::string, std::string> slugs;
    std::set<std::string> used;
    for (const std::string& name : classes) {
        if (slugs.contains(name)) continue;
        const std::string base = slug_of(name);
        std::string slug = base;
        for (int i = 2; !used.insert(slug).second; ++i)
            slug = base + "-" + std::to_string(i);
        slugs.emplace(name, slug);
    }
    return slugs;
}

std::map<std::string, std::string> marks_of(const ManifestRow& row, const std::string& software,
                                            double epsilon, double delta)
{
    const auto shown = privacy::Epsilon::create(epsilon);
    return {
        {"Software", software},
        {"Source",
         "Synthetic, DP ε=" + (shown ? privacy::epsilon_text(*shown) : exact_text(epsilon))
             + " δ=" + exact_text(delta)},
        {"parameters",
         row.class_name + "\nSteps: " + std::to_string(row.steps) + ", Sampler: " + row.sampler
             + ", CFG scale: " + exact_text(row.guidance) + ", Seed: " + std::to_string(row.seed)},
    };
}

std::string xmp_packet()
{
    return std::string(R"(<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>)"
                       R"(<x:xmpmeta xmlns:x="adobe:ns:meta/">)"
                       R"(<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">)"
                       R"(<rdf:Description rdf:about="" )"
                       R"(xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" )"
                       R"(Iptc4xmpExt:DigitalSourceType=")")
        + kSourceType + R"("/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>)";
}

std::string sums_text(const std::map<std::string, std::string>& hash_of_file)
{
    std::string text;
    for (const auto& [name, hash] : hash_of_file)
        text += hash + "  " + name + "\n";
    return text;
}

Result<std::map<std::string, std::string>> parse_sums(std::string_view text)
{
    std::map<std::string, std::string> sums;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        if (end == text.npos || line.size() < 67 || !is_sha256(line.substr(0, 64))
            || line.substr(64, 2) != "  ")
            return fail(ErrorCode::Corrupt,
                        "line " + std::to_string(number) + " is not a hash and a name");
        if (!sums.emplace(line.substr(66), line.substr(0, 64)).second)
            return fail(ErrorCode::Corrupt,
                        "line " + std::to_string(number) + " names a file twice");
        text.remove_prefix(end + 1);
    }
    return sums;
}

} // namespace velamen::release
