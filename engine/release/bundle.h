// SPDX-License-Identifier: GPL-3.0-or-later
//
// The files of a release: their names, the manifest, the marks in the images, the list of hashes.
// Written by release.cpp, read back by verify.cpp; both use only what is here.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

namespace velamen::release {

inline constexpr const char* kCertificateJson = "certificate.json";
inline constexpr const char* kCertificatePage = "certificate.html";
inline constexpr const char* kLedger = "ledger.jsonl";
inline constexpr const char* kManifest = "manifest.csv";
inline constexpr const char* kDataCard = "DATA_CARD.md";
inline constexpr const char* kSums = "SHA256SUMS";
inline constexpr const char* kSourceType =
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// A line of manifest.csv.
struct ManifestRow {
    std::string file;
    std::string class_name;
    std::uint64_t seed = 0;
    std::string sampler;
    int steps = 0;
    double guidance = 0.0;
    std::string sha256;
};

std::string manifest_text(std::span<const ManifestRow> rows);
/// Corrupt with the line.
Result<std::vector<ManifestRow>> parse_manifest(std::string_view text);

/// Lowercase letters, digits and "-"; "class" when nothing is left.
std::string slug_of(std::string_view class_name);
/// One folder name per class, no two equal.
std::map<std::string, std::string> slugs_of(std::span<const std::string> classes);

/// The PNG text of an image: Software, Source, parameters.
std::map<std::string, std::string> marks_of(const ManifestRow& row, const std::string& software,
                                            double epsilon, double delta);
/// The XMP packet that every image carries.
std::string xmp_packet();

/// "<sha256>  <name>\n" lines, sorted by name.
std::string sums_text(const std::map<std::string, std::string>& hash_of_file);
Result<std::map<std::string, std::string>> parse_sums(std::string_view text);

} // namespace velamen::release
