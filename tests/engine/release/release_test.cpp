// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a release holds, what it must not hold, and that verify() finds every change. The oracle of
// epsilon is the accountant on the ledger's own lines; of everything else, the files as written.

#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "engine/archive/zip.h"
#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/image/codec.h"
#include "engine/privacy/composition.h"
#include "engine/release/certificate.h"
#include "engine/release/release.h"
#include "tests/support/temp_dir.h"

namespace velamen::release {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

constexpr const char* kRun = "c0ffee12";

train::TrainingPlan plan_of()
{
    train::TrainingPlan plan;
    plan.checkpoint = "/home/canary-owner/base";
    plan.source = "/home/canary-owner/patients";
    plan.classes = {"zero", "one <b>", "never drawn"};
    plan.privacy.delta = 1e-5;
    plan.privacy.public_units = 98765;
    plan.privacy.expected_batch = 5000;
    plan.privacy.rate = 5000.0 / 98765.0;
    plan.privacy.steps = 40;
    plan.privacy.noise_gradient = 2.0;
    plan.privacy.noise_loss = 8.0;
    plan.privacy.noise_effective = privacy::joint_noise(privacy::NoiseMultiplier::literal(2.0),
                                                        privacy::NoiseMultiplier::literal(8.0))
                                       .value();
    plan.privacy.epsilon = 4.0;
    return plan;
}

std::string ledger_of(const train::TrainingPlan& plan, std::vector<std::string> runs = {kRun},
                      std::int64_t steps = 40)
{
    const test::TempDir dir;
    auto ledger = privacy::Ledger::open(dir.path());
    auto event = train::charge_for(plan.privacy, 0);
    for (const std::string& run : runs)
        for (std::int64_t done = 0; done < steps; done += event.steps) {
            event.steps = std::min<std::int64_t>(32, steps - done);
            EXPECT_TRUE(ledger->reserve(run, 1, plan.privacy.unit, plan.privacy.neighbours, event));
        }
    return ledger->text();
}

ReleaseRequest request_of(const train::TrainingPlan& plan)
{
    ReleaseRequest request;
    request.plan = plan;
    request.run_id = kRun;
    request.ledger_text = ledger_of(plan);
    request.base_name = "letters";
    request.base_licence = "CC0-1.0";
    request.base_data = "drawn by a program";
    request.base_sha256 = std::string(64, 'b');
    request.tuned_sha256 = std::string(64, 'c');
    request.trained_tensors = {"down_blocks.0.attentions.0.norm.weight", "class_embedder.weight"};
    request.trained_parameters = 1'578'434;
    request.total_parameters = 4'108'805;
    for (int i = 0; i < 4; ++i) {
        image::Image picture{.width = 8, .height = 8, .channels = 1, .pixels = {}};
        for (int p = 0; p < 64; ++p)
            picture.pixels.push_back(static_cast<std::uint8_t>(p * (i + 1)));
        request.images.push_back({.class_name = plan.classes[static_cast<std::size_t>(i % 2)],
                                  .seed = 18'000'000'000'000'000'000ULL + static_cast<unsigned>(i),
                                  .guidance = 0.3,
                                  .steps = 20,
                                  .sampler = "ddim",
                                  .image = picture});
    }
    return request;
}

Files unpack(const fs::path& zip)
{
    Files files;
    auto reader = archive::ZipReader::open(zip);
    EXPECT_TRUE(reader);
    for (const auto& entry : reader->entries()) {
        const auto bytes = reader->read(entry.name);
        EXPECT_TRUE(bytes);
        files[entry.name].assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    }
    return files;
}

/// `is_summed`: with a SHA256SUMS that fits, as a careful forger would.
Verification verify_files(Files files, bool is_summed)
{
    const test::TempDir dir;
    if (is_summed) {
        files.erase("SHA256SUMS");
        std::string sums;
        for (const auto& [name, content] : files)
            sums += core::sha256_hex(std::string_view(content)) + "  " + name + "\n";
        files["SHA256SUMS"] = sums;
    }
    auto writer = archive::ZipWriter::create(dir.path() / "r.zip");
    for (const auto& [name, content] : files)
        EXPECT_TRUE(writer->add(name, std::string_view(content)));
    EXPECT_TRUE(writer->commit());
    auto result = verify(dir.path() / "r.zip");
    EXPECT_TRUE(result);
    return *result;
}

bool names(const Verification& verification, const std::string& file)
{
    for (const Finding& finding : verification.findings)
        if (finding.file == file) return true;
    return false;
}

std::string findings(const Verification& verification)
{
    std::string text;
    for (const Finding& finding : verification.findings)
        text += finding.file + " " + finding.message + "\n";
    return text;
}

struct Written {
    test::TempDir dir;
    ReleaseSummary summary;
    Files files;
    explicit Written(const ReleaseRequest& request)
    {
        auto result = write_release(request, dir.path() / "set.zip");
        EXPECT_TRUE(result) << result.error().message;
        if (!result) return;
        summary = *result;
        files = unpack(dir.path() / "set.zip");
    }
};

void replace(std::string& text, const std::string& old_part, const std::string& new_part)
{
    const auto at = text.find(old_part);
    ASSERT_NE(at, text.npos) << old_part;
    text.replace(at, old_part.size(), new_part);
}

TEST(Release, IsValidAndClaimsWhatItsLedgerGives)
{
    const auto request = request_of(plan_of());
    const Written written(request);
    const auto entries = privacy::parse_ledger(request.ledger_text);
    const auto spendings = privacy::spendings_of(*entries, kRun);
    const double epsilon =
        privacy::composed_epsilon(*spendings, privacy::Delta::literal(1e-5))->value();
    EXPECT_DOUBLE_EQ(written.summary.epsilon_spent, epsilon);
    EXPECT_EQ(written.summary.status, "Valid");
    EXPECT_EQ(written.summary.epsilon, 4.0);
    EXPECT_LT(epsilon, 4.0);
    EXPECT_GE(written.summary.epsilon_rdp, epsilon);
    EXPECT_EQ(written.summary.epsilon_dataset, epsilon);

    const auto result = verify(written.dir.path() / "set.zip");
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->is_valid) << findings(*result);
    EXPECT_EQ(result->status, "Valid");
    EXPECT_DOUBLE_EQ(result->epsilon_recomputed, epsilon);
    EXPECT_EQ(result->epsilon, 4.0);
    EXPECT_EQ(result->steps, 40);
    EXPECT_EQ(result->images, 4);
    EXPECT_EQ(result->ledger_lines, 2);
    EXPECT_EQ(result->neighbours, "zero_out");
    EXPECT_EQ(result->noise, request.plan.privacy.noise_effective);
    EXPECT_EQ(result->certificate, written.summary.certificate);
    EXPECT_EQ(result->certificate_html, written.summary.certificate_html);
}

