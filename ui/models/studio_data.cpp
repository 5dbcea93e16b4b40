// SPDX-License-Identifier: GPL-3.0-or-later
//
// The private images of the studio: keys, scan and thumbnails.

#include <algorithm>
#include <random>

#include "ui/models/studio_state.h"
#include "ui/models/unit_words.h"

namespace velamen::ui {

namespace {

constexpr int kThumbnailSize = 64;
constexpr std::size_t kThumbnailsAtOnce = 8;
constexpr std::size_t kKeptScans = 4;

QImage toImage(const image::Image& image)
{
    const std::size_t wanted = static_cast<std::size_t>(image.width)
        * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.channels);
    if (wanted == 0 || image.pixels.size() != wanted) return {};
    const auto format = image.channels == 1 ? QImage::Format_Grayscale8 : QImage::Format_RGB888;
    return QImage(image.pixels.data(), image.width, image.height,
                  qsizetype(image.width) * image.channels, format)
        .copy();
}

} // namespace

std::filesystem::path Studio::source() const { return state_->source; }
bool Studio::isScanning() const { return state_->isScanning; }
const std::optional<data::Manifest>& Studio::manifest() const { return state_->manifest; }

const data::Keys& Studio::keys() const { return state_->request.keys; }
const std::optional<KeySuggestion>& Studio::keySuggestion() const { return state_->suggestion; }

std::string Studio::knownUnitKey() const
{
    const State& s = *state_;
    if (s.request.keys.unit != kFileKey) return s.request.keys.unit;
    if (!s.unitKey.empty()) return s.unitKey;
    return s.suggestion && s.suggestion->keys.unit != kFileKey ? s.suggestion->keys.unit
                                                               : std::string();
}

void Studio::chooseSource(const std::filesystem::path& path)
{
    State& s = *state_;
    if (s.refuseWhileRunning(tr("The images were not changed"))) return;
    s.source = path;
    s.manifest.reset();
    s.wantedThumbnails.clear();
    s.thumbnailTask.cancel();
    s.suggestion.reset();
    s.scanned.clear();
    s.unitKey.clear();
    s.useKeys({});
    s.ledgerTask.cancel();
    s.ledger.clear();
    s.isLedgerRead = false;
    s.ledgerProblem.reset();
    s.saveSoon();
    s.look(true);
    s.replan();
    Q_EMIT ledgerChanged();
}

void Studio::setKeys(const data::Keys& keys)
{
    train::PlanRequest changed = request();
    changed.keys = keys;
    setRequest(changed);
}

void Studio::State::useKeys(const data::Keys& keys)
{
    request.keys = keys;
    if (keys.unit == kFileKey) {
        request.unit = kImageUnit;
        request.images_per_unit = 0;
    } else {
        unitKey = keys.unit;
        if (request.unit == kImageUnit) request.unit = kPatientUnit;
    }
}

void Studio::State::look(bool isNew)
{
    scanTask.cancel();
    isScanning = !source.empty();
    Q_EMIT owner.sourceChanged();
    if (!isScanning) return;
    scanTask.start<KeySuggestion>(
        &owner,
        [suggest = services.suggestKeys,
         path = source](std::stop_token, const TaskWorker::Report&) { return suggest(path); },
        [this, isNew](Result<KeySuggestion> found) {
            if (found) { // a source that cannot be read is told by its scan
                suggestion = std::move(*found);
                if (isNew && suggestion->keys.unit != kFileKey) request.unit = suggestion->unit;
                if (isNew) useKeys(suggestion->keys);
                saveSoon();
            }
            scan();
        });
}

void Studio::State::scan()
{
    scanTask.cancel();
    thumbnailTask.cancel();
    wantedThumbnails.clear();
    manifest.reset();
    isScanning = !source.empty();
    const auto known =
        std::ranges::find(scanned, request.keys, [](const auto& one) { return one.first; });
    if (known != scanned.end()) {
        useManifest(known->second);
        return;
    }
    Q_EMIT owner.sourceChanged();
    if (!isScanning) return;
    scanTask.start<data::Manifest>(
        &owner,
        [scanSource = services.scan, path = source, keys = request.keys,
         unit = request.unit](std::stop_token stop, const TaskWorker::Report& report) {
            return scanSource(path, keys, unit, std::move(stop), report);
        },
        [this](Result<data::Manifest> result) {
            if (result) {
                if (scanned.size() == kKeptScans) scanned.erase(scanned.begin());
                scanned.emplace_back(request.keys, *result);
                useManifest(std::move(*result));
                return;
            }
            isScanning = false;
            Q_EMIT owner.sourceChanged();
            if (result.error().code != ErrorCode::Cancelled)
                Q_EMIT owner.failed(tr("The images could not be read"), result.error());
            replan();
        });
}

void Studio::State::useManifest(data::Manifest found)
{
    isScanning = false;
    manifest = std::move(found);
    if (unitsArePublic == true)
        request.public_units = static_cast<std::int64_t>(manifest->units.size());
    Q_EMIT owner.sourceChanged();
    owner.refreshLedger();
    replan();
}

void Studio::cancelScan()
{
    if (!state_->isScanning) return;
    state_->scanTask.cancel();
    state_->isScanning = false;
    Q_EMIT sourceChanged();
    state_->replan();
}

void Studio::requestThumbnails(int count)
{
    State& s = *state_;
    s.wantedThumbnails.clear();
    if (!s.manifest || s.manifest->classes.empty() || count <= 0) return;
    std::vector<std::vector<const std::string*>> byClass(s.manifest->classes.size());
    for (const auto& entry : s.manifest->images)
        byClass.at(static_cast<std::size_t>(entry.class_index)).push_back(&entry.name);
    std::mt19937_64 order(1234); // public: the choice must say nothing about the images
    for (auto& names : byClass)
        std::ranges::shuffle(names, order);
    for (std::size_t rank = 0; s.wantedThumbnails.size() < static_cast<std::size_t>(count);
         ++rank) {
        bool isAny = false;
        for (std::size_t index = 0; index < byClass.size(); ++index)
            if (rank < byClass[index].size()
                && s.wantedThumbnails.size() < static_cast<std::size_t>(count)) {
                s.wantedThumbnails.emplace_back(static_cast<int>(index), *byClass[index][rank]);
                isAny = true;
            }
        if (!isAny) break;
    }
    s.nextThumbnails();
}

void Studio::State::nextThumbnails()
{
    if (wantedThumbnails.empty()) return;
    using Ready = std::vector<std::pair<int, image::Image>>;
    const auto end = wantedThumbnails.begin()
        + static_cast<std::ptrdiff_t>(std::min(kThumbnailsAtOnce, wantedThumbnails.size()));
    std::vector<std::pair<int, std::string>> batch(wantedThumbnails.begin(), end);
    wantedThumbnails.erase(wantedThumbnails.begin(), end);
    thumbnailTask.start<Ready>(
        &owner,
        [read = services.thumbnail, path = source, batch = std::move(batch)](
            std::stop_token stop, const TaskWorker::Report&) -> Result<Ready> {
            Ready ready;
            for (const auto& [classIndex, name] : batch) {
                if (stop.stop_requested()) return fail(ErrorCode::Cancelled, "Cancelled.");
                if (auto image = read(path, name, kThumbnailSize)) // a bad one is left out
                    ready.emplace_back(classIndex, std::move(*image));
            }
            return ready;
        },
        [this](Result<Ready> ready) {
            if (!ready) return;
            for (const auto& [classIndex, image] : *ready)
                Q_EMIT owner.thumbnailReady(classIndex, toImage(image));
            nextThumbnails();
        });
}

} // namespace velamen::ui
