// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a certificate says, as values; its JSON, its words and its page are made from nothing else.
// Checking it against a ledger and files is verify.cpp's business.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"
#include "engine/privacy/ledger.h"

namespace velamen::release {

/// Epsilon in every form that a certificate names, recomputed from ledger lines alone. By privacy
/// loss distribution, or, where an event has no other, by Renyi divergence.
struct Spent {
    double epsilon = 0.0; ///< this run
    double planned = 0.0; ///< the whole plan of this run
    double rdp = 0.0;     ///< this run, the Renyi bound
    double rdp_order = 0.0;
    bool is_renyi_only = false;    ///< of this run: epsilon is the Renyi bound
    std::optional<double> dataset; ///< all runs; absent when their units have no common total
    double no_amplification = 0.0; ///< the whole plan, as if the draws were not secret
    double attacker_rate = 1.0;    ///< the whole plan: true positives at 1 % false alarms, at most
    std::int64_t steps = 0;        ///< of training
    std::int64_t releases = 0;     ///< of this run beside training
    std::int64_t runs = 0;         ///< of the dataset
};

/// Refused when the run has no line in the ledger. `planned_steps`: what bounds an attacker of a
/// run that ended early is the plan, since the reason for ending may have been private.
Result<Spent> spent_of(std::span<const privacy::LedgerEntry> entries, const std::string& run,
                       privacy::Delta delta, std::int64_t planned_steps);

struct Certificate {
    std::string status; ///< "Valid", "Incomplete", "Void"
    std::string software;
    std::string run;
    std::string unit;
    std::string unit_key; ///< how units were told apart: "file", "folder", "column:NAME", "pattern"
    privacy::Neighbours neighbours = privacy::Neighbours::ZeroOut;
    std::optional<std::int64_t> public_units; ///< only under zero-out
    double delta = 0.0;
    double epsilon = 0.0; ///< certified: the declared limit
    Spent spent;

    double rate = 0.0;
    std::int64_t planned_steps = 0;
    std::int64_t expected_batch = 0;
    double clipping_norm = 0.0;
    double noise_effective = 0.0;
    double noise_gradient = 0.0;
    std::optional<double> noise_loss;
    std::optional<double> noise_clipped;
    bool is_hardened = false;            ///< discrete Gaussian on an integer grid
    std::int64_t images_per_unit = 1;    ///< that took part in a step, at most
    std::int64_t noise_multiplicity = 1; ///< draws of noise and time for each of them
    bool is_reproducible = false;        ///< test mode: the noise can be repeated

    std::string selection;
    std::vector<std::string> trained_tensors;
    std::int64_t trained_parameters = 0;
    std::int64_t total_parameters = 0;
    std::string base_name, base_licence, base_data, base_sha256;
    std::string tuned_sha256;
    bool is_selected_with_private_data = false;

    std::vector<std::string> classes;                         ///< declared public before the run
    std::vector<std::pair<std::string, std::int64_t>> images; ///< generated per class, as asked for
    std::string manifest_sha256;
    privacy::LedgerHead ledger;
};

/// "Velamen 0.1.0"
std::string software_name();
/// Valid, Incomplete or Void, from the rest of the certificate.
std::string status_of(const Certificate& certificate);

/// With the words below, under "words". An infinite epsilon is null.
io::Json to_json(const Certificate& certificate);
/// Corrupt naming the field. The words are not read.
Result<Certificate> certificate_from(const io::Json& json);

/// Sentences generated from the numbers.
struct Words {
    std::string status;
    std::string statement;
    std::string odds;
    std::string failure;
    std::string strength;
    std::string attacker;
    std::vector<std::string> covered;
    std::vector<std::string> not_covered;
};
Words words_of(const Certificate& certificate);

/// One self-contained page. Every text is escaped.
std::string certificate_page(const Certificate& certificate);
/// DATA_CARD.md
std::string data_card(const Certificate& certificate);

/// "10.0", "1e-05": the fewest digits that read back exactly.
std::string exact_text(double number);

} // namespace velamen::release