TEST(Release, HoldsTheDocumentedFiles)
{
    const Written written(request_of(plan_of()));
    std::vector<std::string> expected{"DATA_CARD.md",          "SHA256SUMS",
                                      "certificate.html",      "certificate.json",
                                      "images/one-b/0001.png", "images/one-b/0002.png",
                                      "images/zero/0001.png",  "images/zero/0002.png",
                                      "ledger.jsonl",          "manifest.csv"};
    std::vector<std::string> there;
    for (const auto& [name, content] : written.files)
        there.push_back(name);
    EXPECT_EQ(there, expected);
    const auto& manifest = written.files.at("manifest.csv");
    EXPECT_TRUE(manifest.starts_with("file,class,seed,sampler,steps,guidance,sha256\n"
                                     "images/zero/0001.png,zero,18000000000000000000,ddim,20,0.3,"))
        << manifest;
}

TEST(Release, MarksEveryImageAsSynthetic)
{
    const Written written(request_of(plan_of()));
    for (const auto& [name, content] : written.files) {
        if (!name.starts_with("images/")) continue;
        const auto text = image::png_text(std::as_bytes(std::span(content.data(), content.size())));
        ASSERT_TRUE(text);
        EXPECT_TRUE(text->at("Software").starts_with("Velamen "));
        EXPECT_EQ(text->at("Source"), "Synthetic, DP ε=4.00 δ=1e-05");
        EXPECT_NE(text->at("parameters").find("Seed: 1800000000000000000"), std::string::npos);
        EXPECT_NE(content.find("digitalsourcetype/trainedAlgorithmicMedia"), std::string::npos);
    }
}

