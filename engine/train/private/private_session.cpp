// SPDX-License-Identifier: GPL-3.0-or-later
//
// The loop of a private run. Order of a step, which carries the guarantee: draw, clip and sum,
// ledger line on the disk, noise, update. A stop before the ledger line costs nothing; after it the
// step is spent.

#include "engine/train/private/private_session.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/data/poisson.h"
#include "engine/dpsgd/clipper.h"
#include "engine/dpsgd/optimiser.h"
#include "engine/dpsgd/out_of_memory.h"
#include "engine/dpsgd/private_step.h"
#include "engine/train/peak_memory.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/draw_sum.h"
#include "engine/train/private/preview.h"
#include "engine/train/private/private_model.h"
#include "engine/train/private/public_batch.h"
#include "engine/train/private/recorded_heads.h"
#include "engine/train/private/run_account.h"
#include "engine/train/private/run_folder.h"
#include "engine/train/private/saved_run.h"
#include "engine/train/private/warm_start.h"

namespace velamen::train {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using io::Json;

double seconds_since(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

dpsgd::OptimiserOptions optimiser_options(const TrainingPlan& plan)
{
    const OptimiserPlan& o = plan.optimiser;
    const auto rule = o.rule == "sgd" ? dpsgd::OptimiserRule::Sgd
        : o.rule == "adam_bc"         ? dpsgd::OptimiserRule::AdamBiasCorrected
                                      : dpsgd::OptimiserRule::AdamW;
    return {.rule = rule,
            .learning_rate = o.learning_rate,
            .beta1 = o.beta1,
            .beta2 = o.beta2,
            .epsilon = o.epsilon,
            .momentum = o.momentum,
            .weight_decay = o.weight_decay,
            .warmup_steps = o.warmup_steps,
            .total_steps = plan.privacy.steps,
            .final_fraction = o.final_fraction,
            .ema_decay = o.ema_decay};
}

class PrivateSession final : public TrainingSession {
public:
    PrivateSession(RunFolder folder, fs::path ledgers)
        : folder_(std::move(folder)), plan_(folder_.plan()), ledgers_(std::move(ledgers))
    {
    }

    Result<> run(std::stop_token stop, Mailbox& mailbox,
                 TrainingObserver& observer) noexcept override
    try {
        stop_ = std::move(stop);
        mailbox_ = &mailbox;
        observer_ = &observer;
        auto outcome = prepare();
        if (outcome) outcome = train();
        if (!outcome && outcome.error().code != ErrorCode::Cancelled) mark("failed");
        return outcome;
    } catch (const std::exception& error) {
        mark("failed");
        if (dpsgd::is_out_of_memory(error))
            return fail(ErrorCode::OutOfMemory, "the run needs more memory than there is",
                        "close other programs, then resume the run: what it saved is whole");
        return fail(ErrorCode::Internal, std::string("the run failed: ") + error.what(),
                    "the last saved state is whole: resume the run");
    }

private:
    Result<> prepare();
    Result<> open_ledger(const privacy::LedgerStore& store);
    Result<> begin_warm();
    Result<privacy::SpentRelease> charge(const privacy::NoisyRelease& release);
    Result<> train();
    Result<> take_step(double epsilon_after_it);
    Result<dpsgd::ClippedSum> clipped_sum();
    std::uint64_t position() const;
    Result<> check_first_step(const dpsgd::StepReport& report);
    Result<> preview();
    Result<> save(const char* state);
    Result<> pause();

    void mark(const char* state) noexcept;
    void tell(Phase phase, std::int64_t done, std::int64_t total, std::string note = {});
    Error cancelled() const
    {
        return {ErrorCode::Cancelled, "the run was stopped; what is spent stays spent",
                "resume it from its run folder"};
    }
    RunRecord& record() { return folder_.state().record; }

    RunFolder folder_;
    const TrainingPlan plan_;
    fs::path ledgers_;
    std::stop_token stop_;
    Mailbox* mailbox_ = nullptr;
    TrainingObserver* observer_ = nullptr;

    std::unique_ptr<PrivateModel> model_;
    std::unique_ptr<Preview> preview_;
    Dataset dataset_;
    std::optional<RunAccount> account_;
    std::optional<dpsgd::Clipper> clipper_;
    std::optional<dpsgd::Optimiser> optimiser_;
    std::optional<data::PoissonSampler> sampler_;
    std::optional<core::StreamKey> sampling_key_, noise_key_, augmentation_key_;
    std::optional<DrawSum> draw_sum_;
    std::optional<PublicBatch> public_batch_;                      // none: the plan has none
    std::optional<dpsgd::FrozenWatch> frozen_unet_, frozen_table_; // the autoencoder is aside

    std::int64_t rows_done_ = 0; ///< expected rows, public
    std::int64_t first_step_ = 0;
    double epsilon_ = 0.0;
    Clock::time_point training_since_;
};

Result<> PrivateSession::prepare()
{
    tell(Phase::Preparing, 0, 0);
    VELAMEN_ASSIGN(account_, RunAccount::create(plan_.privacy));
    VELAMEN_ASSIGN(model_, PrivateModel::create(plan_));
    if (const auto& dead = model_->dead_names(); !dead.empty())
        tell(Phase::Preparing, 0, 0,
             std::to_string(dead.size()) + " selected tensors, such as " + dead.front()
                 + ", have a gradient of zero by construction: they receive noise alone");
    VELAMEN_ASSIGN(preview_, Preview::create(plan_, *model_));
    model_->checkpoint().set_aside(checkpoint::Role::Conditioner); // its prompts are encoded
    VELAMEN_ASSIGN(auto store, privacy::LedgerStore::open(ledgers_));
    VELAMEN_ASSIGN(
        dataset_,
        load_dataset(
            plan_, store, model_->checkpoint(), stop_,
            [this](std::int64_t done, std::int64_t total) { tell(Phase::Scanning, done, total); },
            [this](std::int64_t done, std::int64_t total) { tell(Phase::Encoding, done, total); }));
    VELAMEN_TRY(open_ledger(store));

    // Keys live in memory only: a resumed run draws fresh ones. A test's are the same again, and
    // its streams go on at the step where the run stands.
    const auto key = plan_.reproducible
        ? core::StreamKey::reproducible(static_cast<std::uint64_t>(plan_.preview_seed))
        : core::StreamKey::fresh();
    sampling_key_ = key.derive(core::StreamPurpose::Sampling);
    noise_key_ = key.derive(core::StreamPurpose::Noise);
    augmentation_key_ = key.derive(core::StreamPurpose::Augmentation);
    VELAMEN_TRY(begin_warm());

    give_back_free_memory(); // that of loading and encoding, before the optimiser takes its own
    VELAMEN_ASSIGN(clipper_, make_clipper(plan_, model_->trained()));
    optimiser_.emplace(model_->trained(), optimiser_options(plan_));
    if (plan_.precision == "bf16" && !has_bf16_units())
        tell(Phase::Preparing, 0, 0, "this CPU has no bf16 units: a plan in fp32 would be faster");
    sampler_.emplace(static_cast<std::int64_t>(dataset_.units.size()), account_->event().rate);
    draw_sum_.emplace(plan_, *model_, *clipper_, dataset_, *augmentation_key_);
    VELAMEN_TRY(load_state(folder_, *optimiser_));
    if (plan_.optimiser.public_batch > 0) {
        VELAMEN_ASSIGN(
            public_batch_,
            PublicBatch::load(plan_, *model_, stop_, [this](std::int64_t done, std::int64_t total) {
                tell(Phase::Encoding, done, total);
            }));
    }

    Json started = Json::object();
    started["event"] = "started";
    started["run"] = record().id;
    started["attempt"] = folder_.state().attempt;
    return folder_.log(started);
}

Result<> PrivateSession::open_ledger(const privacy::LedgerStore& store)
{
    auto& state = folder_.state();
    const bool is_known = state.dataset.empty() || state.dataset == dataset_.fingerprint;
    if (!is_known)
        return fail(ErrorCode::Refused,
                    "the folder now holds other images, classes or groups of images than when the "
                    "run began",
                    "put them back as they were, or start a new run for them");
    state.dataset = dataset_.fingerprint;
    VELAMEN_TRY(account_->join(store, dataset_.hashes, state));
    VELAMEN_TRY(check_recorded_heads(folder_.path(), plan_, model_->checkpoint().card(), store,
                                     account_->ledger()));
    // A ceiling that would end the run midway is met before anything is charged.
    VELAMEN_TRY(account_->check_room(state.state_file.empty()));
    ++state.attempt;
    record().ledger_id = account_->ledger().id();
    record().state = "running";
    epsilon_ = account_->epsilon_after(account_->spent());
    return folder_.save();
}

Result<> PrivateSession::begin_warm()
{
    if (account_->warm_start().empty()) return {};
    return warm_start(
        {.folder = folder_,
         .dataset = dataset_,
         .model = *model_,
         .preview = preview_->checkpoint(),
         .noise = *noise_key_,
         .stop = stop_,
         .is_charged =
             [this](const std::string& purpose) { return account_->is_released(purpose); },
         .charge = [this](const auto& release) { return charge(release); },
         .counter = [this](auto done, auto total) { tell(Phase::WarmStart, done, total); },
         .note = [this](std::string note) { tell(Phase::WarmStart, 0, 0, std::move(note)); },
         .observer = *observer_});
}

Result<privacy::SpentRelease> PrivateSession::charge(const privacy::NoisyRelease& release)
{
    VELAMEN_ASSIGN(auto right, account_->reserve_release(folder_.state(), release));
    epsilon_ = account_->epsilon_after(0);
    return right;
}

Result<> PrivateSession::train()
{
    const std::int64_t planned = plan_.privacy.steps;
    VELAMEN_TRY(preview());
    if (account_->has_released() && optimiser_->steps_done() == 0) VELAMEN_TRY(save("running"));
    training_since_ = Clock::now();
    first_step_ = optimiser_->steps_done();
    tell(Phase::Training, optimiser_->steps_done(), planned);
    while (optimiser_->steps_done() < planned && account_->spent() < planned) {
        // The hard stop: not one step beyond the declared epsilon.
        const double after = account_->epsilon_after(account_->spent() + 1);
        if (after > plan_.privacy.epsilon) {
            tell(Phase::Training, optimiser_->steps_done(), planned, "the budget is used up");
            break;
        }
        VELAMEN_TRY(take_step(after));
        const std::int64_t done = optimiser_->steps_done();
        const bool is_due = plan_.sample_every > 0 && done % plan_.sample_every == 0;
        if (mailbox_->take_sample_now() || is_due || done == planned) VELAMEN_TRY(preview());
        if (is_due && done != planned) VELAMEN_TRY(save("running"));
        tell(Phase::Training, done, planned);
    }
    VELAMEN_TRY(save("done"));
    tell(Phase::Done, optimiser_->steps_done(), planned);
    return {};
}

Result<> PrivateSession::take_step(double epsilon_after_it)
{
    if (optimiser_->steps_done() == first_step_) {
        frozen_unet_.emplace(model_->watch_unet());
        frozen_table_.emplace(model_->watch_conditioner());
    }
    // Drawn before the data are looked at: how long it takes says nothing about them.
    std::optional<privacy::GridNoise> grid_noise;
    if (plan_.privacy.hardened) {
        VELAMEN_ASSIGN(grid_noise,
                       privacy::GridNoise::draw(clipper_->grid(), account_->event().noise,
                                                core::SecureStream(*noise_key_, position(), 0)));
    }
    const std::int64_t pass_rows = draw_sum_->pass_rows();
    // Stopped here, the draw is forgotten, not spent: nothing was released.
    VELAMEN_ASSIGN(auto sum, clipped_sum());
    if (draw_sum_->pass_rows() < pass_rows)
        tell(Phase::Training, optimiser_->steps_done(), plan_.privacy.steps,
             "memory ran out: " + std::to_string(draw_sum_->pass_rows())
                 + " rows a pass from now on");
    std::optional<dpsgd::PublicGradient> public_gradient;
    if (public_batch_) {
        VELAMEN_ASSIGN(auto values,
                       public_batch_->gradient(*model_, static_cast<std::int64_t>(position()),
                                               draw_sum_->pass_rows()));
        public_gradient = {std::move(values), plan_.optimiser.public_weight};
    }
    VELAMEN_ASSIGN(auto spent, account_->reserve_step(folder_.state()));
    auto gradient = grid_noise
        ? dpsgd::NoisyGradient::release(std::move(sum), std::move(spent), std::move(*grid_noise))
        : dpsgd::NoisyGradient::release(std::move(sum), std::move(spent), *noise_key_);
    StepPoint point;
    point.noised_loss = gradient.noised_loss();
    point.noised_clipped_fraction = gradient.noised_clipped_fraction();
    VELAMEN_ASSIGN(
        const dpsgd::StepReport report,
        optimiser_->step(std::move(gradient), public_gradient ? &*public_gradient : nullptr));
    VELAMEN_TRY(check_first_step(report));
    epsilon_ = epsilon_after_it;
    rows_done_ += plan_.privacy.expected_batch * rows_per_unit(plan_);
    point.step = report.step;
    point.epsilon = epsilon_;
    point.noised_gradient_norm = report.noised_gradient_norm;
    point.learning_rate = report.learning_rate;
    VELAMEN_TRY(folder_.log(point));
    observer_->on_step(point);
    return {};
}

/// Of this step in the run's streams.
std::uint64_t PrivateSession::position() const
{
    return static_cast<std::uint64_t>(account_->spent());
}

Result<dpsgd::ClippedSum> PrivateSession::clipped_sum()
{
    core::SecureStream sampling(*sampling_key_, position(), 0);
    return draw_sum_->sum(sampler_->draw(sampling), position(), [this] { return pause(); });
}

Result<> PrivateSession::check_first_step(const dpsgd::StepReport& report)
{
    if (!frozen_unet_) return {};
    VELAMEN_TRY(dpsgd::check_moved(report, model_->trained()));
    give_back_free_memory(); // that of the sums, before everything frozen is read once more
    VELAMEN_TRY(frozen_unet_->check());
    VELAMEN_TRY(frozen_table_->check());
    frozen_unet_.reset();
    frozen_table_.reset();
    const std::string count = std::to_string(model_->trained().size());
    tell(Phase::Training, optimiser_->steps_done(), plan_.privacy.steps,
         count + " of " + count + " selected tensors move, no other does");
    return {};
}

Result<> PrivateSession::preview()
{
    tell(Phase::Sampling, 0, 0);
    preview_->set_weights(optimiser_->averaged());
    // A step needs no autoencoder, and drawing not what a step took.
    auto& checkpoint = model_->checkpoint();
    VELAMEN_TRY(checkpoint.bring_back(checkpoint::Role::Autoencoder));
    give_back_free_memory();
    auto row = preview_->draw(optimiser_->steps_done(), stop_);
    checkpoint.set_aside(checkpoint::Role::Autoencoder);
    give_back_free_memory();
    if (!row) {
        if (row.error().code != ErrorCode::Cancelled) return fail(row.error());
        return {}; // a preview is never worth a run: the loop sees the stop itself
    }
    observer_->on_samples(*row);
    return {};
}

/// Between micro-batches.
Result<> PrivateSession::pause()
{
    if (stop_.stop_requested()) {
        VELAMEN_TRY(save("paused"));
        return fail(cancelled());
    }
    if (!mailbox_->is_pause_wanted()) return {};
    VELAMEN_TRY(save("paused"));
    const auto since = Clock::now();
    tell(Phase::Paused, optimiser_->steps_done(), plan_.privacy.steps, "paused");
    mailbox_->wait_while_paused(stop_);
    training_since_ += Clock::now() - since; // the average speed does not count the pause
    if (stop_.stop_requested()) return fail(cancelled());
    record().state = "running";
    VELAMEN_TRY(folder_.save());
    tell(Phase::Training, optimiser_->steps_done(), plan_.privacy.steps, "resumed");
    return {};
}

Result<> PrivateSession::save(const char* state)
{
    const std::int64_t step = optimiser_->steps_done();
    tell(Phase::Saving, step, plan_.privacy.steps);
    VELAMEN_TRY(save_state(folder_, *optimiser_));
    const privacy::LedgerHead head = account_->ledger().head();
    record().ledger_seq = head.seq;
    record().ledger_hash = head.hash;
    record().step = step;
    record().epsilon = epsilon_;
    record().epsilon_rdp = account_->rdp_after(account_->spent());
    record().state = state;
    if (step > 0) {
        preview_->set_weights(optimiser_->averaged());
        VELAMEN_TRY(save_tuned(folder_, preview_->checkpoint(), model_->trained_names()));
    }
    VELAMEN_TRY(folder_.save());
    folder_.drop_old_states();
    return {};
}

void PrivateSession::mark(const char* state) noexcept
try {
    record().state = state;
    static_cast<void>(folder_.save());
} catch (...) {
    // The record of the last save stands; resume reads the ledger, not this field.
}

void PrivateSession::tell(Phase phase, std::int64_t done, std::int64_t total, std::string note)
{
    Progress progress;
    progress.phase = phase;
    progress.done = done;
    progress.total = total;
    progress.epsilon = epsilon_;
    progress.epsilon_limit = plan_.privacy.epsilon;
    progress.micro_batch = draw_sum_ ? draw_sum_->micro_batch() : plan_.micro_batch;
    progress.peak_gigabytes = peak_gibibytes();
    progress.note = std::move(note);
    if (optimiser_ && optimiser_->steps_done() > first_step_) {
        const double elapsed = seconds_since(training_since_);
        const auto steps = static_cast<double>(optimiser_->steps_done() - first_step_);
        progress.rows_per_second = static_cast<double>(rows_done_) / std::max(elapsed, 1e-9);
        progress.seconds_left =
            elapsed / steps * static_cast<double>(plan_.privacy.steps - optimiser_->steps_done());
    }
    observer_->on_progress(progress);
}

} // namespace

Result<std::unique_ptr<TrainingSession>>
start_private_run(const TrainingPlan& plan, const fs::path& run_folder, const fs::path& ledgers)
{
    VELAMEN_ASSIGN(const std::string base, checkpoint::fingerprint(plan.checkpoint));
    VELAMEN_ASSIGN(RunFolder folder, RunFolder::create(run_folder, plan, base));
    return std::make_unique<PrivateSession>(std::move(folder), ledgers);
}

Result<std::unique_ptr<TrainingSession>> resume_private_run(const fs::path& run_folder,
                                                            const fs::path& ledgers)
{
    VELAMEN_ASSIGN(RunFolder folder, RunFolder::open(run_folder));
    if (folder.state().record.state == "done")
        return fail(ErrorCode::Refused, "the run is finished: there is nothing to resume",
                    "start a new run; it adds to the same ledger");
    const TrainingPlan& plan = folder.plan();
    VELAMEN_ASSIGN(const std::string base, checkpoint::fingerprint(plan.checkpoint));
    if (base != folder.state().base_sha256)
        return fail(ErrorCode::Refused,
                    "the base checkpoint is not the one that the run began with",
                    "put the original back, or start a new run");
    return std::make_unique<PrivateSession>(std::move(folder), ledgers);
}

} // namespace velamen::train
