// SPDX-License-Identifier: GPL-3.0-or-later
//
// FFTW behind one lock: its planner is the only part that is not thread-safe. The plans of the last
// few lengths are kept, since making one costs as much as a transform.

#include "engine/privacy/fft.h"

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
    Plans(int n, double* signal, fftw_complex* spectrum)
        : forward(fftw_plan_dft_r2c_1d(n, signal, spectrum, FFTW_ESTIMATE)),
          inverse(fftw_plan_dft_c2r_1d(n, spectrum, signal, FFTW_ESTIMATE))
    {
    }
    ~Plans()
    {
        fftw_destroy_plan(forward);
        fftw_destroy_plan(inverse);
    }
    Plans(const Plans&) = delete;
    Plans& operator=(const Plans&) = delete;
};

/// The last lengths, newest first. Guarded by planner().
std::list<std::pair<std::int64_t, std::shared_ptr<const Plans>>>& recent()
{
    static std::list<std::pair<std::int64_t, std::shared_ptr<const Plans>>> plans;
    return plans;
}

} // namespace

struct RealFft::State {
    std::size_t length;
    std::unique_ptr<double, Free> signal;
    std::unique_ptr<fftw_complex, Free> spectrum;
    std::shared_ptr<const Plans> plans;
};

RealFft::RealFft(std::int64_t length) : state_(std::make_unique<State>())
{
    constexpr std::size_t kKept = 12;
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
    state_->plans = std::make_shared<const Plans>(static_cast<int>(length), state_->signal.get(),
                                                  state_->spectrum.get());
    if (state_->plans->forward == nullptr || state_->plans->inverse == nullptr) {
        state_->plans.reset();
        throw std::bad_alloc();
    }
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

void RealFft::forward()
{
    fftw_execute_dft_r2c(state_->plans->forward, state_->signal.get(), state_->spectrum.get());
}

void RealFft::inverse()
{
    fftw_execute_dft_c2r(state_->plans->inverse, state_->spectrum.get(), state_->signal.get());
}

} // namespace velamen::privacy