TEST(Release, GivesEqualBytesForEqualContent)
{
    const auto request = request_of(plan_of());
    const Written first(request), second(request); // so nothing in it can be a time
    EXPECT_EQ(*core::read_file(first.dir.path() / "set.zip"),
              *core::read_file(second.dir.path() / "set.zip"));
}

TEST(Release, HoldsNothingPrivate)
{
    auto request = request_of(plan_of());
    const Written written(request);
    for (const auto& [name, content] : written.files) {
        EXPECT_EQ(content.find("canary"), std::string::npos) << name;
        EXPECT_EQ(content.find("patients"), std::string::npos) << name;
        EXPECT_EQ(content.find(written.dir.path().string()), std::string::npos) << name;
    }
    EXPECT_NE(written.files.at("certificate.json").find("\"public_units\": 98765"),
              std::string::npos); // zero-out: it is public
}

TEST(Release, SpeaksOfPatientsWhereTheyAreTheUnits)
{
    auto plan = plan_of();
    plan.keys.unit = "pattern:^canary([0-9]+)";
    plan.privacy.unit = "patient";
    plan.privacy.images_per_unit = 4;
    plan.optimiser.noise_multiplicity = 2;
    const Written written(request_of(plan));
    const auto result = verify(written.dir.path() / "set.zip");
    EXPECT_TRUE(result->is_valid) << findings(*result);
    const auto& json = written.files.at("certificate.json");
    EXPECT_NE(json.find("98765 units of protection, one patient each"), std::string::npos);
    EXPECT_NE(json.find("at most 4 images of each patient"), std::string::npos);
    EXPECT_NE(json.find("suspicion that a patient is in the folder"), std::string::npos);
    EXPECT_EQ(json.find("any one image"), std::string::npos);
    EXPECT_EQ(json.find("canary"), std::string::npos); // an expression stays in the plan
    const auto forged = [&](const std::string& from, const std::string& to) {
        Files files = written.files;
        std::string& text = files.at("certificate.json");
        text.replace(text.find(from), from.size(), to);
        return verify_files(files, true);
    };
    for (const auto& other : {forged(R"("unit_key": "pattern")", R"("unit_key": "file")"),
                              forged(R"("images_per_unit": 4)", R"("images_per_unit": 0)"),
                              forged(R"("unit": "patient")", R"("unit": "image")")})
        EXPECT_TRUE(names(other, "certificate.json"));
}

TEST(Release, ShowsNoNumberOfUnitsUnderAddRemove)
{
    auto plan = plan_of();
    plan.privacy.neighbours = privacy::Neighbours::AddRemove;
    const Written written(request_of(plan));
    const auto result = verify(written.dir.path() / "set.zip");
    EXPECT_TRUE(result->is_valid) << findings(*result);
    EXPECT_EQ(result->neighbours, "add_remove");
    for (const auto& [name, content] : written.files) {
        EXPECT_EQ(content.find("98765"), std::string::npos) << name;
        EXPECT_EQ(content.find("98\u202f765"), std::string::npos) << name;
    }
}

TEST(Release, NeverWritesWordsThatPromiseMoreThanTheProof)
{
    const Written written(request_of(plan_of()));
    for (const char* word : {"anonym", "Anonym", "de-identif", "HIPAA", "GDPR", "safe to share"})
        for (const char* name : {"certificate.json", "certificate.html", "DATA_CARD.md"})
            EXPECT_EQ(written.files.at(name).find(word), std::string::npos) << word << name;
}

TEST(Release, EscapesNamesOnThePage)
{
    const Written written(request_of(plan_of()));
    const std::string& page = written.files.at("certificate.html");
    EXPECT_EQ(page.find("one <b>"), std::string::npos);
    EXPECT_NE(page.find("one &lt;b&gt;"), std::string::npos);
    EXPECT_EQ(page.find("http"), std::string::npos); // loads nothing
    EXPECT_EQ(page.find("<script"), std::string::npos);
}

