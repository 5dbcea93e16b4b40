// SPDX-License-Identifier: GPL-3.0-or-later
//
// Checks a release by computing everything that it claims again. It trusts no file of the zip:
// hashes first, then the chain, then the numbers, then the words and marks that were made from
// them.

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "engine/archive/zip.h"
#include "engine/core/hash.h"
#include "engine/image/codec.h"
#include "engine/release/bundle.h"
#include "engine/release/certificate.h"
#include "engine/release/release.h"

namespace velamen::release {

namespace {

constexpr double kTolerance = 1e-6;

bool is_near(double a, double b)
{
    return a == b || std::abs(a - b) <= kTolerance * std::max(std::abs(a), std::abs(b));
}

std::string_view text_of(const std::vector<std::byte>& bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// One verification: fills in `out` from the first file to the last.
class Check {
public:
    Check(archive::ZipReader& zip, Verification& out) : zip_(zip), out_(out) {}

    void run()
    {
        read_sums();
        read_files();
        check_ledger();
        check_certificate();
        check_images();
        out_.is_valid = out_.findings.empty();
    }

private:
    void find(const std::string& file, std::string message)
    {
        out_.findings.push_back({file, std::move(message)});
    }

    void read_sums()
    {
        const auto bytes = zip_.read(kSums);
        if (!bytes) return find(kSums, bytes.error().message);
        auto sums = parse_sums(text_of(*bytes));
        if (!sums) return find(kSums, sums.error().message);
        sums_ = std::move(*sums);
    }

    /// Every entry once: its hash, and the content of the few that are looked at again.
    void read_files()
    {
        std::set<std::string> seen;
        for (const archive::ZipEntry& entry : zip_.entries()) {
            if (!seen.insert(entry.name).second) {
                find(entry.name, "is in the zip twice");
                continue;
            }
            if (entry.name == kSums) continue;
            auto bytes = zip_.read(entry.name);
            if (!bytes) {
                find(entry.name, "cannot be read: " + bytes.error().message);
                continue;
            }
            hashes_[entry.name] = core::sha256_hex(*bytes);
            const auto listed = sums_.find(entry.name);
            if (listed == sums_.end())
                find(entry.name, "is not listed in SHA256SUMS");
            else if (listed->second != hashes_[entry.name])
                find(entry.name, "does not have the SHA-256 that SHA256SUMS lists");
            if (entry.name.starts_with("images/"))
                ++out_.images;
            else
                files_[entry.name] = std::string(text_of(*bytes));
        }
        for (const auto& [name, hash] : sums_)
            if (!seen.contains(name)) find(name, "is listed in SHA256SUMS but missing");
        for (const char* name : {kCertificateJson, kCertificatePage, kLedger, kManifest, kDataCard})
            if (!seen.contains(name) && !sums_.contains(name)) find(name, "is missing");
    }

    void check_ledger()
    {
        const auto file = files_.find(kLedger);
        if (file == files_.end()) return;
        auto entries = privacy::parse_ledger(file->second);
        if (!entries) return find(kLedger, entries.error().message);
        if (!file->second.ends_with('\n')) return find(kLedger, "its last line is torn");
        entries_ = std::move(*entries);
        head_ = privacy::head_of(file->second);
        out_.ledger_lines = static_cast<std::int64_t>(entries_->size());
    }

    void check_certificate()
    {
        const auto file = files_.find(kCertificateJson);
        if (file == files_.end()) return;
        auto json = io::Json::parse(file->second);
        if (!json) return find(kCertificateJson, json.error().message);
        auto claims = certificate_from(*json);
        if (!claims) return find(kCertificateJson, claims.error().message);
        const Certificate& c = claims_.emplace(std::move(*claims));
        out_.certificate = std::move(*json);
        out_.status = c.status;
        out_.epsilon = c.epsilon;
        out_.delta = c.delta;
        out_.noise = c.noise_effective;
        out_.rate = c.rate;
        out_.steps = c.spent.steps;
        out_.neighbours = privacy::name_of(c.neighbours);
        check_rules(c);
        if (entries_) check_spending(c);
        check_words(c);
    }

    void check_rules(const Certificate& c)
    {
        const auto wrong = [&](std::string message) { find(kCertificateJson, std::move(message)); };
        if (c.status == "Void")
            wrong("the certificate is void: the run does not have the guarantee");
        if (c.status != status_of(c)) wrong("its status is not what its numbers give");
        if (c.neighbours == privacy::Neighbours::AddRemove && c.public_units)
            wrong("it shows a number of units that the relation keeps secret");
        if (c.neighbours == privacy::Neighbours::ZeroOut && !c.public_units)
            wrong("it does not show the public number of units");
        const double units = c.public_units ? static_cast<double>(*c.public_units)
                                            : static_cast<double>(c.expected_batch) / c.rate;
        if (!(c.rate > 0.0 && c.rate <= 1.0) || !(units >= 1.0)
            || !is_near(c.rate * units, static_cast<double>(c.expected_batch)))
            wrong("rate, expected batch and number of units do not fit each other");
        if (!(c.delta > 0.0) || c.delta * units >= 1.0)
            wrong("delta is not smaller than 1 / number of units");
        if ((c.unit == "image") != (c.unit_key == "file"))
            wrong("its unit is not called what its key tells apart");
        if (c.images_per_unit < 1 || c.noise_multiplicity < 1)
            wrong("a step used no image of a unit");
        if (!(c.clipping_norm > 0.0)) wrong("the clipping norm is not positive");
        if (c.spent.steps > c.planned_steps) wrong("more steps were taken than planned");
        if (const auto manifest = hashes_.find(kManifest);
            manifest != hashes_.end() && manifest->second != c.manifest_sha256)
            find(kManifest, "is not the manifest that the certificate was made for");
    }

    /// What the ledger says against what the certificate says.
    void check_spending(const Certificate& c)
    {
        const auto wrong = [&](std::string message) { find(kCertificateJson, std::move(message)); };
        if (c.ledger.seq != head_.seq || c.ledger.hash != head_.hash)
            find(kLedger, "does not end with the line that the certificate names");
        for (const privacy::LedgerEntry& entry : *entries_) {
            if (entry.run != c.run) continue;
            const auto* event = std::get_if<privacy::TrainingSteps>(&entry.event);
            if (event == nullptr) continue; // counted by spent_of()
            const privacy::TrainingSteps described{.is_hardened = c.is_hardened,
                                                   .rate = c.rate,
                                                   .noise_gradient = c.noise_gradient,
                                                   .noise_loss = c.noise_loss,
                                                   .noise_clipped = c.noise_clipped,
                                                   .noise_effective = c.noise_effective,
                                                   .steps = event->steps};
            if (entry.unit != c.unit || entry.neighbours != c.neighbours || *event != described) {
                wrong("line " + std::to_string(entry.seq + 1)
                      + " of the ledger was charged for something else than it describes");
                break;
            }
        }
        const auto delta = privacy::Delta::create(c.delta);
        if (!delta) return; // already found
        const auto spent = spent_of(*entries_, c.run, *delta, c.planned_steps);
        if (!spent) return wrong(spent.error().message);
        out_.epsilon_recomputed = spent->epsilon;
        out_.epsilon_rdp = spent->rdp;
        const auto compare = [&](double claimed, double recomputed, const std::string& what) {
            if (!is_near(claimed, recomputed))
                wrong(what + " is claimed to be " + exact_text(claimed) + ", the ledger gives "
                      + exact_text(recomputed));
        };
        compare(c.spent.epsilon, spent->epsilon, "the epsilon spent");
        compare(c.spent.planned, spent->planned, "the epsilon of the whole plan");
        compare(c.spent.rdp, spent->rdp, "the cross-checked epsilon");
        compare(c.spent.rdp_order, spent->rdp_order, "the order of the cross-check");
        compare(c.spent.no_amplification, spent->no_amplification,
                "the epsilon without amplification");
        compare(c.spent.attacker_rate, spent->attacker_rate, "the attacker's rate");
        compare(static_cast<double>(c.spent.steps), static_cast<double>(spent->steps),
                "the number of steps");
        compare(static_cast<double>(c.spent.runs), static_cast<double>(spent->runs),
                "the number of runs");
        compare(static_cast<double>(c.spent.releases), static_cast<double>(spent->releases),
                "the number of releases beside training");
        if (c.spent.is_renyi_only != spent->is_renyi_only)
            wrong("its accountant is not the one that the ledger asks for");
        if (c.spent.dataset.has_value() != spent->dataset.has_value())
            wrong("the epsilon of all runs is not what the ledger gives");
        else if (spent->dataset)
            compare(*c.spent.dataset, *spent->dataset, "the epsilon of all runs");
        const double most = std::max(spent->epsilon, spent->planned);
        if (most > c.epsilon * (1.0 + 1e-9) && c.status != "Void")
            wrong("more was planned or spent (" + exact_text(most) + ") than is certified ("
                  + exact_text(c.epsilon) + ")");
    }

    /// Sentences, page and data card are made from the numbers: anything else was written by hand.
    void check_words(const Certificate& c)
    {
        const auto page = files_.find(kCertificatePage);
        if (page != files_.end()) out_.certificate_html = page->second;
        if (c.software != software_name()) return; // another version has other words
        if (to_json(c) != out_.certificate)
            find(kCertificateJson, "its words or fields are not those that its numbers give");
        if (page != files_.end() && page->second != certificate_page(c))
            find(kCertificatePage, "does not show what certificate.json says");
        if (const auto card = files_.find(kDataCard);
            card != files_.end() && card->second != data_card(c))
            find(kDataCard, "does not show what certificate.json says");
    }

    void check_images()
    {
        const auto file = files_.find(kManifest);
        if (file == files_.end()) return;
        const auto rows = parse_manifest(file->second);
        if (!rows) return find(kManifest, rows.error().message);
        std::set<std::string> listed;
        std::map<std::string, std::int64_t> counts;
        for (const ManifestRow& row : *rows) {
            ++counts[row.class_name];
            if (!listed.insert(row.file).second) {
                find(kManifest, "lists " + row.file + " twice");
                continue;
            }
            const auto hash = hashes_.find(row.file);
            if (hash == hashes_.end() || !row.file.starts_with("images/"))
                find(row.file, "is listed in manifest.csv but missing");
            else if (hash->second != row.sha256)
                find(row.file, "does not have the SHA-256 that manifest.csv lists");
            else
                check_marks(row);
        }
        for (const auto& [name, hash] : hashes_)
            if (name.starts_with("images/") && !listed.contains(name))
                find(name, "is not listed in manifest.csv");
            else if (!name.starts_with("images/") && !is_known(name))
                find(name, "does not belong to a release");
        if (claims_ && !std::ranges::all_of(claims_->images, [&](const auto& image) {
                const auto count = counts.find(image.first);
                return count != counts.end() && count->second == image.second;
            }))
            find(kCertificateJson, "its numbers of images are not those of manifest.csv");
        if (claims_ && claims_->images.size() != counts.size())
            find(kCertificateJson, "its list of classes is not that of manifest.csv");
    }

    static bool is_known(const std::string& name)
    {
        return name == kCertificateJson || name == kCertificatePage || name == kLedger
            || name == kManifest || name == kDataCard;
    }

    void check_marks(const ManifestRow& row)
    {
        const auto bytes = zip_.read(row.file);
        if (!bytes) return; // already found
        const auto text = image::png_text(*bytes);
        if (!text) return find(row.file, "is not a PNG: " + text.error().message);
        if (claims_)
            for (const auto& [key, value] :
                 marks_of(row, claims_->software, claims_->epsilon, claims_->delta)) {
                const auto mark = text->find(key);
                if (mark == text->end() || mark->second != value)
                    find(row.file, "does not carry the mark \"" + key + "\" as it should");
            }
        if (text_of(*bytes).find(xmp_packet()) == std::string_view::npos)
            find(row.file, "does not say in its XMP that it is synthetic");
    }

    archive::ZipReader& zip_;
    Verification& out_;
    std::map<std::string, std::string> sums_;   ///< as listed
    std::map<std::string, std::string> hashes_; ///< as computed
    std::map<std::string, std::string> files_;  ///< texts that are looked at again
    std::optional<std::vector<privacy::LedgerEntry>> entries_;
    privacy::LedgerHead head_;
    std::optional<Certificate> claims_;
};

} // namespace

Result<Verification> verify(const std::filesystem::path& zip)
{
    VELAMEN_ASSIGN(archive::ZipReader reader, archive::ZipReader::open(zip));
    const bool is_release = std::ranges::any_of(reader.entries(), [](const auto& entry) {
        return entry.name == kCertificateJson || entry.name == kSums;
    });
    Verification verification;
    if (is_release)
        Check(reader, verification).run();
    else // one sentence instead of one for every file
        verification.findings.push_back(
            {kCertificateJson, "is missing: this zip is not a release that Velamen has written"});
    return verification;
}

} // namespace velamen::release
