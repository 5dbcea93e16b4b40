// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/dpsgd/grad_rules/embedding.h"

#include <memory>
#include <utility>

#include <ATen/ATen.h>

#include "engine/dpsgd/grad_rules/autograd.h"
#include "engine/dpsgd/grad_tape.h"

namespace velamen::dpsgd {

namespace {

class EmbeddingRecord final : public GradRecord {
public:
    EmbeddingRecord(Slots slots, at::Tensor ids, at::Tensor output_grad, std::int64_t table_rows)
        : GradRecord(slots), ids_(std::move(ids)), grad_(std::move(output_grad)),
          table_rows_(table_rows)
    {
    }

    std::int64_t rows() const override { return ids_.size(0); }

    void add_squared_norms(Role role, std::int64_t units, GramCache& cache,
                           const at::Tensor& squared) override
    {
        if (cache.path == NormPath::Instantiate) {
            squared.add_(row_squares(unit_gradients(role, units, 0, units)));
            return;
        }
        const at::Tensor g = tokens(units);
        if (g.size(1) == 1) {
            squared.add_(row_squares(g));
            return;
        }
        // A row's gradient stands at each of its tokens; there are as many as equal ids.
        const at::Tensor ids = ids_.reshape({units, -1});
        const at::Tensor equal = ids.unsqueeze(1).eq(ids.unsqueeze(2)).to(at::kFloat); // [U, T, T]
        const at::Tensor at_token = at::bmm(equal, g).to(at::kDouble).square().sum(2); // [U, T]
        squared.add_(at_token.div_(equal.sum(2)).sum(1));
    }

    at::Tensor unit_gradients(Role, std::int64_t units, std::int64_t first,
                              std::int64_t count) override
    {
        const at::Tensor g = tokens(units).narrow(0, first, count); // [count, T, D]
        const at::Tensor ids = ids_.reshape({units, -1}).narrow(0, first, count);
        const at::Tensor out = at::zeros({count, table_rows_, g.size(2)}, g.options());
        out.scatter_add_(1, ids.unsqueeze(2).expand_as(g), g);
        return out.flatten(1);
    }

    void add_weighted(Role, const at::Tensor& factors, const at::Tensor& sum) override
    {
        const std::int64_t units = factors.size(0);
        const at::Tensor weighted = tokens(units).mul(factors.view({units, 1, 1}));
        sum.index_add_(0, ids_.flatten(), weighted.flatten(0, 1));
    }

    at::Tensor weighted(Role role, const at::Tensor& factors) override
    {
        const at::Tensor sum =
            at::zeros({table_rows_, grad_.size(-1)}, grad_.options().dtype(at::kFloat));
        add_weighted(role, factors, sum);
        return sum;
    }

    void clear_units(std::int64_t units, const at::Tensor& indices) override
    {
        grad_ = without_units(grad_, units, indices);
    }

private:
    at::Tensor tokens(std::int64_t units) const // [units, tokens of a unit, D] fp32
    {
        return grad_.to(at::kFloat).reshape({units, -1, grad_.size(-1)});
    }

    at::Tensor ids_;  // [N] or [N, L]
    at::Tensor grad_; // [N, D] or [N, L, D]
    std::int64_t table_rows_;
};

struct EmbeddingFunction : torch::autograd::Function<EmbeddingFunction> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& ids,
                              const at::Tensor& weight, const Report& report)
    {
        save_report(context, report);
        context->saved_data["rows"] = weight.size(0);
        context->save_for_backward({ids});
        return at::embedding(weight, ids);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list grads)
    {
        const Report report = load_report(context);
        report.tape->push(
            std::make_unique<EmbeddingRecord>(report.slots, context->get_saved_variables()[0],
                                              grads[0], context->saved_data["rows"].toInt()));
        return {{}, {}, {}};
    }
};

} // namespace

at::Tensor taped_embedding(GradTape& tape, Slots slots, const at::Tensor& ids,
                           const at::Tensor& weight)
{
    return EmbeddingFunction::apply(ids, weight, Report{&tape, slots});
}

} // namespace velamen::dpsgd
