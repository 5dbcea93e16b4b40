// SPDX-License-Identifier: GPL-3.0-or-later
//
// bench: ratios against a named reference, measured in one run.

#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/bench_accountant.h"
#include "app/velamen_cli/bench_dp_step.h"
#include "app/velamen_cli/bench_forward.h"
#include "app/velamen_cli/bench_optimiser.h"
#include "app/velamen_cli/commands.h"

namespace velamen::app {

namespace {

int run(const std::string& config, std::int64_t batch, const std::string& precision,
        const Context& context)
{
    const Output output = context.output();
    const auto result = benchDpStep(config, batch, precision);
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

double value_of(const io::Json& row, const char* key)
{
    return row.number_or(key, 0.0).value_or(0.0);
}

int runAccountant(const std::string& python, const Context& context)
{
    const Output output = context.output();
    const auto result = benchAccountant(python);
    if (!result) return output.fail(result.error());
    output.answer(*result);
    output.line("ms: epsilon / after other steps / calibration; ratio: "
                "dp_accounting's to ours");
    const io::Json* vectors = result->find("vectors");
    for (const io::Json& row : *vectors->if_array()) {
        const auto value = [&](const char* part, const char* key) {
            const io::Json* found = row.find(part);
            return found == nullptr || !found->is_object() ? 0.0 : value_of(*found, key);
        };
        std::string line = fmt::format("rate {:<6} noise {:<4} steps {:<6}", value_of(row, "rate"),
                                       value_of(row, "noise"), value_of(row, "steps"));
        for (const char* key : {"fresh_seconds", "steps_only_seconds", "calibration_seconds"})
            line += fmt::format("  {:8.2f}", 1e3 * value("velamen", key));
        if (!python.empty())
            line += fmt::format("  ratio {:.0f} / {:.0f} / {:.0f}", value("ratio", "fresh"),
                                value("ratio", "steps_only"), value("ratio", "calibration"));
        output.line(line);
    }
    return Ok;
}

int runOptimiser(std::int64_t parameters, const Context& context)
{
    const Output output = context.output();
    const auto result = benchOptimiser(parameters);
    if (!result) return output.fail(result.error());
    output.answer(*result);
    const double update = value_of(*result->find("update"), "seconds");
    const io::Json& stream = *result->find("stream");
    output.line(fmt::format("update {:.4f} s, same memory {:.4f} s ({:.1f} GB/s), ratio {:.3f}",
                            update, value_of(stream, "seconds"),
                            value_of(stream, "bytes_per_second") / 1e9,
                            value_of(*result, "ratio")));
    return Ok;
}

int runSeconds(const Result<io::Json>& result, const Context& context)
{
    const Output output = context.output();
    if (!result) return output.fail(result.error());
    output.answer(*result);
    output.line(fmt::format("{:.4f} s", value_of(*result, "seconds")));
    return Ok;
}

} // namespace

void addBench(CLI::App& app, Context& context)
{
    struct Options {
        std::string config = "mnist";
        std::int64_t batch = 0;
        std::string precision = "fp32";
        std::string python;
        std::int64_t parameters = 267'000'000;
        std::string work = "cifar-ddim";
        std::filesystem::path checkpoint;
        bool touch = false;
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
    step->add_option("--precision", o->precision, "Of activations and frozen weights: fp32 or bf16")
        ->check(CLI::IsMember({"fp32", "bf16"}))
        ->capture_default_str();
    CLI::App* accountant = bench->add_subcommand(
        "accountant", "Epsilon, other steps and calibration, against dp_accounting");
    accountant->add_option("--python", o->python, "A python that has dp_accounting");
    CLI::App* optimiser = bench->add_subcommand(
        "optimiser", "Noise, AdamW and average in one pass, against moving the same memory");
    optimiser->add_option("--parameters", o->parameters, "Trained parameters")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 33))
        ->capture_default_str();
    CLI::App* forward = bench->add_subcommand(
        "forward", "Sampling, or one pass of a UNet (tests/parity/speed.py has the reference)");
    forward->add_option("--config", o->work, "cifar-ddim or sd256")
        ->check(CLI::IsMember({"cifar-ddim", "sd256"}))
        ->capture_default_str();
    forward->add_option("--precision", o->precision, "fp32 or bf16")
        ->check(CLI::IsMember({"fp32", "bf16"}))
        ->capture_default_str();
    forward->callback([o, &context] {
        context.exitCode = runSeconds(benchForward(o->work, o->precision), context);
    });
    CLI::App* open = bench->add_subcommand("open", "A checkpoint's UNet from disk to modules");
    open->add_option("checkpoint", o->checkpoint, "Checkpoint folder or file")->required();
    open->add_flag("--touch", o->touch, "Look at one value of each page");
    open->callback([o, &context] {
        context.exitCode = runSeconds(benchOpen(o->checkpoint, o->touch), context);
    });
    optimiser->callback([o, &context] { context.exitCode = runOptimiser(o->parameters, context); });
    accountant->callback([o, &context] { context.exitCode = runAccountant(o->python, context); });
    step->callback(
        [o, &context] { context.exitCode = run(o->config, o->batch, o->precision, context); });
}

} // namespace velamen::app
