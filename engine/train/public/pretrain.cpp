// SPDX-License-Identifier: GPL-3.0-or-later
//
// One run of public training: images -> autoencoder -> latents -> UNet -> checkpoint. Keeps a state
// in out/.pretrain so that it can be stopped at any moment and go on later.

#include "engine/train/public/pretrain.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <new>
#include <optional>

#include <ATen/ATen.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/prompts.h"
#include "engine/checkpoint/writer.h"
#include "engine/core/file.h"
#include "engine/generate/render.h"
#include "engine/image/codec.h"
#include "engine/nn/conditioner/class_embedder.h"
#include "engine/nn/conditioner/text_conditioner.h"
#include "engine/train/peak_memory.h"
#include "engine/train/public/autoencoder_stage.h"
#include "engine/train/public/image_set.h"
#include "engine/train/public/plan_json.h"
#include "engine/train/public/position.h"
#include "engine/train/public/state_file.h"
#include "engine/train/public/unet_stage.h"

namespace velamen::train {

namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr const char* kStateFile = "state.safetensors";
constexpr const char* kMarker = "model_index.json";
constexpr auto kSaveEvery = std::chrono::seconds(120);
constexpr std::int64_t kPointEvery = 20; ///< steps averaged into one point of the curve
constexpr std::int64_t kPreviews = 12;   ///< rows of samples over the UNet's stage
constexpr int kPreviewColumns = 13;
constexpr std::size_t kPreviewClasses = 64; ///< at most so many classes in a row
constexpr std::uint64_t kPreviewSeed = 1234;

double seconds_since(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string rounded(double value, const char* format)
{
    char text[64];
    std::snprintf(text, sizeof text, format, value);
    return text;
}

class Pretraining final : public TrainingSession {
public:
    Pretraining(const PretrainPlan& plan, core::FileLock lock, std::optional<Position> resumed)
        : plan_(plan), lock_(std::move(lock)), is_resumed_(resumed.has_value()),
          position_(resumed.value_or(Position{}))
    {
    }

    Result<> run(std::stop_token stop, Mailbox& mailbox,
                 TrainingObserver& observer) noexcept override
    try {
        stop_ = stop;
        mailbox_ = &mailbox;
        observer_ = &observer;
        return work();
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "there is not enough memory for this pre-training",
                    "choose smaller batches or images; the run can go on from its last state");
    } catch (const c10::Error& error) {
        return fail(ErrorCode::Internal,
                    std::string("pre-training failed: ") + error.what_without_backtrace());
    } catch (const std::exception& error) {
        return fail(ErrorCode::Internal, std::string("pre-training failed: ") + error.what());
    }

private:
    Result<> work();
    Result<> load_source();
    Result<> train_autoencoder();
    Result<> train_unet();
    /// The class table, or the text encoder over the captions.
    Result<UnetStage::MakeConditioner> conditioner();
    Result<> finish();
    Result<> loop(Stage& stage);
    Result<> save_state();
    /// Samples of the averaged weights, or reconstructions while there is no UNet yet.
    Result<> preview();
    Result<> draw_samples(std::int64_t step);
    Result<> draw_reconstructions(std::int64_t step);
    Result<> write_preview(const SampleRow& row, int columns, const std::string& name);
    void tell(Phase phase, std::int64_t done, std::int64_t total, const std::string& note = {});

    fs::path state_path() const { return plan_.out / ".pretrain" / kStateFile; }
    /// The finished autoencoder, while the UNet is trained.
    fs::path autoencoder_path() const
    {
        return plan_.out / ".pretrain" / "autoencoder.safetensors";
    }
    fs::path tokenizer_path() const { return plan_.out / ".pretrain" / "tokenizer"; }
    std::int64_t all_steps() const { return plan_.autoencoder_steps + plan_.unet_steps; }
    checkpoint::Card card() const;
    /// Steps of both stages together.
    std::int64_t overall(std::int64_t step) const
    {
        return position_.is_unet ? plan_.autoencoder_steps + step : step;
    }

    PretrainPlan plan_;
    core::FileLock lock_;
    bool is_resumed_;
    Position position_;
    std::stop_token stop_;
    Mailbox* mailbox_ = nullptr;
    TrainingObserver* observer_ = nullptr;

    ImageSet images_;
    std::unique_ptr<AutoencoderStage> autoencoder_;
    std::optional<diffusion::Schedule> schedule_;
    LatentMoments moments_;
    std::unique_ptr<UnetStage> unet_;
};

void Pretraining::tell(Phase phase, std::int64_t done, std::int64_t total, const std::string& note)
{
    observer_->on_progress({.phase = phase,
                            .done = done,
                            .total = total,
                            .peak_gigabytes = peak_gibibytes(),
                            .note = note});
}

Result<> Pretraining::work()
{
    tell(Phase::Preparing, 0, 0,
         is_resumed_ ? "Going on from step " + std::to_string(overall(position_.step)) + "."
                     : "Starting a public pre-training.");
    VELAMEN_TRY(load_source());
    VELAMEN_TRY(train_autoencoder());
    VELAMEN_TRY(train_unet());
    return finish();
}

Result<> Pretraining::load_source()
{
    tell(Phase::Scanning, 0, 0);
    auto last = Clock::now();
    VELAMEN_ASSIGN(images_,
                   load_images(plan_.source, plan_.captions ? "column:caption" : "folder",
                               plan_.image_size, plan_.image_channels, stop_,
                               [&](std::int64_t done, std::int64_t total) {
                                   if (done != total && seconds_since(last) < 0.1) return;
                                   last = Clock::now();
                                   tell(Phase::Scanning, done, total);
                               }));
    std::string note = std::to_string(images_.size())
        + (plan_.captions ? " images with " : " images in ")
        + std::to_string(images_.classes.size())
        + (plan_.captions ? " different captions." : " classes.");
    if (images_.left_out > 0)
        note += " " + std::to_string(images_.left_out) + " files could not be used.";
    tell(Phase::Scanning, images_.size(), images_.size(), note);
    if (is_resumed_ && (images_.size() != position_.images || images_.classes != position_.classes))
        return fail(ErrorCode::Refused, "the images changed since this pre-training was stopped",
                    "bring them back, or delete the folder .pretrain to start again");
    position_.images = images_.size();
    position_.classes = images_.classes;
    return {};
}

Result<> Pretraining::train_autoencoder()
{
    at::manual_seed(plan_.seed); // initial weights
    autoencoder_ = std::make_unique<AutoencoderStage>(plan_, images_);
    if (position_.is_unet) return read_state(autoencoder_path(), autoencoder_->weights());
    if (is_resumed_) VELAMEN_TRY(read_state(state_path(), autoencoder_->state()));
    VELAMEN_TRY(loop(*autoencoder_));
    position_.psnr = autoencoder_->held_out_psnr();
    tell(Phase::Training, overall(position_.step), all_steps(),
         "The autoencoder is trained: " + rounded(position_.psnr, "%.2f dB on ")
             + std::to_string(autoencoder_->held_out_count()) + " held-out images.");
    VELAMEN_TRY(draw_reconstructions(overall(position_.step)));
    return write_state(autoencoder_path(), autoencoder_->weights(), to_json(position_, plan_));
}

Result<> Pretraining::train_unet()
{
    tell(Phase::Encoding, 0, images_.size());
    VELAMEN_ASSIGN(const at::Tensor latents,
                   encode_all(autoencoder_->model(), images_, stop_,
                              [&](std::int64_t done, std::int64_t total) {
                                  tell(Phase::Encoding, done, total);
                              }));
    moments_ = moments_of(latents);
    VELAMEN_ASSIGN(schedule_, pretrain_schedule());
    VELAMEN_ASSIGN(const auto make, conditioner());
    at::manual_seed(plan_.seed + 1);
    unet_ = std::make_unique<UnetStage>(plan_, *schedule_, (latents - moments_.mean) / moments_.std,
                                        images_.labels, make);
    images_.pixels.reset(); // everything that follows works on latents
    if (position_.is_unet) {
        VELAMEN_TRY(read_state(state_path(), unet_->state()));
    } else {
        position_.is_unet = true;
        position_.step = 0;
        VELAMEN_TRY(save_state());
    }
    return loop(*unet_);
}

Result<UnetStage::MakeConditioner> Pretraining::conditioner()
{
    if (!plan_.captions) {
        const auto rows = static_cast<std::int64_t>(images_.classes.size()) + 1;
        return [rows, dim = plan_.cross_attention_dim]() -> std::shared_ptr<nn::Conditioner> {
            return std::make_shared<nn::ClassEmbedderImpl>(rows, dim);
        };
    }
    VELAMEN_TRY(checkpoint::write_tokenizer(tokenizer_path(), false, plan_.text_tokens));
    VELAMEN_ASSIGN(const auto tokenizer,
                   checkpoint::PromptTokenizer::open(tokenizer_path(), false));
    std::vector<std::string> prompts = images_.classes;
    prompts.emplace_back(); // the null prompt
    VELAMEN_ASSIGN(const at::Tensor ids, tokenizer.ids(prompts, plan_.text_tokens));
    return [ids, config = text_config(plan_)]() -> std::shared_ptr<nn::Conditioner> {
        return std::make_shared<nn::TextConditioner>(std::make_shared<nn::ClipTextImpl>(config),
                                                     ids);
    };
}

Result<> Pretraining::loop(Stage& stage)
{
    const auto start = Clock::now();
    const std::int64_t first = position_.step;
    auto last_save = start, last_progress = start - std::chrono::seconds(1);
    double point = 0.0;
    std::int64_t in_point = 0;
    double& smoothed = position_.is_unet ? position_.unet_loss : position_.autoencoder_loss;
    while (position_.step < stage.steps()) {
        if (mailbox_->is_pause_wanted()) {
            VELAMEN_TRY(save_state());
            tell(Phase::Paused, overall(position_.step), all_steps());
            mailbox_->wait_while_paused(stop_);
        }
        if (stop_.stop_requested()) {
            VELAMEN_TRY(save_state());
            return fail(ErrorCode::Cancelled,
                        "the pre-training was stopped at step "
                            + std::to_string(overall(position_.step)),
                        "start it again with the same settings to go on");
        }
        const StepReport report = stage.step(position_.step);
        if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm))
            return fail(ErrorCode::Refused,
                        "the loss is not a number any more at step "
                            + std::to_string(overall(position_.step + 1)),
                        "choose a smaller learning rate and start again");
        ++position_.step;
        smoothed = smoothed == 0.0 ? report.loss : 0.98 * smoothed + 0.02 * report.loss;
        point += report.loss;
        ++in_point;
        if (position_.step % kPointEvery == 0 || position_.step == stage.steps()) {
            observer_->on_step({.step = overall(position_.step),
                                .noised_loss = point / static_cast<double>(in_point),
                                .noised_gradient_norm = report.gradient_norm,
                                .learning_rate = report.learning_rate});
            point = 0.0;
            in_point = 0;
        }
        if (seconds_since(last_progress) > 0.2 || position_.step == stage.steps()) {
            last_progress = Clock::now();
            const auto done = static_cast<double>(position_.step - first);
            const double seconds = seconds_since(start);
            observer_->on_progress(
                {.phase = Phase::Training,
                 .done = overall(position_.step),
                 .total = all_steps(),
                 .rows_per_second = done * static_cast<double>(stage.batch()) / seconds,
                 .seconds_left =
                     seconds / done * static_cast<double>(stage.steps() - position_.step),
                 .micro_batch = stage.batch(),
                 .peak_gigabytes = peak_gibibytes()});
        }
        const bool is_preview_due = position_.is_unet
            && (position_.step * kPreviews / stage.steps())
                > ((position_.step - 1) * kPreviews / stage.steps());
        if (is_preview_due || mailbox_->take_sample_now()) VELAMEN_TRY(preview());
        if (Clock::now() - last_save > kSaveEvery) {
            last_save = Clock::now();
            VELAMEN_TRY(save_state());
        }
    }
    return {};
}

