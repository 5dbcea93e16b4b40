// SPDX-License-Identifier: GPL-3.0-or-later
//
// velamen-cli: the window's twin for scripts, servers and clusters. Needs no display.

#include <cstdio>
#include <exception>

#include "app/memory.h"
#include "app/velamen_cli/commands.h"
#include "app/velamen_cli/progress.h"
#include "app/wiring.h"

int main(int argc, char** argv)
{
    using namespace velamen;
    app::keepMemoryForReuse();
    app::Context context;
    std::error_code ignored;
    context.executable = std::filesystem::read_symlink("/proc/self/exe", ignored);

    app::shareVocabularies(context.executable);

    CLI::App program("Velamen: private images in, synthetic images with a proven privacy guarantee "
                     "out. Exit codes: 0 ok, 1 refused or not valid, 2 usage, 3 failed.",
                     "velamen-cli");
    program.set_version_flag("--version", std::string("velamen-cli ") + VELAMEN_VERSION);
    program.require_subcommand(1);
    program.fallthrough();
    program.add_flag("--json", context.json, "Answer in JSON");
    app::addAudit(program, context);
    app::addDemo(program, context);
    app::addInspect(program, context);
    app::addConvert(program, context);
    app::addBudget(program, context);
    app::addTrain(program, context);
    app::addSample(program, context);
    app::addRelease(program, context);
    app::addLedger(program, context);
    app::addPublic(program, context);
    app::addBench(program, context);

    const app::InterruptGuard guard;
    context.stop = guard.token();
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return program.exit(error);
        if (context.json)
            static_cast<void>(context.output().fail(
                Error{ErrorCode::InvalidArgument, error.what(), "see velamen-cli --help"}));
        else
            program.exit(error);
        return app::Usage;
    } catch (const std::exception& error) {
        return context.output().fail(Error{ErrorCode::Internal, error.what(), ""});
    }
    return context.exitCode;
}
