// SPDX-License-Identifier: GPL-3.0-or-later
//
// The pretended engine: scan, plan, sessions, release and verify.

#include "tests/gui/fake_services.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/privacy/accountant.h"
#include "engine/privacy/calibration.h"
#include "engine/privacy/explain.h"

namespace velamen::test {

namespace {

constexpr std::int64_t kStepsPerLine = 32;
constexpr double kWarmNoise = 1.012; ///< what a warm start costs the steps, as a factor

void rest(int microseconds)
{
    if (microseconds > 0) std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

/// What the pretended runs leave behind. Thread-safe.
struct Records {
    std::mutex mutex;
    std::map<std::filesystem::path, train::RunRecord> runs;
    std::map<std::filesystem::path, train::TrainingPlan> plans;
    std::vector<privacy::LedgerEntry> ledger;
    FakeOptions options;
};
using Shared = std::shared_ptr<Records>;

void appendLine(Records& records, const std::string& run, const train::TrainingPlan& plan,
                std::int64_t steps)
{
    privacy::LedgerEntry entry;
    entry.seq = static_cast<std::int64_t>(records.ledger.size());
    entry.prev = records.ledger.empty() ? std::string(64, '0')
                                        : core::sha256_hex(records.ledger.back().prev + run);
    entry.run = run;
    entry.neighbours = plan.privacy.neighbours;
    entry.event = train::charge_for(plan.privacy, steps);
    records.ledger.push_back(entry);
}

class FakeTraining final : public train::TrainingSession {
public:
    FakeTraining(Shared records, train::TrainingPlan plan, std::filesystem::path folder,
                 std::int64_t done)
        : records_(std::move(records)), plan_(std::move(plan)), folder_(std::move(folder)),
          step_(done), options_(records_->options)
    {
    }

    Result<> run(std::stop_token stop, train::Mailbox& mailbox,
                 train::TrainingObserver& observer) noexcept override
    {
        const auto rate = privacy::SamplingRate::create(plan_.privacy.rate);
        const auto noise = privacy::NoiseMultiplier::create(plan_.privacy.noise_effective);
        const auto delta = privacy::Delta::create(plan_.privacy.delta);
        const auto curve = privacy::PldCurve::create({*rate, *noise});
        if (!curve) return fail(curve.error());
        train::Progress progress;
        progress.epsilon_limit = plan_.privacy.epsilon;
        progress.micro_batch = plan_.micro_batch;
        progress.peak_gigabytes = 0.6;
        progress.note = "40 of 40 selected tensors move, no other does";
        for (const auto phase : {train::Phase::Scanning, train::Phase::Encoding}) {
            progress.phase = phase;
            progress.total = plan_.privacy.public_units;
            for (progress.done = 0; progress.done < progress.total; progress.done += 1000) {
                if (stop.stop_requested()) return stopped();
                observer.on_progress(progress);
                progress.note.clear();
                rest(options_.encodeMicroseconds * 100);
            }
        }
        if (plan_.privacy.noise_votes > 0.0) observer.on_class_mapping(votes());
        progress.phase = train::Phase::Training;
        progress.total = plan_.privacy.steps;
        progress.peak_gigabytes = 1.1;
        std::mt19937_64 random(7);
        std::normal_distribution<double> normal;
        const std::int64_t every = std::max<std::int64_t>(1, plan_.sample_every);
        if (step_ == 0) observer.on_samples(samples(0));
        while (step_ < plan_.privacy.steps) {
            if (mailbox.is_pause_wanted()) {
                record("paused");
                progress.phase = train::Phase::Paused;
                observer.on_progress(progress);
                mailbox.wait_while_paused(stop);
                progress.phase = train::Phase::Training;
                observer.on_progress(progress);
            }
            if (stop.stop_requested()) return stopped();
            if (options_.haltsAtStep > 0 && step_ >= options_.haltsAtStep) {
                rest(1000);
                continue;
            }
            if (step_ % kStepsPerLine == 0) {
                const std::lock_guard lock(records_->mutex);
                appendLine(*records_, folder_.filename().string(), plan_,
                           std::min(kStepsPerLine, plan_.privacy.steps - step_));
            }
            rest(options_.stepMicroseconds);
            ++step_;
            if (step_ == options_.failsAtStep) {
                record("failed");
                return fail(ErrorCode::NoSpace, "The disk of the run folder is full.",
                            "Free some space and resume the run.");
            }
            const auto spent = curve->epsilon_after(*privacy::Steps::create(step_), *delta);
            if (spent) epsilon_ = spent->value();
            const auto t = static_cast<double>(step_) / static_cast<double>(plan_.privacy.steps);
            train::StepPoint point;
            point.step = step_;
            point.epsilon = epsilon_;
            point.noised_loss = 0.26 + 0.22 * std::exp(-5.0 * t) + 0.012 * normal(random);
            point.noised_gradient_norm = 0.01 + 0.001 * normal(random);
            point.learning_rate = 1e-3 * (1.0 - 0.9 * t);
            observer.on_step(point);
            progress.done = step_;
            progress.epsilon = epsilon_;
            progress.rows_per_second = static_cast<double>(plan_.privacy.expected_batch) / 2.1;
            progress.seconds_left = 2.1 * static_cast<double>(plan_.privacy.steps - step_);
            observer.on_progress(progress);
            if (step_ % every == 0 || mailbox.take_sample_now() || step_ == plan_.privacy.steps) {
                record("running");
                observer.on_samples(samples(step_));
            }
        }
        record("done");
        return {};
    }

private:
    train::ClassMapping votes() const
    {
        train::ClassMapping mapping;
        for (const std::string& name : plan_.classes)
            mapping.rows.push_back(
                {name, {{"lower_o", 0.6}, {"upper_O", 0.3}, {"upper_Q", 0.07}, {"lower_c", 0.03}}});
        mapping.rows.back().parts.clear();
        return mapping;
    }

    train::SampleRow samples(std::int64_t step) const
    {
        train::SampleRow row;
        row.step = step;
        const double clarity = std::min(
            1.0, 1.8 * static_cast<double>(step) / static_cast<double>(plan_.privacy.steps));
        for (std::size_t i = 0; i < plan_.classes.size(); ++i) {
            row.labels.push_back(plan_.classes[i]);
            row.images.push_back(drawnDigit(static_cast<int>(i), 5, 32, clarity));
        }
        return row;
    }

    void record(const std::string& state)
    {
        const std::lock_guard lock(records_->mutex);
        auto& run = records_->runs[folder_];
        run.id = folder_.filename().string();
        run.state = state;
        run.step = step_;
        run.epsilon = epsilon_;
        run.epsilon_rdp = epsilon_ * 1.1;
        run.checkpoint = folder_ / "checkpoints" / "last";
        run.ledger_seq = static_cast<std::int64_t>(records_->ledger.size()) - 1;
    }

    Result<> stopped()
    {
        if (step_ > 0) record("paused");
        return fail(ErrorCode::Cancelled, "The run was stopped.");
    }

    Shared records_;
    train::TrainingPlan plan_;
    std::filesystem::path folder_;
    std::int64_t step_;
    FakeOptions options_;
    double epsilon_ = 0.0;
};

class FakeGeneration final : public generate::GenerationSession {
public:
    explicit FakeGeneration(int pause) : pause_(pause)
    {
        for (int digit = 0; digit < 10; ++digit)
            classes_.push_back(std::to_string(digit));
    }
    const std::vector<std::string>& classes() const override { return classes_; }
    Result<> run(const generate::GenerationRequest& request, std::stop_token stop,
                 const generate::ImageReceiver& receive,
                 const generate::GenerationProgress& progress,
                 const generate::DraftReceiver& draft) noexcept override
    {
        constexpr std::size_t kDrafts = 8;
        const auto total = static_cast<double>(request.classes.size());
        const auto seed_of = [&](std::size_t i) {
            return request.seeds.empty() ? request.seed + i : request.seeds[i];
        };
        for (std::size_t i = 0; i < request.classes.size(); ++i) {
            if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
            if (draft) {
                generate::Draft next{.first = static_cast<std::int64_t>(i), .images = {}};
                for (std::size_t k = i; k < std::min(i + kDrafts, request.classes.size()); ++k)
                    next.images.push_back(drawnDigit(request.classes[k], seed_of(k), 32, 0.5));
                draft(next);
            }
            rest(pause_);
            generate::GeneratedImage one;
            one.index = static_cast<std::int64_t>(i);
            one.class_index = request.classes[i];
            one.seed = seed_of(i);
            one.image = drawnDigit(one.class_index, one.seed);
            receive(one);
            if (progress) progress(static_cast<double>(i + 1), total);
        }
        return {};
    }

private:
    int pause_;
    std::vector<std::string> classes_;
};

/// Image i of all belongs to patient i modulo (patients), but the first hundred patients have one
/// image each: between 1 and many.
std::int64_t patientOf(std::int64_t image, std::int64_t patients)
{
    const std::int64_t lonely = std::min<std::int64_t>(100, patients - 1);
    return image < lonely ? image : lonely + (image - lonely) % (patients - lonely);
}

void addUnits(const FakeOptions& options, const data::Keys& keys, data::Manifest& manifest)
{
    const auto images = static_cast<std::int64_t>(manifest.images.size());
    if (keys.unit != "file") manifest.units.resize(static_cast<std::size_t>(options.patients));
    for (std::int64_t i = 0; i < images; ++i)
        if (keys.unit == "file")
            manifest.units.push_back({{i}});
        else
            manifest.units[static_cast<std::size_t>(patientOf(i, options.patients))]
                .images.push_back(i);
}

Result<data::Manifest> fakeScan(const FakeOptions& options, const std::filesystem::path& source,
                                const data::Keys& keys, const std::stop_token& stop,
                                const std::function<void(std::int64_t, std::int64_t)>& progress)
{
    if (source.string().find("missing") != std::string::npos)
        return fail(ErrorCode::NotFound, "There is no image in this folder.",
                    "Choose a folder whose subfolders hold the images of one class each.");
    if (keys.unit != "file" && (keys.unit != "column:patient" || options.patients == 0))
        return fail(ErrorCode::InvalidArgument,
                    "No image has a value for the key " + keys.unit + ".",
                    "Choose another key for the unit.");
    data::Manifest manifest;
    manifest.path = source;
    const std::int64_t total = 10 * options.imagesPerClass;
    for (int digit = 0; digit < 10; ++digit) {
        manifest.classes.push_back(std::to_string(digit));
        manifest.class_counts.push_back(options.imagesPerClass);
        for (std::int64_t i = 0; i < options.imagesPerClass; ++i)
            manifest.images.push_back(
                {std::to_string(digit) + "/" + std::to_string(i) + ".png", digit});
        if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
        progress(static_cast<std::int64_t>(manifest.images.size()), total);
        rest(20'000);
    }
    addUnits(options, keys, manifest);
    manifest.problems.push_back({data::ProblemKind::TooSmall, "3/17.png",
                                 "It is smaller than 32 pixels and was enlarged.", false});
    manifest.problems.push_back(
        {data::ProblemKind::Corrupt, "8/204.png", "It ends in the middle of a row.", true});
    return manifest;
}

ui::KeySuggestion fakeSuggestion(const FakeOptions& options)
{
    if (options.patients == 0) return {};
    return {
        {.label = "folder", .unit = "column:patient"}, "patient", {"file_name", "patient", "age"}};
}

constexpr std::int64_t kTotalParameters = 4'610'000;
constexpr std::int64_t kTableParameters = 13'824;

Result<ui::SelectionCount> fakeCount(const std::string& selection, bool trainsConditioner)
{
    static const std::map<std::string, std::int64_t> known{{"attention", 1'580'000},
                                                           {"attention:from=2", 1'264'000},
                                                           {"qkvo", 412'288},
                                                           {"full", kTotalParameters},
                                                           {"lora:8", 61'440}};
    const auto found = known.find(selection);
    if (found == known.end())
        return fail(ErrorCode::Unsupported, "this checkpoint has no " + selection,
                    "choose another");
    return ui::SelectionCount{found->second - (trainsConditioner ? 0 : kTableParameters),
                              kTotalParameters};
}

Result<checkpoint::Inspection> fakeInspection(const std::string& selection, bool trainsConditioner)
{
    VELAMEN_ASSIGN(const auto count, fakeCount(selection, trainsConditioner));
    checkpoint::Inspection found;
    found.family = "class-conditional latent diffusion (UNet2DConditionModel)";
    found.components = {{"unet", "UNet2DConditionModel", 254, 4'590'000, "F32", 18'360'000},
                        {"vae", "AutoencoderKL", 130, 1'210'000, "F32", 4'840'000},
                        {"class_embedder", "ClassEmbedder", 1, kTableParameters, "F32", 55'296}};
    for (const std::string level :
         {"down_blocks.0", "down_blocks.1", "mid_block", "up_blocks.0", "up_blocks.1"}) {
        found.blocks.push_back({level + ".resnets.0", 12, 310'000, selection == "full"});
        found.blocks.push_back({level + ".attentions.0", 20, 316'000, true});
    }
    found.total_parameters = count.total;
    found.trained_parameters = count.trained;
    found.dead_parameters = 128;
    found.sha256 = core::sha256_hex(std::string_view("letters"));
    found.card.name = "letters";
    found.card.licence = "CC0-1.0";
    found.card.data = "letters of free fonts";
    found.card.recipe = "made with velamen-cli pretrain";
    return found;
}

Result<train::TrainingPlan> fakePlan(const FakeOptions& options, const train::PlanRequest& request)
{
    if (request.public_units < 100)
        return fail(ErrorCode::Refused, "Fewer than 100 units cannot be protected usefully.",
                    "Give their number, at least 100.");
    train::TrainingPlan plan;
    plan.checkpoint = request.checkpoint;
    plan.source = request.source;
    plan.classes = request.classes;
    plan.selection = request.selection;
    plan.keys = request.keys;
    plan.train_conditioner = request.train_conditioner;
    plan.precision = request.precision;
    plan.memory_limit = request.memory_limit;
    plan.public_source = request.public_source;
    plan.optimiser.rule = request.rule;
    plan.optimiser.clipping = request.clipping;
    plan.optimiser.noise_multiplicity = request.noise_multiplicity;
    plan.optimiser.public_batch = request.public_batch;
    auto& privacy = plan.privacy;
    privacy.epsilon = request.epsilon;
    privacy.delta =
        request.delta > 0.0 ? request.delta : privacy::default_delta(request.public_units).value();
    privacy.neighbours = request.neighbours;
    privacy.unit = request.unit;
    privacy.images_per_unit = request.images_per_unit > 0 ? request.images_per_unit
        : request.unit == "image"                         ? 1
                                                          : 4;
    privacy.hardened = request.hardened;
    if (request.warm_start) privacy.noise_warm_start = 10.0;
    if (request.class_votes) privacy.noise_votes = 100.0;
    privacy.public_units = request.public_units;
    privacy.expected_batch = request.expected_batch > 0
        ? request.expected_batch
        : std::min<std::int64_t>(1024, request.public_units / 4);
    privacy.steps = request.steps > 0 ? request.steps : options.steps;
    privacy.rate =
        static_cast<double>(privacy.expected_batch) / static_cast<double>(privacy.public_units);
    VELAMEN_ASSIGN(const auto epsilon, privacy::Epsilon::create(privacy.epsilon));
    VELAMEN_ASSIGN(const auto delta, privacy::Delta::create(privacy.delta));
    VELAMEN_ASSIGN(const auto rate, privacy::SamplingRate::create(privacy.rate));
    VELAMEN_ASSIGN(const auto steps, privacy::Steps::create(privacy.steps));
    VELAMEN_ASSIGN(const auto noise, privacy::calibrate_noise(epsilon, delta, rate, steps));
    const bool isWarm = request.warm_start || request.class_votes;
    privacy.noise_effective = noise.value() * (isWarm ? kWarmNoise : 1.0);
    privacy.noise_gradient = privacy.noise_effective * 1.02;
    plan.sample_every = std::max<std::int64_t>(1, privacy.steps / 8);
    return plan;
}

train::Forecast fakeForecast(const train::TrainingPlan& plan, bool measured)
{
    train::Forecast forecast;
    forecast.epsilon = plan.privacy.epsilon * 0.999;
    forecast.epsilon_rdp = plan.privacy.epsilon * 1.09;
    forecast.epsilon_no_sampling = plan.privacy.epsilon * 14.0;
    forecast.attacker_rate = std::min(1.0, 0.01 * std::exp(plan.privacy.epsilon));
    if (plan.privacy.noise_warm_start > 0.0 || plan.privacy.noise_votes > 0.0) {
        forecast.epsilon_warm_start = 0.16 * plan.privacy.epsilon;
        forecast.noise_without_warm_start = plan.privacy.noise_effective / kWarmNoise;
    }
    forecast.trained_parameters = 1'580'000;
    forecast.total_parameters = kTotalParameters;
    if (measured) {
        forecast.seconds = 2.1 * static_cast<double>(plan.privacy.steps);
        forecast.gigabytes = 1.1;
    }
    return forecast;
}

std::string fakeCertificate(const train::TrainingPlan& plan, std::size_t images)
{
    const auto epsilon = privacy::Epsilon::create(plan.privacy.epsilon);
    return "<h2>Privacy certificate</h2><p><b>Valid.</b> " + std::to_string(images)
        + " synthetic images. " + privacy::odds_sentence(*epsilon) + "</p>"
        + "<table border='0' cellpadding='4'><tr><td>&epsilon; certified</td><td>"
        + privacy::epsilon_text(*epsilon) + "</td></tr><tr><td>&delta;</td><td>"
        + privacy::one_in(plan.privacy.delta) + "</td></tr><tr><td>steps</td><td>"
        + std::to_string(plan.privacy.steps) + "</td></tr></table>"
        + "<h3>What this does not cover</h3><ul><li>facts true of the whole group</li>"
          "<li>other releases of the same images</li></ul>";
}

release::Verification fakeVerification(const Records& records, const std::filesystem::path& zip,
                                       std::int64_t images)
{
    const bool isTampered = zip.filename().string().find("tampered") != std::string::npos;
    release::Verification found;
    found.is_valid = !isTampered;
    found.status = "Valid";
    if (isTampered)
        found.findings = {{"images/3/0004.png", "Its SHA-256 is not the one in SHA256SUMS."},
                          {"ledger.jsonl", "Line 7 does not follow from line 6."}};
    found.images = images;
    found.ledger_lines = static_cast<std::int64_t>(records.ledger.size());
    if (!records.plans.empty()) {
        const auto& plan = records.plans.rbegin()->second;
        found.epsilon = plan.privacy.epsilon;
        found.epsilon_recomputed = plan.privacy.epsilon * 0.999;
        found.epsilon_rdp = plan.privacy.epsilon * 1.09;
        found.delta = plan.privacy.delta;
        found.noise = plan.privacy.noise_effective;
        found.rate = plan.privacy.rate;
        found.steps = plan.privacy.steps;
        found.neighbours = privacy::name_of(plan.privacy.neighbours);
        found.certificate_html = fakeCertificate(plan, static_cast<std::size_t>(images));
    }
    return found;
}

} // namespace

ui::Services fakeServices(const FakeOptions& options)
{
    const auto records = std::make_shared<Records>();
    records->options = options;
    ui::Services services;
    services.demoCheckpoint = "/demo/letters";
    services.builtIn = {{"Letters", "/demo/letters"}, {"Emoji", "/demo/emoji"}};
    services.demoSource = "/demo/digits.zip";
    services.scan = [options](const auto& source, const data::Keys& keys, const std::string&,
                              std::stop_token stop, const auto& progress) {
        return fakeScan(options, source, keys, stop, progress);
    };
    services.suggestKeys = [options](const auto&) -> Result<ui::KeySuggestion> {
        return fakeSuggestion(options);
    };
    services.thumbnail = [](const auto&, const std::string& name,
                            int size) -> Result<image::Image> {
        return drawnDigit(name.front() - '0', std::hash<std::string>{}(name) % 1000, size);
    };
    services.inspect = [](const auto&, const std::string& selection, bool trainsConditioner) {
        rest(50'000);
        return fakeInspection(selection, trainsConditioner);
    };
    services.convert = [](const checkpoint::ConvertRequest& request,
                          std::stop_token) -> Result<std::vector<std::string>> {
        VELAMEN_TRY(core::make_directory(request.to));
        return std::vector<std::string>{};
    };
    services.countSelection = [](const auto&, const std::string& selection,
                                 bool trainsConditioner) {
        return fakeCount(selection, trainsConditioner);
    };
    services.makePlan = [options](const auto& request) { return fakePlan(options, request); };
    services.forecast = [](const auto& plan, bool measured) -> Result<train::Forecast> {
        rest(measured ? 200'000 : 5'000);
        return fakeForecast(plan, measured);
    };
    services.startRun = [records](const train::TrainingPlan& plan,
                                  const std::filesystem::path& folder)
        -> Result<std::unique_ptr<train::TrainingSession>> {
        const std::lock_guard lock(records->mutex);
        records->plans[folder] = plan;
        return std::make_unique<FakeTraining>(records, plan, folder, 0);
    };
    services.resumeRun = [records](const std::filesystem::path& folder)
        -> Result<std::unique_ptr<train::TrainingSession>> {
        const std::lock_guard lock(records->mutex);
        return std::make_unique<FakeTraining>(records, records->plans.at(folder), folder,
                                              records->runs.at(folder).step);
    };
    services.openGeneration =
        [options](const auto&) -> Result<std::unique_ptr<generate::GenerationSession>> {
        rest(100'000);
        return std::make_unique<FakeGeneration>(options.imageMicroseconds);
    };
    services.writeRelease = [records](const std::filesystem::path& folder,
                                      std::vector<release::ReleaseImage> images,
                                      const std::filesystem::path& zip,
                                      std::stop_token) -> Result<release::ReleaseSummary> {
        rest(100'000);
        VELAMEN_TRY(core::write_file(zip, std::to_string(images.size())));
        const std::lock_guard lock(records->mutex);
        const auto& plan = records->plans.at(folder);
        release::ReleaseSummary summary;
        summary.status = "Valid";
        summary.epsilon = plan.privacy.epsilon;
        summary.epsilon_spent = records->runs.at(folder).epsilon;
        summary.images = static_cast<std::int64_t>(images.size());
        summary.path = zip;
        summary.certificate_html = fakeCertificate(plan, images.size());
        return summary;
    };
    services.verify = [records](const std::filesystem::path& zip) -> Result<release::Verification> {
        VELAMEN_ASSIGN(const auto content, core::read_file(zip));
        const std::lock_guard lock(records->mutex);
        return fakeVerification(*records, zip, std::atoll(content.c_str()));
    };
    services.ledgerOf = [records](const auto&) -> Result<std::vector<privacy::LedgerEntry>> {
        const std::lock_guard lock(records->mutex);
        return records->ledger;
    };
    services.readRun = [records](const std::filesystem::path& folder) -> Result<train::RunRecord> {
        const std::lock_guard lock(records->mutex);
        const auto found = records->runs.find(folder);
        if (found == records->runs.end())
            return fail(ErrorCode::NotFound, "This run has not saved anything yet.");
        return found->second;
    };
    services.readPlan =
        [records](const std::filesystem::path& folder) -> Result<train::TrainingPlan> {
        const std::lock_guard lock(records->mutex);
        const auto found = records->plans.find(folder);
        if (found == records->plans.end())
            return fail(ErrorCode::NotFound, "This run has no plan.");
        return found->second;
    };
    return services;
}

} // namespace velamen::test