Result<> Pretraining::save_state()
{
    tell(Phase::Saving, overall(position_.step), all_steps());
    return write_state(state_path(), position_.is_unet ? unet_->state() : autoencoder_->state(),
                       to_json(position_, plan_));
}

Result<> Pretraining::preview()
{
    const std::int64_t step = overall(position_.step);
    return position_.is_unet ? draw_samples(step) : draw_reconstructions(step);
}

Result<> Pretraining::write_preview(const SampleRow& row, int columns, const std::string& name)
{
    VELAMEN_TRY(core::make_directory(plan_.out / "previews"));
    VELAMEN_ASSIGN(const auto png, image::encode_png(image::contact_sheet(row.images, columns)));
    VELAMEN_TRY(core::write_file(plan_.out / "previews" / (name + ".png"), png));
    observer_->on_samples(row);
    return {};
}

Result<> Pretraining::draw_reconstructions(std::int64_t step)
{
    tell(Phase::Sampling, step, all_steps());
    const auto [originals, copies] = autoencoder_->reconstructions(kPreviewColumns);
    SampleRow row{.step = step};
    for (const auto& [images, label] :
         {std::pair{&originals, "held out"}, std::pair{&copies, "autoencoded"}}) {
        for (std::int64_t i = 0; i < images->size(0); ++i) {
            row.labels.emplace_back(label);
            row.images.push_back(generate::to_image((*images)[i]));
        }
    }
    return write_preview(row, static_cast<int>(originals.size(0)), "autoencoder");
}

