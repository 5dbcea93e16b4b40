// SPDX-License-Identifier: GPL-3.0-or-later
//
// Writes a release. The certificate's numbers come from the ledger; the plan only says what was
// declared, and both must agree before a single image is written.

#include "engine/release/release.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/archive/zip.h"
#include "engine/core/hash.h"
#include "engine/image/codec.h"
#include "engine/release/bundle.h"
#include "engine/release/certificate.h"

namespace velamen::release {

namespace {

/// Writes entries and remembers their hashes for SHA256SUMS.
class Bundle {
public:
    explicit Bundle(archive::ZipWriter writer) : writer_(std::move(writer)) {}

    Result<std::string> add(const std::string& name, std::span<const std::byte> content)
    {
        VELAMEN_TRY(writer_.add(name, content));
        std::string hash = core::sha256_hex(content);
        hashes_[name] = hash;
        return hash;
    }
    Result<std::string> add(const std::string& name, std::string_view content)
    {
        return add(name, std::as_bytes(std::span(content.data(), content.size())));
    }
    Result<> finish()
    {
        VELAMEN_TRY(writer_.add(kSums, std::string_view(sums_text(hashes_))));
        return writer_.commit();
    }

private:
    archive::ZipWriter writer_;
    std::map<std::string, std::string> hashes_;
};

/// The run's lines are those of the plan: else the certificate would describe another run.
Result<> check_lines(const std::vector<privacy::LedgerEntry>& entries,
                     const ReleaseRequest& request)
{
    const train::PrivacyPlan& p = request.plan.privacy;
    for (const privacy::LedgerEntry& entry : entries) {
        if (entry.run != request.run_id) continue;
        const auto* event = std::get_if<privacy::TrainingSteps>(&entry.event);
        if (event == nullptr) continue; // beside training; the certificate counts it
        const privacy::TrainingSteps planned = train::charge_for(p, event->steps);
        if (entry.unit != p.unit || entry.neighbours != p.neighbours || *event != planned)
            return fail(ErrorCode::Refused,
                        "line " + std::to_string(entry.seq + 1)
                            + " of the ledger is not what the plan of run " + request.run_id
                            + " declared",
                        "release the run with its own plan");
    }
    return {};
}

Result<Certificate> start_certificate(const ReleaseRequest& request)
{
    const train::TrainingPlan& plan = request.plan;
    const train::PrivacyPlan& p = plan.privacy;
    VELAMEN_ASSIGN(const auto delta, privacy::Delta::create(p.delta));
    VELAMEN_ASSIGN(const auto entries, privacy::parse_ledger(request.ledger_text));
    if (!request.ledger_text.ends_with('\n'))
        return fail(ErrorCode::Refused, "the last line of the ledger is torn",
                    "open the project again, then release");
    VELAMEN_TRY(check_lines(entries, request));
    if (p.public_units < 1 || p.delta * static_cast<double>(p.public_units) >= 1.0)
        return fail(ErrorCode::Refused, "delta must be smaller than 1 / number of units");

    Certificate c;
    VELAMEN_ASSIGN(c.spent, spent_of(entries, request.run_id, delta, p.steps));
    c.software = software_name();
    c.run = request.run_id;
    c.unit = p.unit;
    // An expression may hold what only the folder should know.
    c.unit_key = plan.keys.unit.starts_with("pattern:") ? "pattern" : plan.keys.unit;
    c.neighbours = p.neighbours;
    if (p.neighbours == privacy::Neighbours::ZeroOut) c.public_units = p.public_units;
    c.delta = p.delta;
    c.epsilon = p.epsilon;
    c.rate = p.rate;
    c.planned_steps = p.steps;
    c.expected_batch = p.expected_batch;
    c.clipping_norm = plan.optimiser.clipping_norm;
    c.noise_effective = p.noise_effective;
    c.noise_gradient = p.noise_gradient;
    if (p.noise_loss > 0.0) c.noise_loss = p.noise_loss;
    if (p.noise_clipped > 0.0) c.noise_clipped = p.noise_clipped;
    c.is_hardened = p.hardened;
    c.images_per_unit = p.images_per_unit;
    c.noise_multiplicity = plan.optimiser.noise_multiplicity;
    c.is_reproducible = plan.reproducible;
    c.selection = plan.selection;
    c.trained_tensors = request.trained_tensors;
    c.trained_parameters = request.trained_parameters;
    c.total_parameters = request.total_parameters;
    c.base_name = request.base_name;
    c.base_licence = request.base_licence;
    c.base_data = request.base_data;
    c.base_sha256 = request.base_sha256;
    c.tuned_sha256 = request.tuned_sha256;
    c.is_selected_with_private_data = request.is_selected_with_private_data;
    c.classes = plan.classes;
    c.ledger = privacy::head_of(request.ledger_text);
    c.status = status_of(c);
    return c;
}

Result<std::vector<ManifestRow>> add_images(const ReleaseRequest& request, Certificate& c,
                                            Bundle& bundle, const std::stop_token& stop)
{
    std::vector<std::string> names = request.plan.classes;
    for (const ReleaseImage& image : request.images)
        names.push_back(image.class_name);
    const auto slugs = slugs_of(names);

    std::map<std::string, std::int64_t> counts;
    std::vector<ManifestRow> rows;
    for (const ReleaseImage& image : request.images) {
        if (stop.stop_requested())
            return fail(ErrorCode::Cancelled, "the release was cancelled; nothing was written");
        std::string number = std::to_string(++counts[image.class_name]);
        number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
        ManifestRow row{.file = "images/" + slugs.at(image.class_name) + "/" + number + ".png",
                        .class_name = image.class_name,
                        .seed = image.seed,
                        .sampler = image.sampler,
                        .steps = image.steps,
                        .guidance = image.guidance,
                        .sha256 = {}};
        VELAMEN_ASSIGN(const auto png,
                       image::encode_png(image.image, marks_of(row, c.software, c.epsilon, c.delta),
                                         xmp_packet()));
        VELAMEN_ASSIGN(row.sha256, bundle.add(row.file, png));
        rows.push_back(std::move(row));
    }
    for (const std::string& name : names)
        if (const auto count = counts.extract(name)) c.images.emplace_back(name, count.mapped());
    return rows;
}

} // namespace

Result<ReleaseSummary> write_release(const ReleaseRequest& request,
                                     const std::filesystem::path& zip, std::stop_token stop)
{
    if (request.images.empty())
        return fail(ErrorCode::InvalidArgument, "a release needs at least one image",
                    "draw samples first");
    VELAMEN_ASSIGN(Certificate c, start_certificate(request));
    VELAMEN_ASSIGN(archive::ZipWriter writer, archive::ZipWriter::create(zip));
    Bundle bundle(std::move(writer));
    VELAMEN_ASSIGN(const auto rows, add_images(request, c, bundle, stop));
    VELAMEN_ASSIGN(c.manifest_sha256, bundle.add(kManifest, manifest_text(rows)));

    ReleaseSummary summary;
    summary.certificate = to_json(c);
    summary.certificate_html = certificate_page(c);
    VELAMEN_TRY(bundle.add(kCertificateJson, summary.certificate.dump(2) + "\n"));
    VELAMEN_TRY(bundle.add(kCertificatePage, summary.certificate_html));
    VELAMEN_TRY(bundle.add(kLedger, request.ledger_text));
    VELAMEN_TRY(bundle.add(kDataCard, data_card(c)));
    if (stop.stop_requested())
        return fail(ErrorCode::Cancelled, "the release was cancelled; nothing was written");
    VELAMEN_TRY(bundle.finish());

    summary.status = c.status;
    summary.epsilon = c.epsilon;
    summary.epsilon_spent = c.spent.epsilon;
    summary.epsilon_rdp = c.spent.rdp;
    summary.epsilon_dataset = c.spent.dataset.value_or(std::numeric_limits<double>::infinity());
    summary.images = static_cast<std::int64_t>(rows.size());
    summary.path = zip;
    return summary;
}

} // namespace velamen::release
