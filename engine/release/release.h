// SPDX-License-Identifier: GPL-3.0-or-later
//
// A synthetic image set as a zip with its certificate, and the check of everything that such a zip
// claims. Nothing in it was computed from the private images but through a charged event.

#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/image/image.h"
#include "engine/io/json.h"
#include "engine/privacy/ledger.h"
#include "engine/train/plan.h"

namespace velamen::release {

/// An image with what its PNG text and manifest row say.
struct ReleaseImage {
    std::string class_name;
    std::uint64_t seed = 0;
    double guidance = 0.0;
    int steps = 0;
    std::string sampler; ///< as diffusion::name_of() has it
    image::Image image;
};

struct ReleaseRequest {
    train::TrainingPlan plan;
    std::string run_id;
    std::string ledger_text; ///< all lines of the dataset's ledger
    std::string base_name, base_licence, base_data, base_sha256;
    std::string tuned_sha256;
    std::vector<std::string> trained_tensors;
    std::int64_t trained_parameters = 0;
    std::int64_t total_parameters = 0;
    bool is_selected_with_private_data = false;
    std::vector<ReleaseImage> images;
};

/// "Valid", "Incomplete" (the run did not finish; epsilon_max is certified), "Void" (test mode).
struct ReleaseSummary {
    std::string status;
    double epsilon = 0.0;       ///< certified: the declared limit
    double epsilon_spent = 0.0; ///< this run, PLD
    double epsilon_rdp = 0.0;
    double epsilon_dataset = 0.0; ///< all runs of the ledger together, plans as fixed
    std::int64_t images = 0;
    std::filesystem::path path;
    std::string certificate_html;
    io::Json certificate;
};

Result<ReleaseSummary> write_release(const ReleaseRequest& request,
                                     const std::filesystem::path& zip, std::stop_token stop = {});

struct Finding {
    std::string file;    ///< entry of the zip
    std::string message; ///< what does not match
};

struct Verification {
    bool is_valid = false;
    std::string status;            ///< the certificate's
    std::vector<Finding> findings; ///< empty when valid
    double epsilon = 0.0, epsilon_recomputed = 0.0, epsilon_rdp = 0.0, delta = 0.0;
    double noise = 0.0, rate = 0.0;
    std::int64_t steps = 0, images = 0, ledger_lines = 0;
    std::string neighbours;
    io::Json certificate;
    std::string certificate_html;
};

/// Recomputes epsilon from the recorded events, every hash and the ledger chain. An error only when
/// the zip cannot be read at all; everything else is a finding.
Result<Verification> verify(const std::filesystem::path& zip);

} // namespace velamen::release
