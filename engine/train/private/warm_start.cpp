// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/train/private/warm_start.h"

#include <cmath>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/checkpoint/blocks.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/diffusion/schedule.h"
#include "engine/nn/unet/model.h"
#include "engine/train/private/class_votes.h"
#include "engine/train/private/public_classifier.h"
#include "engine/train/private/warm_start_file.h"
#include "engine/train/public/adamw.h"

namespace velamen::train {

namespace {

constexpr std::int64_t kBatch = 256;
constexpr double kRate = 5e-4;
constexpr double kTableRate = 1e-2;
/// Of the timesteps: below, details matter that a Gaussian does not have.
constexpr double kFirstTime = 0.4;

/// Public rows: a latent from the Gaussian of its class.
class MomentRows {
public:
    MomentRows(const privacy::ClassMoments& moments, std::vector<std::int64_t> shape,
               const TrainingPlan& plan, std::int64_t timesteps, std::int64_t null_class)
        : shape_(std::move(shape)), dropout_(plan.optimiser.class_dropout), timesteps_(timesteps),
          null_class_(null_class)
    {
        const auto d = moments.dimensions;
        const auto to_tensor = [](const std::vector<double>& values, at::IntArrayRef sizes) {
            return torch::tensor(values, torch::kDouble).view(sizes);
        };
        means_ = to_tensor(moments.means, {-1, d});
        shares_ = to_tensor(moments.shares, {-1});
        root_ = at::linalg_cholesky(to_tensor(moments.covariance, {d, d})
                                    + 1e-6 * torch::eye(d, torch::kDouble));
        generator_ = at::make_generator<at::CPUGeneratorImpl>(
            static_cast<std::uint64_t>(plan.preview_seed)); // public: the same draws after a crash
    }

