// SPDX-License-Identifier: GPL-3.0-or-later
//
// The loop of a private run. Order of a step, which carries the guarantee: draw, clip and sum,
// ledger line on the disk, noise, update. A stop before the ledger line costs nothing; after it the
// step is spent.

#include "engine/train/private/private_session.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <sys/resource.h>
#include <torch/torch.h>

#include "engine/core/hash.h"
#include "engine/data/poisson.h"
#include "engine/diffusion/schedule.h"
#include "engine/dpsgd/clipper.h"
#include "engine/dpsgd/optimiser.h"
#include "engine/dpsgd/private_step.h"
#include "engine/privacy/composition.h"
#include "engine/train/private/dataset.h"
#include "engine/train/private/preview.h"
#include "engine/train/private/private_model.h"
#include "engine/train/private/recorded_heads.h"
#include "engine/train/private/run_folder.h"
#include "engine/train/private/unit_rows.h"
#include "engine/train/private/warm_start.h"
#include "engine/train/public/state_file.h"

namespace velamen::train {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using io::Json;

double seconds_since(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double peak_gigabytes()
{
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
}

dpsgd::OptimiserOptions optimiser_options(const TrainingPlan& plan)
{
    const OptimiserPlan& o = plan.optimiser;
    return {.learning_rate = o.learning_rate,
            .beta1 = o.beta1,
            .beta2 = o.beta2,
            .epsilon = o.epsilon,
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
    } catch (const std::bad_alloc&) {
        mark("failed");
        return fail(ErrorCode::OutOfMemory, "the run needs more memory than there is",
                    "choose a smaller micro-batch, then resume the run");
    } catch (const std::exception& error) {
        mark("failed");
        return fail(ErrorCode::Internal, std::string("the run failed: ") + error.what(),
                    "the last saved state is whole: resume the run");
    }

private:
    Result<> prepare();
    Result<> open_accounting();
    Result<> open_ledger(const privacy::LedgerStore& store, const Dataset& dataset);
    Result<> load_state();
    Result<> warm_start();
    Result<> train();
    Result<> take_step(double epsilon_after_it);
    Result<dpsgd::ClippedSum> clipped_sum();
    Result<> check_first_step(const dpsgd::StepReport& report);
    Result<> preview();
    Result<> save(const char* state);
    Result<> save_tuned();
    Result<> pause();

    void mark(const char* state) noexcept;
    void tell(Phase phase, std::int64_t done, std::int64_t total, std::string note = {});
    double epsilon_after(std::int64_t steps) const;
    double rdp_after(std::int64_t steps) const;
    std::vector<privacy::Spending> spending_after(std::int64_t steps) const;
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
    std::optional<privacy::Ledger> ledger_;
    std::vector<privacy::Spending> spending_; ///< of the whole plan, steps first
    std::optional<privacy::PldCurve> curve_;  ///< none: steps are not all, or hardened
    std::optional<privacy::SubsampledGaussian> event_;
    std::optional<privacy::Delta> delta_;
    std::optional<dpsgd::Clipper> clipper_;
    std::optional<dpsgd::Optimiser> optimiser_;
    std::optional<data::PoissonSampler> sampler_;
    std::optional<core::StreamKey> sampling_key_, noise_key_, augmentation_key_;
    std::optional<dpsgd::FrozenWatch> frozen_unet_, frozen_vae_, frozen_table_;

    bool is_warm_start_spent_ = false;
    std::int64_t spent_ = 0;     ///< steps of this run in the ledger, all attempts
    std::int64_t drawn_ = 0;     ///< draws of this attempt: position in the sampling streams
    std::int64_t rows_done_ = 0; ///< expected rows, public
    std::int64_t first_step_ = 0;
    double epsilon_ = 0.0;
    Clock::time_point training_since_;
};

Result<> PrivateSession::prepare()
{
    tell(Phase::Preparing, 0, 0);
    VELAMEN_TRY(open_accounting());
    VELAMEN_ASSIGN(model_, PrivateModel::create(plan_));
    VELAMEN_ASSIGN(preview_, Preview::create(plan_));
    VELAMEN_ASSIGN(auto store, privacy::LedgerStore::open(ledgers_));
    VELAMEN_ASSIGN(
        dataset_,
        load_dataset(
            plan_, store, model_->checkpoint(), stop_,
            [this](std::int64_t done, std::int64_t total) { tell(Phase::Scanning, done, total); },
            [this](std::int64_t done, std::int64_t total) { tell(Phase::Encoding, done, total); }));
    VELAMEN_TRY(open_ledger(store, dataset_));

    // Keys live in memory only: a resumed run draws fresh ones.
    const auto key = plan_.reproducible
        ? core::StreamKey::reproducible(static_cast<std::uint64_t>(folder_.state().attempt))
        : core::StreamKey::fresh();
    sampling_key_ = key.derive(core::StreamPurpose::Sampling);
    noise_key_ = key.derive(core::StreamPurpose::Noise);
    augmentation_key_ = key.derive(core::StreamPurpose::Augmentation);
    VELAMEN_TRY(warm_start());

    VELAMEN_ASSIGN(clipper_, make_clipper(plan_, model_->trained()));
    optimiser_.emplace(model_->trained(), optimiser_options(plan_));
    sampler_.emplace(static_cast<std::int64_t>(dataset_.units.size()), event_->rate);
    VELAMEN_TRY(load_state());

    Json started = Json::object();
    started["event"] = "started";
    started["run"] = record().id;
    started["attempt"] = folder_.state().attempt;
    return folder_.log(started);
}

Result<> PrivateSession::open_accounting()
{
    VELAMEN_ASSIGN(const auto rate, privacy::SamplingRate::create(plan_.privacy.rate));
    VELAMEN_ASSIGN(const auto noise,
                   privacy::NoiseMultiplier::create(plan_.privacy.noise_effective));
    VELAMEN_ASSIGN(const auto delta, privacy::Delta::create(plan_.privacy.delta));
    event_ = privacy::SubsampledGaussian{rate, noise};
    delta_ = delta;
    VELAMEN_ASSIGN(spending_, spending_of(plan_.privacy));
    if (plan_.privacy.hardened || spending_.size() > 1) return {};
    VELAMEN_ASSIGN(curve_, privacy::PldCurve::create(*event_));
    return {};
}

Result<> PrivateSession::open_ledger(const privacy::LedgerStore& store, const Dataset& dataset)
{
    auto& state = folder_.state();
    auto own = store; // join() may extend the index
    VELAMEN_ASSIGN(ledger_, own.join(dataset.hashes));
    if (!record().ledger_id.empty() && record().ledger_id != ledger_->id())
        return fail(ErrorCode::Refused, "the folder now holds other images than when the run began",
                    "start a new run for them");
    if (record().ledger_seq >= 0)
        VELAMEN_TRY(ledger_->require({record().ledger_seq, record().ledger_hash}));
    VELAMEN_TRY(
        check_recorded_heads(folder_.path(), plan_, model_->checkpoint().card(), store, *ledger_));
    for (const privacy::LedgerEntry& entry : ledger_->entries())
        if (entry.run == record().id) {
            if (const auto* steps = std::get_if<privacy::TrainingSteps>(&entry.event))
                spent_ += steps->steps;
            else
                is_warm_start_spent_ = true;
            state.attempt = std::max(state.attempt, entry.attempt);
        }
    // A ceiling that would end the run midway is met before its first step.
    VELAMEN_ASSIGN(
        const std::int64_t room,
        ledger_->room(plan_.privacy.unit, plan_.privacy.neighbours, charge_for(plan_.privacy, 1)));
    if (const std::int64_t wanted = plan_.privacy.steps - spent_; room < wanted)
        return fail(ErrorCode::Refused,
                    "the ceiling of this dataset leaves room for " + std::to_string(room)
                        + " more steps of this plan, not for " + std::to_string(wanted),
                    "plan fewer steps or more noise; a ceiling is not raised once results have "
                    "been seen");
    ++state.attempt;
    record().ledger_id = ledger_->id();
    record().state = "running";
    epsilon_ = epsilon_after(spent_);
    return folder_.save();
}

/// Released once in a run. What is learned from it lives in the weights, so that the state that is
/// saved with the first step holds it; a crash before that has spent it for nothing.
Result<> PrivateSession::warm_start()
{
    VELAMEN_ASSIGN(const auto charge, warm_start_charge(plan_.privacy));
    if (!charge || is_warm_start_spent_ || !folder_.state().state_file.empty()) return {};
    VELAMEN_ASSIGN(auto sum, class_moment_sum(dataset_, plan_));
    VELAMEN_ASSIGN(auto right,
                   ledger_->reserve(record().id, folder_.state().attempt, plan_.privacy.unit,
                                    plan_.privacy.neighbours, *charge));
    is_warm_start_spent_ = true;
    epsilon_ = epsilon_after(0);
    VELAMEN_ASSIGN(const auto moments, std::move(sum).release(std::move(right), *noise_key_));
    return learn_class_moments(
        *model_, moments, plan_, stop_,
        [this](std::int64_t done, std::int64_t total) { tell(Phase::WarmStart, done, total); });
}

Result<> PrivateSession::load_state()
{
    const RunState& state = folder_.state();
    if (state.state_file.empty()) return {};
    const fs::path path = folder_.path() / state.state_file;
    VELAMEN_ASSIGN(const std::string sha256, core::sha256_file(path));
    if (sha256 != state.state_sha256)
        return fail(ErrorCode::Corrupt, state.state_file + " is damaged (its SHA-256 differs)",
                    "restore it from a copy, or start a new run; what is spent stays spent");
    NamedTensors loaded;
    for (const auto& [name, tensor] : optimiser_->export_state())
        loaded.emplace_back(name, tensor.clone());
    VELAMEN_TRY(read_state(path, loaded));
    return optimiser_->import_state(loaded);
}

Result<> PrivateSession::train()
{
    const std::int64_t planned = plan_.privacy.steps;
    VELAMEN_TRY(preview());
    if (is_warm_start_spent_ && optimiser_->steps_done() == 0) VELAMEN_TRY(save("running"));
    training_since_ = Clock::now();
    first_step_ = optimiser_->steps_done();
    tell(Phase::Training, optimiser_->steps_done(), planned);
    while (optimiser_->steps_done() < planned && spent_ < planned) {
        VELAMEN_TRY(pause());
        // The hard stop: not one step beyond the declared epsilon.
        const double after = epsilon_after(spent_ + 1);
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
        frozen_vae_.emplace(model_->watch_autoencoder());
        frozen_table_.emplace(model_->watch_class_table());
    }
    // Drawn before the data are looked at: how long it takes says nothing about them.
    std::optional<privacy::GridNoise> grid_noise;
    if (plan_.privacy.hardened) {
        VELAMEN_ASSIGN(grid_noise,
                       privacy::GridNoise::draw(
                           clipper_->grid(), event_->noise,
                           core::SecureStream(*noise_key_, static_cast<std::uint64_t>(drawn_), 0)));
    }
    auto sum = clipped_sum();
    if (!sum) {
        clipper_->reset();
        model_->tape().clear();
        if (sum.error().code == ErrorCode::Cancelled)
            VELAMEN_TRY(save("paused")); // nothing was released: the draw is forgotten, not spent
        return fail(sum.error());
    }
    VELAMEN_ASSIGN(auto reserved,
                   ledger_->reserve(record().id, folder_.state().attempt, plan_.privacy.unit,
                                    plan_.privacy.neighbours, charge_for(plan_.privacy, 1)));
    ++spent_;
    auto gradient = grid_noise
        ? dpsgd::NoisyGradient::release(std::move(*sum), reserved.take(), std::move(*grid_noise))
        : dpsgd::NoisyGradient::release(std::move(*sum), reserved.take(), *noise_key_);
    StepPoint point;
    point.noised_loss = gradient.noised_loss();
    point.noised_clipped_fraction = gradient.noised_clipped_fraction();
    VELAMEN_ASSIGN(const dpsgd::StepReport report, optimiser_->step(std::move(gradient)));
    VELAMEN_TRY(check_first_step(report));
    epsilon_ = epsilon_after_it;
    rows_done_ += plan_.privacy.expected_batch * plan_.optimiser.noise_multiplicity;
    point.step = report.step;
    point.epsilon = epsilon_;
    point.noised_gradient_norm = report.noised_gradient_norm;
    point.learning_rate = report.learning_rate;
    VELAMEN_TRY(folder_.log(point));
    observer_->on_step(point);
    return {};
}

Result<dpsgd::ClippedSum> PrivateSession::clipped_sum()
{
    const auto step = static_cast<std::uint64_t>(drawn_++);
    core::SecureStream sampling(*sampling_key_, step, 0);
    data::PoissonDraw draw = sampler_->draw(sampling);
    auto units = draw.units();
    const std::int64_t timesteps = model_->checkpoint().schedule().num_train_timesteps();
    while (!units.empty()) {
        if (stop_.stop_requested()) return fail(cancelled());
        mailbox_->wait_while_paused(stop_);
        const auto part = units.first(
            std::min<std::size_t>(units.size(), static_cast<std::size_t>(plan_.micro_batch)));
        units = units.subspan(part.size());
        const Rows rows = unit_rows(dataset_, part, plan_.optimiser, timesteps,
                                    model_->null_class(), *augmentation_key_, step);
        const at::Tensor losses =
            model_->forward_backward(rows, plan_.optimiser.noise_multiplicity);
        VELAMEN_TRY(clipper_->add(model_->tape(),
                                  {.units = static_cast<std::int64_t>(part.size()), .padded = 0},
                                  losses));
    }
    return clipper_->finish(std::move(draw));
}

Result<> PrivateSession::check_first_step(const dpsgd::StepReport& report)
{
    if (!frozen_unet_) return {};
    VELAMEN_TRY(dpsgd::check_moved(report, model_->trained()));
    VELAMEN_TRY(frozen_unet_->check());
    VELAMEN_TRY(frozen_vae_->check());
    VELAMEN_TRY(frozen_table_->check());
    frozen_unet_.reset();
    frozen_vae_.reset();
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
    auto row = preview_->draw(optimiser_->steps_done(), stop_);
    if (!row) {
        if (row.error().code != ErrorCode::Cancelled) return fail(row.error());
        return {}; // a preview is never worth a run: the loop sees the stop itself
    }
    observer_->on_samples(*row);
    return {};
}

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
    const std::string name = "checkpoints/state-" + std::to_string(folder_.state().attempt) + "-"
        + std::to_string(step) + ".safetensors";
    Json header = Json::object();
    header["run"] = record().id;
    header["step"] = step;
    NamedTensors tensors;
    for (const auto& [key, tensor] : optimiser_->export_state())
        tensors.emplace_back(key, tensor.contiguous());
    VELAMEN_TRY(write_state(folder_.path() / name, tensors, header));
    auto& run = folder_.state();
    run.state_file = name;
    VELAMEN_ASSIGN(run.state_sha256, core::sha256_file(folder_.path() / name));
    const privacy::LedgerHead head = ledger_->head();
    record().ledger_seq = head.seq;
    record().ledger_hash = head.hash;
    record().step = step;
    record().epsilon = epsilon_;
    record().epsilon_rdp = rdp_after(spent_);
    record().state = state;
    if (step > 0) VELAMEN_TRY(save_tuned());
    VELAMEN_TRY(folder_.save());
    folder_.drop_old_states();
    return {};
}

Result<> PrivateSession::save_tuned()
{
    preview_->set_weights(optimiser_->averaged());
    auto& checkpoint = preview_->checkpoint();
    checkpoint::Card card = checkpoint.card();
    card.name += ", tuned with privacy";
    card.classes = plan_.classes;
    card.trained_tensors = model_->trained_names();
    card.base_sha256 = folder_.state().base_sha256;
    card.ledger_id = record().ledger_id;
    card.ledger_seq = record().ledger_seq;
    card.ledger_hash = record().ledger_hash;
    const fs::path relative = "checkpoints/tuned";
    VELAMEN_TRY(checkpoint.save_tuned(folder_.path() / relative, model_->trained_names(), card));
    record().checkpoint = relative;
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
    progress.micro_batch = plan_.micro_batch;
    progress.peak_gigabytes = peak_gigabytes();
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

double PrivateSession::epsilon_after(std::int64_t steps) const
{
    if (curve_ && steps > 0) {
        const auto epsilon = curve_->epsilon_after(*privacy::Steps::create(steps), *delta_);
        return epsilon ? epsilon->value() : std::numeric_limits<double>::infinity();
    }
    const auto bound = privacy::bound_of(spending_after(steps), *delta_);
    return bound ? bound->epsilon.value() : std::numeric_limits<double>::infinity();
}

std::vector<privacy::Spending> PrivateSession::spending_after(std::int64_t steps) const
{
    std::vector<privacy::Spending> all = spending_;
    if (steps > 0)
        all.front().times = *privacy::Steps::create(steps);
    else
        all.erase(all.begin());
    if (!is_warm_start_spent_) all.erase(all.begin() + (steps > 0 ? 1 : 0), all.end());
    return all;
}

double PrivateSession::rdp_after(std::int64_t steps) const
{
    const auto rdp = privacy::composed_rdp(spending_after(steps), *delta_);
    return rdp ? rdp->epsilon.value() : std::numeric_limits<double>::infinity();
}

} // namespace

Result<std::unique_ptr<TrainingSession>>
start_private_run(const TrainingPlan& plan, const fs::path& run_folder, const fs::path& ledgers)
{
    VELAMEN_ASSIGN(const auto base,
                   checkpoint::inspect(plan.checkpoint, plan.selection, plan.skip_dead,
                                       plan.train_conditioner));
    VELAMEN_ASSIGN(RunFolder folder, RunFolder::create(run_folder, plan, base.sha256));
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
    VELAMEN_ASSIGN(const auto base,
                   checkpoint::inspect(plan.checkpoint, plan.selection, plan.skip_dead,
                                       plan.train_conditioner));
    if (base.sha256 != folder.state().base_sha256)
        return fail(ErrorCode::Refused,
                    "the base checkpoint is not the one that the run began with",
                    "put the original back, or start a new run");
    return std::make_unique<PrivateSession>(std::move(folder), ledgers);
}

} // namespace velamen::train
