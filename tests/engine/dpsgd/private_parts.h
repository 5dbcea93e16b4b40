// SPDX-License-Identifier: GPL-3.0-or-later
//
// What several tests of private training need: plain layers, per-unit gradients by a slow loop in
// double, draws and spent steps from the real sampler and a real ledger in a temporary folder.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "engine/data/poisson.h"
#include "engine/dpsgd/clipper.h"
#include "engine/dpsgd/grad_tape.h"
#include "engine/dpsgd/private_step.h"
#include "engine/privacy/ledger.h"
#include "tests/support/temp_dir.h"

namespace velamen::dpsgd {

struct ClippedSumSeam {
    static const std::vector<at::Tensor>& sums(const ClippedSum& sum) { return sum.sums_; }
    static double loss_sum(const ClippedSum& sum) { return sum.loss_sum_; }
};

namespace testing {

/// The operations themselves: what layers do when nobody watches.
class PlainTap final : public nn::Tap {
public:
    at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) override;
    at::Tensor conv1d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                      std::int64_t stride, std::int64_t padding) override;
    at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                      std::int64_t stride, std::int64_t padding) override;
    at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                          double eps) override;
    at::Tensor group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& w,
                          const at::Tensor& b, double eps) override;
    at::Tensor embedding(const at::Tensor& ids, const at::Tensor& w) override;
};

/// A function of rows with parameters; the same code runs in fp32 under a tape and in double.
struct Model {
    std::string name;
    std::vector<at::Tensor> parameters; ///< fp32
    std::function<at::Tensor(const std::vector<at::Tensor>&, const at::Tensor& x,
                             const at::Tensor& ids, nn::Tap&)>
        forward;
    std::vector<std::int64_t> x_shape;   ///< of one row
    std::vector<std::int64_t> ids_shape; ///< of one row
    std::int64_t id_count = 4;

    TrainedTensors trained() const;
};

/// One model per layer type and way of using it; the last is a small attention network.
const std::vector<Model>& all_models();
constexpr std::size_t kModels = 14;
Model attention_network();

/// Rows of `units` units, so many images each, so many noisy draws of each image; a fixed seed.
struct Rows {
    at::Tensor x, ids;
    std::int64_t units = 0;
    std::int64_t per_unit = 1;
    Rows part(std::int64_t first, std::int64_t count) const;
};
Rows make_rows(const Model& model, std::int64_t units, std::int64_t images, std::int64_t draws = 1);

/// Per-row loss of an output.
at::Tensor row_losses(const at::Tensor& out);

/// gradients[u][i]: of unit u and parameter i, by one autograd pass per unit in double.
struct Oracle {
    std::vector<std::vector<at::Tensor>> gradients;
    std::vector<double> norms;
    std::vector<double> losses;
    /// Sum over units of clip_factor(norm) * gradient.
    std::vector<at::Tensor> clipped_sum(double clip) const;
    /// Sum over units of factor(unit, tensor) * gradient.
    std::vector<at::Tensor>
    weighted_sum(const std::function<double(std::size_t, std::size_t)>& factor) const;
    double median_norm() const;
};
Oracle slow_gradients(const Model& model, const Rows& rows);

/// Of a forward pass under `tap`, in fp32: [units].
at::Tensor losses_of(const Model& model, const Rows& rows, nn::Tap& tap);

/// Passes every call on to a tape and keeps what the rules are given, whatever its precision.
class WatchingTap final : public nn::Tap {
public:
    explicit WatchingTap(GradTape& tape) : tape_(tape) {}
    at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) override;
    at::Tensor conv1d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                      std::int64_t stride, std::int64_t padding) override;
    at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                      std::int64_t stride, std::int64_t padding) override;
    at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                          double eps) override;
    at::Tensor group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& w,
                          const at::Tensor& b, double eps) override;
    at::Tensor embedding(const at::Tensor& ids, const at::Tensor& w) override;

    /// After backward: the gradient norm that follows from these rows' activations and output
    /// gradients, in double.
    double exact_norm(std::int64_t first_row, std::int64_t rows) const;

private:
    using Operation =
        std::function<at::Tensor(nn::Tap&, const at::Tensor&, const std::vector<at::Tensor>&)>;
    struct Call {
        Operation operation;
        at::Tensor input;
        std::vector<at::Tensor> parameters; ///< one of them may be undefined
        std::shared_ptr<at::Tensor> gradient;
    };
    at::Tensor watch(const Operation& operation, const at::Tensor& x,
                     const std::vector<at::Tensor>& parameters);
    GradTape& tape_;
    std::vector<Call> calls_;
};

/// Forward, backward and add() for these rows; zero rows are no micro-batch at all.
void add_rows(const Model& model, const Rows& rows, GradTape& tape, Clipper& clipper,
              std::int64_t padded = 0);

data::PoissonDraw draw_of(std::int64_t units);

/// ||a - b|| / ||b|| over all tensors together; 0 when both are zero.
double relative_error(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b);

/// Spent steps from a ledger of its own.
class StepSource {
public:
    StepSource(double effective, double gradient);
    /// Hardened steps.
    explicit StepSource(const privacy::StepNoise& noise);
    /// From the next step on.
    void release_clipped_fraction(double noise);
    privacy::SpentStep next();

private:
    void open();
    void charge();
    test::TempDir folder_;
    std::vector<privacy::Ledger> ledger_;
    std::vector<privacy::ReservedSteps> reserved_;
    privacy::TrainingSteps event_;
};

} // namespace testing
} // namespace velamen::dpsgd