TEST(Release, NamesTheFileOfWhichOneByteWasFlipped)
{
    const Written written(request_of(plan_of()));
    for (const auto& [name, content] : written.files)
        for (const std::size_t part : {2U, 3U}) {
            Files files = written.files;
            char& byte = files[name][content.size() / part];
            byte = static_cast<char>(byte ^ 1);
            const auto result = verify_files(files, false);
            EXPECT_FALSE(result.is_valid) << name;
            EXPECT_TRUE(name == "SHA256SUMS" || names(result, name)) << name << ":\n"
                                                                     << findings(result);
        }
    const auto untouched = verify_files(written.files, false);
    EXPECT_TRUE(untouched.is_valid) << findings(untouched);
}

TEST(Release, FindsWhatAForgerChangedWhoAlsoFixedTheHashes)
{
    const Written written(request_of(plan_of()));
    const std::string certificate = "certificate.json", ledger = "ledger.jsonl",
                      manifest = "manifest.csv", png = "images/zero/0001.png";
    const auto number_of = [&](const char* part, const char* key) {
        return io::Json(*written.summary.certificate.find(part)->number(key)).dump();
    };
    const std::string spent = number_of("epsilon", "spent");
    const struct {
        const char* name;
        std::string file; ///< that must be named
        std::function<void(Files&)> change;
    } forgeries[] = {
        {"smaller spent epsilon", certificate,
         [&](Files& f) { replace(f[certificate], "\"spent\": " + spent, "\"spent\": 0.5"); }},
        {"smaller certified epsilon", certificate,
         [&](Files& f) { replace(f[certificate], "\"certified\": 4.0", "\"certified\": 0.1"); }},
        {"slightly smaller certified epsilon", "certificate.html",
         [&](Files& f) { replace(f[certificate], "\"certified\": 4.0", "\"certified\": 3.9"); }},
        {"smaller delta", certificate,
         [&](Files& f) { replace(f[certificate], "\"delta\": 1e-05", "\"delta\": 1e-09"); }},
        {"other cross-check", certificate,
         [&](Files& f) {
             replace(f[certificate], "\"rdp\": " + number_of("epsilon", "rdp"), "\"rdp\": 1.0");
         }},
        {"more noise", certificate,
         [&](Files& f) {
             replace(f[certificate], "\"noise_gradient\": 2.0", "\"noise_gradient\": 3.0");
         }},
        {"fewer steps", certificate,
         [&](Files& f) { replace(f[certificate], "\"steps\": 40", "\"steps\": 20"); }},
        {"better status", certificate,
         [&](Files& f) { replace(f[certificate], "\"Valid\"", "\"Incomplete\""); }},
        {"better words", certificate,
         [&](Files& f) { replace(f[certificate], "epsilon at most 4.0", "epsilon at most 1.0"); }},
        {"extra field", certificate,
         [&](Files& f) { replace(f[certificate], "{", "{\"seal\": \"approved\","); }},
        {"smaller number of units", certificate,
         [&](Files& f) { replace(f[certificate], "98765", "9876"); }},
        {"more images", certificate,
         [&](Files& f) { replace(f[certificate], "\"zero\": 2", "\"zero\": 3"); }},
        {"not JSON", certificate, [&](Files& f) { f[certificate] = "{"; }},
        {"no certificate", certificate, [&](Files& f) { f.erase(certificate); }},
        {"last ledger line removed", ledger,
         [&](Files& f) {
             std::string& text = f[ledger];
             text.erase(text.find('\n') + 1);
         }},
        {"ledger line edited", ledger,
         [&](Files& f) { replace(f[ledger], "\"steps\":32", "\"steps\":2"); }},
        {"last ledger line edited", ledger,
         [&](Files& f) { replace(f[ledger], "\"steps\":8", "\"steps\":1"); }},
        {"torn ledger", ledger, [&](Files& f) { f[ledger].pop_back(); }},
        {"other seed", manifest,
         [&](Files& f) { replace(f[manifest], "18000000000000000000", "7"); }},
        {"row removed", png,
         [&](Files& f) {
             std::string& text = f[manifest];
             const auto at = text.find('\n') + 1;
             text.erase(at, text.find('\n', at) + 1 - at);
         }},
        {"manifest not CSV", manifest, [&](Files& f) { f[manifest] += "x\n"; }},
        {"image removed", png, [&](Files& f) { f.erase(png); }},
        {"image replaced by another of the set", png,
         [&](Files& f) { f[png] = f["images/zero/0002.png"]; }},
        {"image without marks", png,
         [&](Files& f) {
             const image::Image plain{.width = 1, .height = 1, .channels = 1, .pixels = {7}};
             const auto bytes = image::encode_png(plain);
             const std::string old_hash = core::sha256_hex(std::string_view(f[png]));
             f[png].assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
             replace(f[manifest], old_hash, core::sha256_hex(std::string_view(f[png])));
         }},
        {"page edited", "certificate.html",
         [&](Files& f) { replace(f["certificate.html"], "4.00", "0.10"); }},
        {"data card edited", "DATA_CARD.md", [&](Files& f) { f["DATA_CARD.md"] += "Approved.\n"; }},
        {"file added", "notes.txt", [&](Files& f) { f["notes.txt"] = "hello"; }},
        {"image added", "images/zero/0003.png",
         [&](Files& f) { f["images/zero/0003.png"] = f[png]; }},
    };
    for (const auto& forgery : forgeries) {
        Files files = written.files;
        forgery.change(files);
        const auto result = verify_files(files, true);
        EXPECT_FALSE(result.is_valid) << forgery.name;
        EXPECT_TRUE(names(result, forgery.file))
            << forgery.name << " does not name " << forgery.file << ":\n"
            << findings(result);
    }
}

