// SPDX-License-Identifier: GPL-3.0-or-later
//
// One run of public training: images -> autoencoder -> latents -> UNet -> checkpoint. Keeps a state
// in out/.pretrain so that it can be stopped at any moment and go on later.

#include "engine/train/public/pretrain.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <new>
#include <optional>

#include <ATen/ATen.h>
#include <sys/resource.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/writer.h"
#include "engine/core/file.h"
#include "engine/generate/render.h"
#include "engine/image/codec.h"
#include "engine/train/public/autoencoder_stage.h"
#include "engine/train/public/image_set.h"
#include "engine/train/public/plan_json.h"
#include "engine/train/public/state_file.h"
#include "engine/train/public/unet_stage.h"

namespace velamen::train {

namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::int64_t kStateSchema = 1;
constexpr auto kSaveEvery = std::chrono::seconds(120);
constexpr std::int64_t kPointEvery = 20;    ///< steps averaged into one point of the curve
constexpr std::int64_t kPreviews = 12;      ///< rows of samples over the UNet's stage
constexpr std::size_t kPreviewClasses = 64; ///< at most so many classes in a row
constexpr std::uint64_t kPreviewSeed = 1234;

double seconds_since(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double peak_gigabytes()
{
    rusage usage {};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
}

std::string rounded(double value, const char* format)
{
    char text[64];
    std::snprintf(text, sizeof text, format, value);
    return text;
}

/// Where a run stands; the tensors are in the same file.
struct Position {
    bool is_unet = false;
    std::int64_t step = 0; ///< steps done in this stage
    double psnr = 0.0;     ///< of the finished autoencoder
    double autoencoder_loss = 0.0;
    std::vector<std::string> classes;
    std::int64_t images = 0;
};

io::Json to_json(const Position& position, const PretrainPlan& plan)
{
    io::Json classes = io::Json::array();
    for (const std::string& name : position.classes)
        classes.push_back(name);
    return io::Json(io::Json::Object {
        {"schema", kStateSchema},
        {"plan", identity_of(plan)},
        {"stage", position.is_unet ? "unet" : "autoencoder"},
        {"step", position.step},
        {"psnr", position.psnr},
        {"autoencoder_loss", position.autoencoder_loss},
        {"classes", classes},
        {"images", position.images},
    });
}

/// Refused when the state belongs to another plan.
Result<Position> position_of(const io::Json& header, const PretrainPlan& plan)
{
    const io::Json* found = header.find("plan");
    const auto schema = header.integer("schema");
    if (!schema || *schema != kStateSchema || found == nullptr || *found != identity_of(plan))
        return fail(ErrorCode::Refused,
                    "the folder holds an unfinished pre-training with other settings",
                    "use the same settings to go on, choose another folder, or delete its "
                    "subfolder .pretrain to start again");
    Position position;
    VELAMEN_ASSIGN(const std::string stage, header.text("stage"));
    position.is_unet = stage == "unet";
    VELAMEN_ASSIGN(position.step, header.integer("step"));
    VELAMEN_ASSIGN(position.psnr, header.number("psnr"));
    VELAMEN_ASSIGN(position.autoencoder_loss, header.number("autoencoder_loss"));
    VELAMEN_ASSIGN(position.classes, header.texts("classes"));
    VELAMEN_ASSIGN(position.images, header.integer("images"));
    const std::int64_t last = position.is_unet ? plan.unet_steps : plan.autoencoder_steps;
    if (position.step < 0 || position.step > last)
        return fail(ErrorCode::Corrupt, "the state of the earlier pre-training is damaged",
                    "delete the folder .pretrain to start again");
    return position;
}

class Pretraining final : public TrainingSession {
public:
    Pretraining(const PretrainPlan& plan, core::FileLock lock, std::optional<Position> resumed)
        : plan_(plan), lock_(std::move(lock)), is_resumed_(resumed.has_value()),
          position_(resumed.value_or(Position {}))
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
    Result<> encode();
    Result<> train_unet();
    Result<> finish();
    Result<> loop(Stage& stage);
    Result<> save_state();
    Result<> preview(std::int64_t step, const std::string& name);
    Result<> draw_samples(std::int64_t step, const std::string& name);
    void tell(Phase phase, std::int64_t done, std::int64_t total, const std::string& note = {});

    fs::path state_path() const { return plan_.out / ".pretrain" / "state.safetensors"; }
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
    double loss_ = 0.0; ///< mean over the last point of the curve
    double unet_loss_ = 0.0;
};

void Pretraining::tell(Phase phase, std::int64_t done, std::int64_t total, const std::string& note)
{
    observer_->on_progress({.phase = phase,
                            .done = done,
                            .total = total,
                            .peak_gigabytes = peak_gigabytes(),
                            .note = note});
}

Result<> Pretraining::work()
{
    tell(Phase::Preparing, 0, 0,
         is_resumed_ ? "Going on from step " + std::to_string(overall(position_.step)) + "."
                     : "Starting a public pre-training.");
    VELAMEN_TRY(load_source());
    VELAMEN_TRY(train_autoencoder());
    VELAMEN_TRY(encode());
    VELAMEN_TRY(train_unet());
    return finish();
}

Result<> Pretraining::load_source()
{
    tell(Phase::Scanning, 0, 0);
    auto last = Clock::now();
    VELAMEN_ASSIGN(images_,
                   load_images(plan_.source, plan_.image_size, plan_.image_channels, stop_,
                               [&](std::int64_t done, std::int64_t total) {
                                   if (done != total && seconds_since(last) < 0.1)
                                       return;
                                   last = Clock::now();
                                   tell(Phase::Scanning, done, total);
                               }));
    std::string note = std::to_string(images_.size()) + " images in "
        + std::to_string(images_.classes.size()) + " classes.";
    if (images_.left_out > 0)
        note += " " + std::to_string(images_.left_out) + " files could not be used.";
    tell(Phase::Scanning, images_.size(), images_.size(), note);
    if (is_resumed_
        && (images_.size() != position_.images || images_.classes != position_.classes))
        return fail(ErrorCode::Refused,
                    "the images changed since this pre-training was stopped",
                    "bring them back, or delete the folder .pretrain to start again");
    position_.images = images_.size();
    position_.classes = images_.classes;
    return {};
}

Result<> Pretraining::train_autoencoder()
{
    at::manual_seed(plan_.seed); // initial weights
    autoencoder_ = std::make_unique<AutoencoderStage>(plan_, images_);
    if (position_.is_unet)
        return {}; // the weights come with the UNet's state
    if (is_resumed_)
        VELAMEN_TRY(read_state(state_path(), autoencoder_->state()));
    VELAMEN_TRY(loop(*autoencoder_));
    position_.psnr = autoencoder_->held_out_psnr();
    position_.autoencoder_loss = loss_;
    tell(Phase::Training, overall(position_.step), plan_.autoencoder_steps + plan_.unet_steps,
         "The autoencoder is trained: " + rounded(position_.psnr, "%.2f dB on ")
             + std::to_string(autoencoder_->held_out_count()) + " held-out images.");
    return preview(position_.step, "autoencoder");
}

Result<> Pretraining::encode()
{
    VELAMEN_ASSIGN(schedule_, pretrain_schedule());
    NamedTensors tensors;
    if (position_.is_unet) {
        // Latents follow from the autoencoder, which has to be there before the UNet's stage.
        const auto shape = {plan_.latent_channels, plan_.image_size, plan_.image_size};
        (void)shape;
    }
    return {};
}

} // namespace

} // namespace velamen::train
