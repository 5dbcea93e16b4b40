// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sampling from the tuned or the public model, writing and checking releases, and the view of the
// ledger.

#include <algorithm>

#include "ui/models/strings.h"
#include "ui/models/studio_state.h"

namespace velamen::ui {

// ---- sample

bool Studio::isGenerating() const { return state_->generator && state_->generator->isRunning(); }

const std::vector<generate::GeneratedImage>& Studio::generated() const { return state_->generated; }

const generate::GenerationRequest& Studio::generationRequest() const
{
    return state_->generationRequest;
}

QStringList Studio::classNames() const
{
    return toStrings(state_->runPlan ? state_->runPlan->classes : state_->request.classes);
}

bool Studio::hasTunedModel() const
{
    return state_->lastRun && !state_->lastRun->checkpoint.empty();
}

DrawnModel Studio::drawnModel() const
{
    return state_->isPublicWanted || !hasTunedModel() ? DrawnModel::Public : DrawnModel::Tuned;
}

void Studio::setDrawnModel(DrawnModel model)
{
    const bool isPublicWanted = model == DrawnModel::Public && hasTunedModel();
    if (isPublicWanted == state_->isPublicWanted) return;
    state_->isPublicWanted = isPublicWanted;
    Q_EMIT drawnModelChanged();
}

QStringList Studio::drawableClasses() const
{
    if (drawnModel() == DrawnModel::Tuned) return classNames();
    return state_->inspection ? toStrings(state_->inspection->card.classes) : QStringList();
}

DrawnModel Studio::generatedModel() const
{
    return state_->generatedFrom.empty() ? DrawnModel::Public : DrawnModel::Tuned;
}

bool Studio::takesPrompts() const
{
    const auto& model = state_->inspection;
    return model && std::ranges::any_of(model->components, [](const auto& one) {
               return one.name == "text_encoder" || one.name == "bert";
           });
}

QString Studio::subjectOf(const generate::GeneratedImage& image) const
{
    const auto index = static_cast<std::size_t>(image.class_index);
    const auto& prompts = state_->generationRequest.prompts;
    if (index < prompts.size()) return QString::fromStdString(prompts[index]);
    return state_->generatedClasses.value(image.class_index, QString::number(image.class_index));
}

QString Studio::whyCannotGenerate() const
{
    const State& s = *state_;
    if (isGenerating()) return tr("Images are being drawn.");
    if (drawnModel() == DrawnModel::Tuned) return {};
    if (!s.inspection) return tr("There is no model yet. Choose one on the Model page.");
    if (!s.inspection->problems.empty())
        return tr("The public model cannot be used as it is. The Model page says why.");
    return {};
}

void Studio::generate(const generate::GenerationRequest& request)
{
    State& s = *state_;
    if (const QString reason = whyCannotGenerate(); !reason.isEmpty()) {
        Q_EMIT failed(tr("No images were drawn"), Error{ErrorCode::Refused, reason.toStdString()});
        return;
    }
    const bool isTuned = drawnModel() == DrawnModel::Tuned;
    const std::filesystem::path from = isTuned ? s.lastRun->checkpoint : s.checkpoint;
    const std::string key =
        from.string() + '#' + (isTuned ? std::to_string(s.lastRun->step) : std::string("public"));
    if (!s.generator || s.generatorKey != key) {
        s.generator = std::make_unique<GenerationWorker>(
            [open = s.services.openGeneration, from] { return open(from); });
        s.generatorKey = key;
        connect(s.generator.get(), &GenerationWorker::generated, this,
                [this](const std::vector<generate::GeneratedImage>& images) {
                    state_->generated.insert(state_->generated.end(), images.begin(), images.end());
                    Q_EMIT generatedChanged();
                });
        connect(s.generator.get(), &GenerationWorker::progressed, this,
                &Studio::generationProgressed);
        connect(s.generator.get(), &GenerationWorker::drafted, this, &Studio::generationDrafted);
        connect(s.generator.get(), &GenerationWorker::noted, this,
                [this](const std::vector<std::string>& notes) {
                    Q_EMIT generationNoted(toStrings(notes));
                });
        connect(s.generator.get(), &GenerationWorker::finished, this,
                [this] { state_->onGenerationEnd(std::nullopt); });
        connect(s.generator.get(), &GenerationWorker::failed, this,
                [this](const Error& error) { state_->onGenerationEnd(error); });
    }
    s.generationRequest = request;
    s.generated.clear();
    s.generatedClasses = drawableClasses();
    s.generatedFrom = isTuned ? s.runFolder : std::filesystem::path();
    s.saveSoon();
    s.generator->start(request);
    Q_EMIT generatedChanged();
    Q_EMIT generationProgressed(0.0, static_cast<double>(request.classes.size()));
}

void Studio::cancelGeneration()
{
    if (isGenerating()) state_->generator->cancel();
}

void Studio::State::onGenerationEnd(const std::optional<Error>& error)
{
    if (error && error->code != ErrorCode::Cancelled)
        Q_EMIT owner.failed(tr("The images could not be drawn"), *error);
    Q_EMIT owner.generationFinished();
}

// ---- release

bool Studio::isReleasing() const { return state_->releaseTask.isBusy(); }

const std::optional<release::ReleaseSummary>& Studio::releaseSummary() const
{
    return state_->releaseSummary;
}

const std::optional<release::Verification>& Studio::verification() const
{
    return state_->verification;
}

QString Studio::whyCannotRelease() const
{
    const State& s = *state_;
    if (isReleasing()) return tr("A release is being written or checked.");
    if (!hasTunedModel()) return tr("There is no tuned model yet. Train one on the Train page.");
    if (isGenerating()) return tr("Images are still being drawn.");
    if (s.generated.empty()) return tr("There are no images yet. Draw some on the Sample page.");
    if (generatedModel() == DrawnModel::Public)
        return tr("The images come from the public model. Draw some of the tuned one on the Sample "
                  "page.");
    if (s.generatedFrom != s.runFolder)
        return tr("The images come from an earlier run. Draw new ones on the Sample page.");
    return {};
}

std::vector<release::ReleaseImage> Studio::State::releaseImages() const
{
    std::vector<release::ReleaseImage> images;
    images.reserve(generated.size());
    for (const auto& one : generated) {
        images.push_back({owner.subjectOf(one).toStdString(), one.seed, generationRequest.guidance,
                          generationRequest.steps,
                          std::string(generate::name_of(generationRequest.sampler)), one.image});
    }
    return images;
}

void Studio::writeRelease(const std::filesystem::path& zip)
{
    State& s = *state_;
    if (const QString reason = whyCannotRelease(); !reason.isEmpty()) {
        Q_EMIT failed(tr("Nothing was released"), Error{ErrorCode::Refused, reason.toStdString()});
        return;
    }
    struct Written {
        release::ReleaseSummary summary;
        release::Verification verification;
    };
    s.releaseSummary.reset();
    s.verification.reset();
    s.releaseTask.start<Written>(
        this,
        [write = s.services.writeRelease, verifyZip = s.services.verify, run = s.runFolder,
         images = s.releaseImages(),
         zip](std::stop_token stop, const TaskWorker::Report&) -> Result<Written> {
            VELAMEN_ASSIGN(auto summary, write(run, images, zip, std::move(stop)));
            VELAMEN_ASSIGN(auto verification, verifyZip(zip));
            return Written{std::move(summary), std::move(verification)};
        },
        [this](Result<Written> written) {
            if (written) {
                state_->releaseSummary = std::move(written->summary);
                state_->verification = std::move(written->verification);
            }
            Q_EMIT releaseChanged();
            if (!written && written.error().code != ErrorCode::Cancelled)
                Q_EMIT failed(tr("The release was not written"), written.error());
        });
    Q_EMIT releaseChanged();
}

void Studio::verify(const std::filesystem::path& zip)
{
    State& s = *state_;
    if (isReleasing()) return;
    s.releaseSummary.reset();
    s.verification.reset();
    s.releaseTask.start<release::Verification>(
        this,
        [verifyZip = s.services.verify, zip](std::stop_token, const TaskWorker::Report&) {
            return verifyZip(zip);
        },
        [this](Result<release::Verification> result) {
            if (result) state_->verification = std::move(*result);
            Q_EMIT releaseChanged();
            if (!result) Q_EMIT failed(tr("The file could not be checked"), result.error());
        });
    Q_EMIT releaseChanged();
}

void Studio::cancelRelease()
{
    state_->releaseTask.cancel();
    Q_EMIT releaseChanged();
}

// ---- ledger

const std::vector<privacy::LedgerEntry>& Studio::ledger() const { return state_->ledger; }
bool Studio::isLedgerRead() const { return state_->isLedgerRead; }
const std::optional<Error>& Studio::ledgerProblem() const { return state_->ledgerProblem; }

void Studio::refreshLedger()
{
    State& s = *state_;
    if (s.source.empty() || !s.services.ledgerOf || s.ledgerTask.isBusy()) return;
    using Entries = std::vector<privacy::LedgerEntry>;
    s.ledgerTask.start<Entries>(
        this,
        [read = s.services.ledgerOf,
         source = s.source](std::stop_token, const TaskWorker::Report&) { return read(source); },
        [this](Result<Entries> entries) {
            State& now = *state_;
            now.isLedgerRead = entries.has_value();
            if (entries) {
                now.ledger = std::move(*entries);
                now.ledgerProblem.reset();
            } else {
                now.ledgerProblem = entries.error();
            }
            Q_EMIT ledgerChanged();
        });
}

} // namespace velamen::ui