TEST(Release, CertifiesTheDeclaredLimitOfARunThatEndedEarly)
{
    auto request = request_of(plan_of());
    request.ledger_text = ledger_of(request.plan, {kRun}, 10);
    const Written written(request);
    EXPECT_EQ(written.summary.status, "Incomplete");
    EXPECT_EQ(written.summary.epsilon, 4.0);
    EXPECT_LT(written.summary.epsilon_spent, 2.0);
    EXPECT_TRUE(verify(written.dir.path() / "set.zip")->is_valid);
}

TEST(Release, BoundsTheAttackerOfARunThatEndedEarlyByItsPlan)
{
    auto request = request_of(plan_of());
    const Written whole(request);
    request.ledger_text = ledger_of(request.plan, {kRun}, 10);
    const Written early(request);
    EXPECT_EQ(*early.summary.certificate.find("attacker"),
              *whole.summary.certificate.find("attacker"));
    EXPECT_EQ(*early.summary.certificate.find("epsilon")->number("planned"),
              whole.summary.epsilon_spent);
    // Enough for the 10 steps, not for the 40 of the plan.
    request.plan.privacy.epsilon =
        (early.summary.epsilon_spent + whole.summary.epsilon_spent) / 2.0;
    EXPECT_LT(early.summary.epsilon_spent, request.plan.privacy.epsilon);
    EXPECT_EQ(Written(request).summary.status, "Void");
}

TEST(Release, IsVoidInTestModeAndWhenMoreWasSpentThanDeclared)
{
    auto plan = plan_of();
    plan.reproducible = true;
    const Written repeatable(request_of(plan));
    plan = plan_of();
    plan.privacy.epsilon = 0.5;
    const Written overspent(request_of(plan));
    for (const Written* written : {&repeatable, &overspent}) {
        EXPECT_EQ(written->summary.status, "Void");
        EXPECT_NE(written->summary.certificate_html.find(">VOID<"), std::string::npos);
        const auto result = verify(written->dir.path() / "set.zip");
        EXPECT_FALSE(result->is_valid);
        EXPECT_TRUE(names(*result, "certificate.json"));
    }
}

TEST(Release, AddsUpAllRunsOfTheDataset)
{
    auto request = request_of(plan_of());
    request.ledger_text = ledger_of(request.plan, {"other", kRun});
    const Written written(request);
    EXPECT_EQ(written.summary.status, "Valid");
    EXPECT_GT(written.summary.epsilon_dataset, written.summary.epsilon_spent * 1.2);
    const auto result = verify(written.dir.path() / "set.zip");
    EXPECT_TRUE(result->is_valid) << findings(*result);
}

TEST(Certificate, RefusesNumbersOfImagesThatNoReleaseHas)
{
    for (const std::int64_t count : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
        io::Json json = to_json(Certificate{});
        json["images"]["per_class"]["a"] = count;
        json["images"]["per_class"]["b"] = count;
        EXPECT_EQ(certificate_from(json).error().code, ErrorCode::Corrupt) << count;
    }
}