    Rows draw()
    {
        at::Tensor classes = at::multinomial(shares_, kBatch, true, generator_);
        const at::Tensor normals =
            torch::randn({kBatch, root_.size(0)}, generator_, torch::kDouble);
        const at::Tensor latents =
            (means_.index_select(0, classes) + normals.matmul(root_.t())).to(torch::kFloat32);
        std::vector<std::int64_t> sizes{kBatch};
        sizes.insert(sizes.end(), shape_.begin(), shape_.end());
        const auto first = static_cast<std::int64_t>(kFirstTime * static_cast<double>(timesteps_));
        const at::Tensor times =
            torch::randint(first, timesteps_, {kBatch}, generator_, torch::kInt64);
        const at::Tensor dropped = torch::rand({kBatch}, generator_) < dropout_;
        classes.masked_fill_(dropped, null_class_);
        return {latents.view(sizes), torch::randn(sizes, generator_), times, classes};
    }

private:
    std::vector<std::int64_t> shape_;
    double dropout_;
    std::int64_t timesteps_, null_class_;
    at::Tensor means_, shares_, root_;
    at::Generator generator_;
};

} // namespace

Result<privacy::ClassMomentSum> class_moment_sum(const Dataset& dataset, const TrainingPlan& plan)
{
    const data::LatentCache& cache = dataset.latents;
    const double length = std::ceil(std::sqrt(static_cast<double>(cache.row())));
    VELAMEN_ASSIGN(const auto clip, privacy::ClippingNorm::create(length));
    VELAMEN_ASSIGN(
        auto sum,
        privacy::ClassMomentSum::create({.clip = clip,
                                         .dimensions = cache.row(),
                                         .classes = static_cast<std::int64_t>(plan.classes.size()),
                                         .public_units = plan.privacy.public_units}));
    std::vector<float> images;
    std::vector<std::int64_t> classes;
    for (const data::Unit& unit : dataset.units) {
        images.clear();
        classes.clear();
        for (const std::int64_t image : unit.images) {
            const auto latent = cache.latent(image);
            images.insert(images.end(), latent.begin(), latent.end());
            classes.push_back(cache.class_index[static_cast<std::size_t>(image)]);
        }
        VELAMEN_TRY(sum.add(images, classes));
    }
    return sum;
}

Result<> learn_class_moments(PrivateModel& model, const privacy::ClassMoments& moments,
                             const TrainingPlan& plan, const std::stop_token& stop,
                             const Counter& counter)
{
    const std::int64_t channels = model.checkpoint().unet().plan().in_channels;
    const std::int64_t side = model.checkpoint().latent_size();
    MomentRows rows(moments, std::vector<std::int64_t>{channels, side, side}, plan,
                    model.checkpoint().schedule().num_train_timesteps(), model.null_class());
    NamedTensors table, rest;
    for (const auto& entry : model.trained())
        (entry.name.starts_with(checkpoint::kEmbedderPrefix) ? table : rest)
            .emplace_back(entry.name, entry.tensor);
    const AdamWOptions options{.beta2 = 0.99, .weight_decay = 0.0};
    AdamW slow(rest, options), fast(table, options);
    const std::int64_t steps = plan.optimiser.warm_start_steps;
    for (std::int64_t step = 0; step < steps; ++step) {
        if (stop.stop_requested())
            return fail(ErrorCode::Cancelled, "the run was stopped during its warm start",
                        "resume it: what was released is kept, and nothing is charged again");
        counter(step, steps);
        slow.zero_gradients();
        fast.zero_gradients();
        model.public_loss(rows.draw()).backward();
        const double rise = std::min(1.0, static_cast<double>(step + 1) / 10.0);
        slow.step(kRate * rise);
        if (!table.empty()) fast.step(kTableRate * rise);
    }
    for (const auto& entry : model.trained())
        entry.tensor.mutable_grad() = at::Tensor(); // private steps refuse ordinary gradients
    counter(steps, steps);
    return {};
}

namespace {

/// Whether to release it now; says so when it was paid for and is not there.
bool is_due(const WarmStartWork& work, const privacy::NoisyRelease& charge, bool is_there)
{
    if (is_there || !work.folder.state().state_file.empty()) return false;
    if (!work.is_charged(charge.purpose)) return true;
    work.note("a release of the warm start was charged but lost in a crash: the run begins without "
              "it");
    return false;
}

Result<> release_votes(const WarmStartWork& work, WarmStartReleases& releases)
{
    const TrainingPlan& plan = work.folder.plan();
    VELAMEN_ASSIGN(const auto noise, privacy::NoiseMultiplier::create(plan.privacy.noise_votes));
    const auto charge = privacy::votes_charge(noise);
    if (!is_due(work, charge, releases.votes.has_value())) return {};
    VELAMEN_ASSIGN(const auto classifier,
                   PublicClassifier::create(plan.checkpoint,
                                            static_cast<std::uint64_t>(plan.preview_seed),
                                            work.stop, work.counter));
    const auto answers = classifier.classify(work.dataset.latents.values);
    VELAMEN_ASSIGN(auto sum,
                   class_vote_sum(work.dataset, answers,
                                  static_cast<std::int64_t>(plan.classes.size()),
                                  static_cast<std::int64_t>(classifier.classes().size())));
    VELAMEN_ASSIGN(auto right, work.charge(charge));
    VELAMEN_ASSIGN(releases.votes, std::move(sum).release(std::move(right), work.noise));
    return write_warm_start(work.folder.path(), releases);
}

Result<> release_moments(const WarmStartWork& work, WarmStartReleases& releases)
{
    const TrainingPlan& plan = work.folder.plan();
    VELAMEN_ASSIGN(const auto noise,
                   privacy::NoiseMultiplier::create(plan.privacy.noise_warm_start));
    const auto charge = privacy::class_moments_charge(noise);
    if (!is_due(work, charge, releases.moments.has_value())) return {};
    VELAMEN_ASSIGN(auto sum, class_moment_sum(work.dataset, plan));
    VELAMEN_ASSIGN(auto right, work.charge(charge));
    VELAMEN_ASSIGN(releases.moments, std::move(sum).release(std::move(right), work.noise));
    return write_warm_start(work.folder.path(), releases);
}

Result<> begin_at_votes(const WarmStartWork& work, std::span<const double> votes, bool is_new)
{
    const TrainingPlan& plan = work.folder.plan();
    auto& checkpoint = work.model.checkpoint();
    const std::vector<std::string>& publics = checkpoint.public_classes();
    const auto shares =
        class_shares(votes, static_cast<std::int64_t>(publics.size()), plan.privacy.noise_votes);
    VELAMEN_TRY(checkpoint.mix_class_rows(shares));
    VELAMEN_TRY(work.preview.mix_class_rows(shares));
    const ClassMapping mapping = class_mapping(shares, plan.classes, publics);
    if (is_new) VELAMEN_TRY(work.folder.log(to_json(mapping)));
    work.note("classes begin as: " + to_text(mapping));
    work.observer.on_class_mapping(mapping);
    return {};
}

} // namespace

Result<> warm_start(const WarmStartWork& work)
{
    const TrainingPlan& plan = work.folder.plan();
    VELAMEN_ASSIGN(WarmStartReleases releases,
                   read_warm_start(work.folder.path(), plan.classes.size(),
                                   work.model.checkpoint().public_classes().size()));
    const bool had_votes = releases.votes.has_value();
    if (plan.privacy.noise_votes > 0.0) VELAMEN_TRY(release_votes(work, releases));
    if (releases.votes) VELAMEN_TRY(begin_at_votes(work, *releases.votes, !had_votes));
    if (plan.privacy.noise_warm_start > 0.0) VELAMEN_TRY(release_moments(work, releases));
    // A saved state holds what the moments have taught, and every trained row of the table.
    if (!releases.moments || !work.folder.state().state_file.empty()) return {};
    return learn_class_moments(work.model, *releases.moments, plan, work.stop, work.counter);
}

} // namespace velamen::train