Result<> Pretraining::draw_samples(std::int64_t step)
{
    tell(Phase::Sampling, step, all_steps());
    const checkpoint::Card numbers = card();
    VELAMEN_ASSIGN(
        const generate::LatentScale scale,
        generate::LatentScale::create(numbers, 1.0, plan_.latent_channels, moments_.mean.size(1)));
    generate::GenerationRequest request{.seed = kPreviewSeed};
    const std::size_t count = std::min(images_.classes.size(), kPreviewClasses);
    for (std::size_t i = 0; i < count; ++i) // evenly over all
        request.classes.push_back(static_cast<int>(i * images_.classes.size() / count));
    SampleRow row{.step = step};
    auto unet = unet_->averaged_unet();
    auto autoencoder = autoencoder_->model();
    const auto drawn = generate::render(
        {*unet, *autoencoder, unet_->averaged_conditioner(), *schedule_, scale}, request, stop_,
        [&](const generate::GeneratedImage& made) {
            row.labels.push_back(images_.classes[static_cast<std::size_t>(made.class_index)]);
            row.images.push_back(made.image);
        },
        {});
    if (!drawn && drawn.error().code == ErrorCode::Cancelled) return {}; // the loop saves and stops
    VELAMEN_TRY(drawn);
    return write_preview(row, std::min(kPreviewColumns, static_cast<int>(row.images.size())),
                         "step-" + std::to_string(step));
}

