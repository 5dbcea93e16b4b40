// SPDX-License-Identifier: GPL-3.0-or-later
//
// The commands, each in its own file. A command parses its options with CLI11 and leaves its exit
// code in the context.

#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include <CLI/CLI.hpp>

#include "app/velamen_cli/output.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/data/keys.h"

namespace velamen::app {

struct Context {
    bool json = false;
    std::stop_token stop;
    std::filesystem::path executable;
    int exitCode = Ok;

    Output output() const { return Output(json); }
};

/// What --select takes.
inline constexpr const char* kSelections =
    "attention, attention:from=k, qkvo, cross, lora:r, lora:r:alpha or full";

/// --unit-key, --label-key and --unit of a command that scans private images.
void addKeys(CLI::App& command, data::Keys& keys, std::string& unit);

/// --ema, --heads, --head-channels, --prediction and --vae of a command that opens a checkpoint.
void addOpenOptions(CLI::App& command, checkpoint::OpenOptions& options);

void addBudget(CLI::App& app, Context& context);
void addInspect(CLI::App& app, Context& context); ///< inspect, scan, forward
void addConvert(CLI::App& app, Context& context);
void addTrain(CLI::App& app, Context& context);   ///< plan, train, resume
void addSample(CLI::App& app, Context& context);  ///< sample
void addRelease(CLI::App& app, Context& context); ///< export, verify
void addPublic(CLI::App& app, Context& context);  ///< pretrain, make-letters
void addLedger(CLI::App& app, Context& context);
void addAudit(CLI::App& app, Context& context); ///< audit --engine
void addBench(CLI::App& app, Context& context);
void addDemo(CLI::App& app, Context& context);

} // namespace velamen::app