TEST(Release, OfAHardenedRunIsValidByItsRenyiBound)
{
    auto plan = plan_of();
    plan.privacy.hardened = true;
    plan.privacy.noise_clipped = 16.0;
    plan.privacy.noise_gradient = 2.2;
    plan.privacy.epsilon = 8.0;
    const Written written(request_of(plan));
    EXPECT_EQ(written.summary.status, "Valid");
    EXPECT_DOUBLE_EQ(written.summary.epsilon_spent, written.summary.epsilon_rdp);
    const auto result = verify(written.dir.path() / "set.zip");
    EXPECT_TRUE(result->is_valid) << findings(*result);
}

TEST(Release, SaysWhenItWasSelectedWithPrivateData)
{
    auto request = request_of(plan_of());
    const auto says = [](const Written& written) {
        return written.files.at("certificate.html").find("selected by comparing")
            != std::string::npos;
    };
    EXPECT_FALSE(says(Written(request)));
    request.is_selected_with_private_data = true;
    EXPECT_TRUE(says(Written(request)));
}

TEST(Release, GivesClassesOfEqualSlugsFoldersOfTheirOwn)
{
    auto request = request_of(plan_of());
    request.plan.classes = {"A b", "a-b", "Ω"};
    for (std::size_t i = 0; i < 4; ++i)
        request.images[i].class_name = request.plan.classes[i % 3];
    const Written written(request);
    EXPECT_TRUE(written.files.contains("images/a-b/0002.png"));
    EXPECT_TRUE(written.files.contains("images/a-b-2/0001.png"));
    EXPECT_TRUE(written.files.contains("images/class/0001.png"));
    const auto result = verify(written.dir.path() / "set.zip");
    EXPECT_TRUE(result->is_valid) << findings(*result);
}

TEST(Release, RefusesWhatItCannotVouchForAndWritesNothing)
{
    const test::TempDir dir;
    const auto code_of = [&](const std::function<void(ReleaseRequest&)>& change,
                             std::stop_token stop = {}) {
        auto request = request_of(plan_of());
        change(request);
        const auto result = write_release(request, dir.path() / "set.zip", stop);
        EXPECT_TRUE(fs::is_empty(dir.path()));
        return result ? ErrorCode::Internal : result.error().code;
    };
    EXPECT_EQ(code_of([](auto& r) { r.images.clear(); }), ErrorCode::InvalidArgument);
    EXPECT_EQ(code_of([](auto& r) { r.run_id = "another"; }), ErrorCode::Refused);
    EXPECT_EQ(code_of([](auto& r) { r.ledger_text.clear(); }), ErrorCode::Refused);
    EXPECT_EQ(code_of([](auto& r) { r.ledger_text.pop_back(); }), ErrorCode::Refused);
    EXPECT_EQ(code_of([](auto& r) { r.ledger_text[100] ^= 1; }), ErrorCode::Refused);
    EXPECT_EQ(code_of([](auto& r) { r.plan.privacy.noise_effective += 0.1; }), ErrorCode::Refused);
    EXPECT_EQ(code_of([](auto& r) { r.plan.privacy.unit = "patient"; }), ErrorCode::Refused);
    EXPECT_EQ(code_of([](auto& r) { r.plan.privacy.delta = 1e-3; }), ErrorCode::Refused);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(code_of([](auto&) {}, stop.get_token()), ErrorCode::Cancelled);
}

TEST(Verify, IsAnErrorOnlyWhenTheZipCannotBeRead)
{
    const test::TempDir dir;
    EXPECT_FALSE(verify(dir.path() / "none.zip"));
    ASSERT_TRUE(core::write_file(dir.path() / "text.zip", std::string_view("hello")));
    EXPECT_FALSE(verify(dir.path() / "text.zip"));
    auto writer = archive::ZipWriter::create(dir.path() / "other.zip");
    ASSERT_TRUE(writer->add("readme.txt", std::string_view("hello")));
    ASSERT_TRUE(writer->commit());
    const auto result = verify(dir.path() / "other.zip");
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->is_valid);
    EXPECT_TRUE(names(*result, "certificate.json"));
    EXPECT_EQ(result->findings.size(), 1U);
}

} // namespace
} // namespace velamen::release