checkpoint::Card Pretraining::card() const
{
    checkpoint::Card card{
        .name = plan_.out.filename().string(), .licence = plan_.licence, .data = plan_.data_note};
    if (plan_.captions)
        card.caption = "{class}"; // nothing of a sentence stood around the captions
    else
        card.classes = images_.classes;
    const auto numbers = [](const at::Tensor& values) {
        const at::Tensor flat = values.to(at::kDouble).contiguous().flatten();
        const double* data = flat.data_ptr<double>();
        return std::vector<double>(data, data + flat.numel());
    };
    card.latent_mean = numbers(moments_.mean);
    card.latent_std = numbers(moments_.std);
    card.recipe = "Velamen public pre-training: AutoencoderKL "
        + std::to_string(plan_.autoencoder_steps) + " steps of "
        + std::to_string(plan_.autoencoder_batch) + " images, "
        + rounded(position_.psnr, "%.2f dB on held-out images; UNet2DConditionModel ")
        + std::to_string(plan_.unet_steps) + " steps of " + std::to_string(plan_.unet_batch)
        + ", loss " + rounded(position_.unet_loss, "%.4f")
        + "; latents normalised per element; averaged weights; no image in it is protected.";
    io::Json::Object settings = *identity_of(plan_).if_object();
    std::erase_if(settings, [](const auto& field) { return field.first == "source"; });
    card.extra["pretraining"] = io::Json(std::move(settings));
    return card;
}

