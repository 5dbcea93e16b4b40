// SPDX-License-Identifier: GPL-3.0-or-later
//
// bench: ratios against a named reference, measured in one run.

#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/bench_dp_step.h"
#include "app/velamen_cli/commands.h"

namespace velamen::app {

namespace {

int run(const std::string& config, std::int64_t batch, const Context& context)
{
    const Output output = context.output();
    const auto result = benchDpStep(config, batch);
    if (!result) return output.fail(result.error());
    output.answer(*result);
    for (const char* key : {"non_private", "private", "optimiser"})
        if (const io::Json* part = result->find(key); part != nullptr)
            output.line(fmt::format("{:<12} {:.4f} s  {:.1f} MB", key,
                                    part->number_or("seconds", 0.0).value_or(0.0),
                                    part->number_or("peak_bytes", 0.0).value_or(0.0) / 1e6));
    output.line(fmt::format("ratio        {:.3f}", result->number_or("ratio", 0.0).value_or(0.0)));
    return Ok;
}

} // namespace

void addBench(CLI::App& app, Context& context)
{
    struct Options {
        std::string config = "mnist";
        std::int64_t batch = 0;
    };
    auto o = std::make_shared<Options>();
    CLI::App* bench = app.add_subcommand("bench", "Benchmarks as ratios");
    bench->require_subcommand(1);
    CLI::App* step = bench->add_subcommand(
        "dp-step", "Private against non-private step of attention-only training");
    step->add_option("--config", o->config, "mnist, cifar or sd256")
        ->check(CLI::IsMember({"mnist", "cifar", "sd256"}))
        ->capture_default_str();
    step->add_option("--batch", o->batch, "Units a micro-batch (default: the configuration's)");
    step->callback([o, &context] { context.exitCode = run(o->config, o->batch, context); });
}

} // namespace velamen::app
