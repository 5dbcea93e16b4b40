// SPDX-License-Identifier: GPL-3.0-or-later
//
// FFTW behind one lock: its planner is the only part that is not thread-safe. The plans of the last
// few lengths are kept, since making one costs as much as a transform.

#include "engine/privacy/pld/fft.h"

#include <limits>
#include <list>
#include <mutex>
#include <new>

#include <fftw3.h>

namespace velamen::privacy {
namespace {

std::mutex& planner()
{
    static std::mutex mutex;
    return mutex;
}

struct Free {
    void operator()(void* memory) const noexcept { fftw_free(memory); }
};

template <class T>
std::unique_ptr<T, Free> allocate(std::size_t count)
{
    void* memory = fftw_malloc(count * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return std::unique_ptr<T, Free>(static_cast<T*>(memory));
}

} // namespace

std::int64_t fast_length(std::int64_t n)
{
    std::int64_t best = std::numeric_limits<std::int64_t>::max();
    for (std::int64_t odd : {1, 3, 5}) {
        std::int64_t length = 2 * odd;
        while (length < n)
            length *= 2;
        best = length < best ? length : best;
    }
    return best;
}

namespace {

/// Plans of one length, for any buffers that fftw_malloc gave. Made and ended under planner().
struct Plans {
    fftw_plan forward = nullptr, inverse = nullptr;
    Plans() = default;
    ~Plans()
    {
        fftw_destroy_plan(forward);
        fftw_destroy_plan(inverse);
    }
    Plans(const Plans&) = delete;
    Plans& operator=(const Plans&) = delete;
};

/// The last lengths, newest first. Guarded by planner().
std::list<std::pair<std::int64_t, std::shared_ptr<Plans>>>& recent()
{
    static std::list<std::pair<std::int64_t, std::shared_ptr<Plans>>> plans;
    return plans;
}

} // namespace

struct RealFft::State {
    std::size_t length;
    std::unique_ptr<double, Free> signal;
    std::unique_ptr<fftw_complex, Free> spectrum;
    std::shared_ptr<Plans> plans;
};

RealFft::RealFft(std::int64_t length) : state_(std::make_unique<State>())
{
    constexpr std::size_t kKept = 24;
    constexpr std::int64_t kLongestKept = std::int64_t{1} << 20; // 16 MB of twiddle factors
    state_->length = static_cast<std::size_t>(length);
    state_->signal = allocate<double>(state_->length);
    state_->spectrum = allocate<fftw_complex>(state_->length / 2 + 1);
    const std::lock_guard lock(planner());
    auto& plans = recent();
    for (auto it = plans.begin(); it != plans.end(); ++it)
        if (it->first == length) {
            plans.splice(plans.begin(), plans, it);
            state_->plans = it->second;
            return;
        }
    state_->plans = std::make_shared<Plans>();
    if (length <= kLongestKept) plans.emplace_front(length, state_->plans);
    if (plans.size() > kKept) plans.pop_back();
}

RealFft::~RealFft()
{
    const std::lock_guard lock(planner());
    state_->plans.reset();
}

std::span<double> RealFft::signal() noexcept { return {state_->signal.get(), state_->length}; }

std::span<std::complex<double>> RealFft::spectrum() noexcept
{
    // FFTW and the standard guarantee the same layout of a complex double.
    return {reinterpret_cast<std::complex<double>*>(state_->spectrum.get()),
            state_->length / 2 + 1};
}

namespace {

/// The plan, made at its first use.
template <class Make>
fftw_plan ready(fftw_plan& plan, const Make& make)
{
    const std::lock_guard lock(planner());
    if (plan == nullptr) plan = make();
    if (plan == nullptr) throw std::bad_alloc();
    return plan;
}

} // namespace

void RealFft::forward()
{
    double* signal = state_->signal.get();
    fftw_complex* spectrum = state_->spectrum.get();
    const auto plan = ready(state_->plans->forward, [&] {
        return fftw_plan_dft_r2c_1d(static_cast<int>(state_->length), signal, spectrum,
                                    FFTW_ESTIMATE);
    });
    fftw_execute_dft_r2c(plan, signal, spectrum);
}

void RealFft::inverse()
{
    double* signal = state_->signal.get();
    fftw_complex* spectrum = state_->spectrum.get();
    const auto plan = ready(state_->plans->inverse, [&] {
        return fftw_plan_dft_c2r_1d(static_cast<int>(state_->length), spectrum, signal,
                                    FFTW_ESTIMATE);
    });
    fftw_execute_dft_c2r(plan, spectrum, signal);
}

} // namespace velamen::privacy