Result<> Pretraining::finish()
{
    const std::int64_t total = all_steps();
    tell(Phase::Saving, total, total);
    // Aside first; model_index.json is moved last and makes the folder a checkpoint.
    const fs::path aside = plan_.out / ".pretrain" / plan_.out.filename();
    const auto unet = unet_->averaged_unet();
    const auto autoencoder = autoencoder_->model();
    nn::Conditioner& conditioner = unet_->averaged_conditioner();
    const checkpoint::Card described = card();
    checkpoint::NewCheckpoint made{
        .components = {{"unet", unet_config(plan_).to_json(), *unet},
                       {"vae", autoencoder->config().to_json(), *autoencoder}},
        .schedule = *schedule_,
        .card = described};
    if (auto* text = dynamic_cast<nn::TextConditioner*>(&conditioner)) {
        made.components.push_back({"text_encoder", text_config(plan_).to_json(), text->encoder()});
        made.tokenizer = tokenizer_path();
    } else {
        auto& table = dynamic_cast<nn::ClassEmbedderImpl&>(conditioner);
        made.components.push_back({"class_embedder", table.to_json(), table});
    }
    VELAMEN_TRY(checkpoint::save_new(aside, made, DType::F16));
    std::vector<fs::path> entries;
    for (const auto& entry : fs::directory_iterator(aside))
        entries.push_back(entry.path().filename());
    std::ranges::stable_partition(entries, [](const fs::path& name) { return name != kMarker; });
    for (const fs::path& name : entries) {
        fs::remove_all(plan_.out / name); // left by an interrupted move
        fs::rename(aside / name, plan_.out / name);
    }
    VELAMEN_TRY(checkpoint::Checkpoint::load(plan_.out));
    fs::remove_all(plan_.out / ".pretrain");
    tell(Phase::Done, total, total,
         "The checkpoint is written: " + rounded(position_.psnr, "autoencoder %.2f dB, ")
             + rounded(position_.unet_loss, "UNet loss %.4f."));
    return {};
}

} // namespace

Result<std::unique_ptr<TrainingSession>> pretrain(const PretrainPlan& plan)
try {
    VELAMEN_TRY(check(plan));
    if (plan.out.filename().empty())
        return fail(ErrorCode::InvalidArgument, "no folder was chosen for the checkpoint",
                    "choose a new folder");
    if (fs::exists(plan.out / kMarker))
        return fail(ErrorCode::Refused, "the folder already holds a checkpoint",
                    "choose another folder; finished checkpoints are not written over");
    const fs::path state = plan.out / ".pretrain";
    if (fs::exists(plan.out) && !fs::exists(state) && !fs::is_empty(plan.out))
        return fail(ErrorCode::Refused, "the folder for the checkpoint is not empty",
                    "choose a new or empty folder");
    if (!fs::exists(plan.source))
        return fail(ErrorCode::NotFound, "the folder of public images does not exist",
                    "choose a folder with one subfolder of images for each class");
    VELAMEN_TRY(core::make_directory(state));
    VELAMEN_ASSIGN(core::FileLock lock, core::FileLock::acquire(state / "lock"));
    std::optional<Position> resumed;
    if (fs::exists(state / kStateFile)) {
        VELAMEN_ASSIGN(const io::Json header, read_state_header(state / kStateFile));
        VELAMEN_ASSIGN(resumed, position_of(header, plan));
    }
    return std::make_unique<Pretraining>(plan, std::move(lock), std::move(resumed));
} catch (const fs::filesystem_error& error) {
    return fail(ErrorCode::Unreadable,
                std::string("the checkpoint's folder cannot be used: ") + error.code().message(),
                "choose a folder that you may write to");
} catch (const std::exception& error) {
    return fail(ErrorCode::Internal,
                std::string("pre-training could not be prepared: ") + error.what());
}

} // namespace velamen::train
