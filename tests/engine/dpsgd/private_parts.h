// SPDX-License-Identifier: GPL-3.0-or-later
//
// What several tests of private training need: plain layers, per-unit gradients by a slow loop in
// double, draws and spent steps from the real sampler and a real ledger in a temporary folder.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <torch/torch.h>

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
std::vector<Model> all_models();
Model attention_network();

/// Rows of `units` units, K each, from a fixed seed.
struct Rows {
    at::Tensor x, ids;
    std::int64_t units = 0;
    std::int64_t per_unit = 1;
    Rows part(std::int64_t first, std::int64_t count) const;
};
Rows make_rows(const Model& model, std::int64_t units, std::int64_t per_unit);

/// Per-row loss of an output.
at::Tensor row_losses(const at::Tensor& out);

/// gradients[u][i]: of unit u and parameter i, by one autograd pass per unit in double.
struct Oracle {
    std::vector<std::vector<at::Tensor>> gradients;
    std::vector<double> norms;
    std::vector<double> losses;
    /// Sum over units of clip_factor(norm) * gradient.
    std::vector<at::Tensor> clipped_sum(double clip) const;
    double median_norm() const;
};
Oracle slow_gradients(const Model& model, const Rows& rows);

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
