// SPDX-License-Identifier: GPL-3.0-or-later

#include "app/velamen_cli/progress.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/core/file.h"
#include "engine/image/codec.h"

namespace velamen::app {

namespace {

// Signal handlers may only touch a lock-free flag; a thread turns it into a stop request.
std::atomic<bool> interrupted{false};
std::stop_source stopSource;
std::jthread watcher;

extern "C" void onSignal(int number)
{
    // The second signal ends the program at once.
    if (interrupted.exchange(true)) std::_Exit(128 + number);
}

} // namespace

InterruptGuard::InterruptGuard()
{
    std::signal(SIGINT, onSignal);
    std::signal(SIGTERM, onSignal);
    watcher = std::jthread([](std::stop_token stop) {
        while (!stop.stop_requested()) {
            if (interrupted.load()) stopSource.request_stop();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    });
}

InterruptGuard::~InterruptGuard()
{
    watcher.request_stop();
    if (watcher.joinable()) watcher.join();
}

std::stop_token InterruptGuard::token() const { return stopSource.get_token(); }

Bar::Bar(const Output& output, std::string label)
    : output_(output), label_(std::move(label)), start_(std::chrono::steady_clock::now()),
      drawn_(start_ - std::chrono::hours(1))
{
}

Bar::~Bar()
{
    if (open_) std::fputs("\n", stdout);
}

void Bar::update(double done, double total, const std::string& note)
{
    if (output_.isJson() || total <= 0.0) return;
    const double share = std::clamp(done / total, 0.0, 1.0);
    const auto now = std::chrono::steady_clock::now();
    if (isatty(STDOUT_FILENO) == 0) {
        const int tenths = static_cast<int>(share * 10.0);
        if (tenths == tenths_ || tenths == 0) return;
        tenths_ = tenths;
        output_.line(fmt::format("  {:<10} {:3.0f} %  {}", label_, share * 100.0, note));
        return;
    }
    if (now - drawn_ < std::chrono::milliseconds(100) && share < 1.0) return;
    drawn_ = now;
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    const std::string left =
        share > 0.02 && share < 1.0 ? duration(elapsed * (1.0 - share) / share) + " left" : "";
    const int full = static_cast<int>(share * 30.0);
    std::fputs(fmt::format("\r  {:<10} [{:<30}] {:3.0f} %  {} {}\033[K", label_,
                           std::string(static_cast<std::size_t>(full), '#'), share * 100.0, note,
                           left)
                   .c_str(),
               stdout);
    std::fflush(stdout);
    open_ = true;
}

void Bar::finish(const std::string& note)
{
    if (output_.isJson()) return;
    const double elapsed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    if (isatty(STDOUT_FILENO) != 0) std::fputs("\r\033[K", stdout);
    output_.line(fmt::format("  {:<10} {:.1f} s  {}", label_, elapsed, note));
    open_ = false;
}

ConsoleObserver::ConsoleObserver(const Output& output, std::filesystem::path samplesPng)
    : output_(output), samplesPng_(std::move(samplesPng))
{
}

ConsoleObserver::~ConsoleObserver() = default;

void ConsoleObserver::on_progress(const train::Progress& progress)
{
    if (progress.phase != phase_) {
        // Drawing previews and saving are moments within training: the training bar stays.
        const bool isInterlude = phase_ == train::Phase::Training
            && (progress.phase == train::Phase::Sampling || progress.phase == train::Phase::Saving);
        if (isInterlude) return;
        if (bar_) bar_->finish();
        phase_ = progress.phase;
        bar_ = std::make_unique<Bar>(output_, train::name_of(progress.phase));
    }
    std::string note;
    if (progress.phase == train::Phase::Training && progress.epsilon_limit > 0.0)
        note = fmt::format("step {} of {}, epsilon {:.2f} of {:.2f}", progress.done, progress.total,
                           progress.epsilon, progress.epsilon_limit);
    else if (progress.phase == train::Phase::Training)
        note = fmt::format("step {} of {}", progress.done, progress.total);
    if (!progress.note.empty() && !output_.isJson()) output_.line("  " + progress.note);
    bar_->update(static_cast<double>(progress.done), static_cast<double>(progress.total), note);
    io::Json json = io::Json::object();
    json["event"] = "progress";
    json["phase"] = train::name_of(progress.phase);
    json["done"] = progress.done;
    json["total"] = progress.total;
    if (progress.epsilon_limit > 0.0) json["epsilon"] = progress.epsilon;
    if (!progress.note.empty()) json["note"] = progress.note;
    output_.event(json);
}

void ConsoleObserver::on_step(const train::StepPoint& point)
{
    const auto now = std::chrono::steady_clock::now();
    if (steps_++ == 0) firstStep_ = now;
    lastStep_ = now;
    last_ = point;
    io::Json json = io::Json::object();
    json["event"] = "step";
    json["step"] = point.step;
    json["epsilon"] = point.epsilon;
    json["loss"] = point.noised_loss ? io::Json(*point.noised_loss) : io::Json();
    if (point.noised_clipped_fraction) json["clipped_fraction"] = *point.noised_clipped_fraction;
    json["noised_gradient_norm"] = point.noised_gradient_norm;
    json["learning_rate"] = point.learning_rate;
    output_.event(json);
}

void ConsoleObserver::on_samples(const train::SampleRow& row)
{
    if (samplesPng_.empty() || row.images.empty()) return;
    rows_.push_back(row.images);
    std::vector<image::Image> all;
    for (const auto& images : rows_)
        all.insert(all.end(), images.begin(), images.end());
    const auto sheet = image::contact_sheet(all, static_cast<int>(row.images.size()));
    if (const auto png = image::encode_png(sheet); png)
        static_cast<void>(core::write_file(samplesPng_, std::span<const std::byte>(*png)));
}

double ConsoleObserver::secondsPerStep() const
{
    return steps_ < 2 ? 0.0
                      : std::chrono::duration<double>(lastStep_ - firstStep_).count()
            / static_cast<double>(steps_ - 1);
}

} // namespace velamen::app
