// SPDX-License-Identifier: GPL-3.0-or-later
//
// FFTW behind one lock: its planner is the only part that is not thread-safe.

#include "engine/privacy/fft.h"

#include <limits>
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
    for (std::int64_t odd : {1, 3, 5, 9, 15, 25, 27}) {
        std::int64_t length = 2 * odd;
        while (length < n)
            length *= 2;
        best = length < best ? length : best;
    }
    return best;
}

struct RealFft::State {
    std::size_t length;
    std::unique_ptr<double, Free> signal;
    std::unique_ptr<fftw_complex, Free> spectrum;
    fftw_plan forward = nullptr, inverse = nullptr;
};

RealFft::RealFft(std::int64_t length) : state_(std::make_unique<State>())
{
    state_->length = static_cast<std::size_t>(length);
    state_->signal = allocate<double>(state_->length);
    state_->spectrum = allocate<fftw_complex>(state_->length / 2 + 1);
    const std::lock_guard lock(planner());
    const int n = static_cast<int>(length);
    state_->forward =
        fftw_plan_dft_r2c_1d(n, state_->signal.get(), state_->spectrum.get(), FFTW_ESTIMATE);
    state_->inverse =
        fftw_plan_dft_c2r_1d(n, state_->spectrum.get(), state_->signal.get(), FFTW_ESTIMATE);
    if (state_->forward == nullptr || state_->inverse == nullptr) {
        fftw_destroy_plan(state_->forward);
        fftw_destroy_plan(state_->inverse);
        throw std::bad_alloc();
    }
}

RealFft::~RealFft()
{
    const std::lock_guard lock(planner());
    fftw_destroy_plan(state_->forward);
    fftw_destroy_plan(state_->inverse);
}

std::span<double> RealFft::signal() noexcept { return {state_->signal.get(), state_->length}; }

std::span<std::complex<double>> RealFft::spectrum() noexcept
{
    // FFTW and the standard guarantee the same layout of a complex double.
    return {reinterpret_cast<std::complex<double>*>(state_->spectrum.get()),
            state_->length / 2 + 1};
}

void RealFft::forward() { fftw_execute(state_->forward); }
void RealFft::inverse() { fftw_execute(state_->inverse); }

} // namespace velamen::privacy
