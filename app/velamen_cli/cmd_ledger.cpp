// SPDX-License-Identifier: GPL-3.0-or-later
//
// ledger: what has been spent on this machine, and the ceiling of a dataset. Only `ceiling` writes.

#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "engine/core/file.h"
#include "engine/privacy/explain.h"
#include "engine/privacy/totals.h"

namespace velamen::app {

namespace {

using namespace privacy;

struct Options {
    std::string action = "show", id, unit, neighbours;
    double delta = 1e-5, epsilon = 0.0, order = 0.0;
    std::int64_t imagesPerUnit = 0;
};

struct Loaded {
    std::string id;
    std::vector<LedgerEntry> entries;
    LedgerHead head;
    std::optional<Ceiling> ceiling;
};

Result<Loaded> load(const std::filesystem::path& folder)
{
    Loaded one;
    one.id = folder.filename().string();
    VELAMEN_ASSIGN(const std::string text, core::read_file(folder / "ledger.jsonl"));
    VELAMEN_ASSIGN(one.entries, parse_ledger(text));
    one.head = head_of(text);
    VELAMEN_ASSIGN(one.ceiling, read_ceiling(folder));
    if (one.ceiling) VELAMEN_TRY(require_head(one.entries, one.head, one.ceiling->declared_after));
    return one;
}

Result<std::vector<std::filesystem::path>> foldersOf(const std::string& id)
{
    VELAMEN_ASSIGN(const auto store, LedgerStore::open());
    VELAMEN_ASSIGN(auto folders, store.folders());
    std::erase_if(folders,
                  [&](const auto& folder) { return !id.empty() && folder.filename() != id; });
    if (folders.empty() && !id.empty())
        return velamen::fail(ErrorCode::NotFound, "there is no ledger " + id,
                             "velamen-cli ledger show lists all");
    return folders;
}

void showRuns(const Loaded& ledger, const Output& output, io::Json& json)
{
    struct Run {
        std::int64_t steps = 0, releases = 0;
        std::optional<TrainingSteps> last{};
    };
    std::map<std::string, Run> runs;
    for (const LedgerEntry& e : ledger.entries) {
        Run& run = runs[e.run];
        if (const auto* steps = std::get_if<TrainingSteps>(&e.event)) {
            run.steps += steps->steps;
            run.last = *steps;
        } else {
            run.releases += times_of(e.event);
        }
    }
    io::Json items = io::Json::array();
    for (const auto& [name, run] : runs) {
        io::Json item = io::Json::object();
        item["run"] = name;
        item["steps"] = run.steps;
        item["releases"] = run.releases;
        std::string text = fmt::format("  run {}: {} steps reserved", name, run.steps);
        if (run.last) {
            item["rate"] = run.last->rate;
            item["noise"] = run.last->noise_effective;
            item["hardened"] = run.last->is_hardened;
            text +=
                fmt::format(", rate {:.5g}, effective noise {:.5g}{}", run.last->rate,
                            run.last->noise_effective, run.last->is_hardened ? ", hardened" : "");
        }
        if (run.releases > 0) text += fmt::format(", {} releases beside training", run.releases);
        items.push_back(item);
        output.line(text);
    }
    json["runs"] = items;
}

/// A total for each unit and relation that occurs, and for the one that was asked for.
Result<> showTotals(const Loaded& ledger, const Options& o, Delta delta, const Output& output,
                    io::Json& json)
{
    std::vector<Claim> claims;
    for (const Share& share : shares_of(ledger.entries)) {
        claims.push_back({.unit = share.unit, .neighbours = share.neighbours});
        output.line(fmt::format("  {} events, {}: {} lines, {} steps, {} runs", share.unit,
                                name_of(share.neighbours), share.lines, share.steps, share.runs));
    }
    if (!o.unit.empty()) {
        Claim asked{.unit = o.unit};
        if (!o.neighbours.empty()) {
            VELAMEN_ASSIGN(asked.neighbours, neighbours_of(o.neighbours));
        }
        if (o.imagesPerUnit != 0) asked.images_per_unit = o.imagesPerUnit;
        claims = {asked};
    }
    io::Json totals = io::Json::array();
    for (const Claim& claim : claims) {
        io::Json item = io::Json::object();
        item["unit"] = claim.unit;
        item["neighbours"] = name_of(claim.neighbours);
        item["delta"] = delta.value();
        const auto total = total_of(ledger.entries, claim, delta);
        if (total) {
            item["epsilon"] = total->epsilon.value();
            item["epsilon_rdp"] = total->rdp.epsilon.value();
            item["steps"] = total->steps;
            output.line(fmt::format("  all runs together, per {}, {}: epsilon {} (RDP {}) at delta "
                                    "{:g}, plans as fixed",
                                    claim.unit, name_of(claim.neighbours),
                                    epsilon_text(total->epsilon), epsilon_text(total->rdp.epsilon),
                                    delta.value()));
        } else {
            item["refused"] = total.error().message;
            output.line(fmt::format("  per {}, {}: {}; {}", claim.unit, name_of(claim.neighbours),
                                    total.error().message, total.error().hint));
        }
        totals.push_back(item);
    }
    if (claims.size() == 1 && totals.if_array()->front().find("epsilon") != nullptr)
        for (const char* key : {"epsilon", "epsilon_rdp", "delta"})
            json[key] = *totals.if_array()->front().find(key);
    json["totals"] = totals;
    return {};
}

Result<> showCeiling(const Loaded& ledger, const Output& output, io::Json& json)
{
    if (!ledger.ceiling) {
        output.line("  no ceiling is declared");
        return {};
    }
    const Ceiling& ceiling = *ledger.ceiling;
    VELAMEN_ASSIGN(RdpFilter filter, RdpFilter::create(ceiling));
    for (const LedgerEntry& entry : ledger.entries)
        VELAMEN_TRY(filter.add(entry));
    io::Json item = io::Json::object();
    item["unit"] = ceiling.claim.unit;
    item["neighbours"] = name_of(ceiling.claim.neighbours);
    item["epsilon"] = ceiling.epsilon.value();
    item["delta"] = ceiling.delta.value();
    item["order"] = ceiling.order;
    item["declared_after"] = ceiling.declared_after.seq + 1;
    item["epsilon_spent"] = filter.spent_epsilon().value();
    json["ceiling"] = item;
    output.line(
        fmt::format("  ceiling per {}, {}: epsilon {:g} at delta {:g}, order {:g}, declared "
                    "after line {}; {} of it reserved",
                    ceiling.claim.unit, name_of(ceiling.claim.neighbours), ceiling.epsilon.value(),
                    ceiling.delta.value(), ceiling.order, ceiling.declared_after.seq + 1,
                    epsilon_text(filter.spent_epsilon())));
    return {};
}

Result<> declareCeiling(const std::filesystem::path& folder, const Options& o, Delta delta)
{
    VELAMEN_ASSIGN(const auto epsilon, Epsilon::create(o.epsilon));
    VELAMEN_ASSIGN(Ledger ledger, Ledger::open(folder));
    Ceiling ceiling{.claim = {}, .epsilon = epsilon, .delta = delta, .order = o.order};
    if (!o.unit.empty()) ceiling.claim.unit = o.unit;
    if (!o.neighbours.empty()) {
        VELAMEN_ASSIGN(ceiling.claim.neighbours, neighbours_of(o.neighbours));
    }
    if (o.imagesPerUnit != 0) ceiling.claim.images_per_unit = o.imagesPerUnit;
    if (o.order == 0.0) {
        if (ledger.entries().empty())
            return velamen::fail(ErrorCode::InvalidArgument,
                                 "an empty ledger gives no event to choose an order for",
                                 "give --order, for example 16");
        VELAMEN_ASSIGN(const auto charge, charge_of(ledger.entries().back(), ceiling.claim));
        VELAMEN_ASSIGN(ceiling.order, best_order(charge, epsilon, delta));
    }
    return ledger.declare(ceiling);
}

int run(const Options& o, const Context& context)
{
    const Output output = context.output();
    const auto delta = Delta::create(o.delta);
    if (!delta) return output.fail(delta.error());
    const auto folders = foldersOf(o.id);
    if (!folders) return output.fail(folders.error());
    if (o.action == "ceiling") {
        if (o.id.empty())
            return output.fail({ErrorCode::InvalidArgument, "a ceiling belongs to one ledger",
                                "give its name with --id"});
        if (const auto done = declareCeiling(folders->front(), o, *delta); !done)
            return output.fail(done.error());
    }
    int outcome = Ok;
    io::Json list = io::Json::array();
    for (const auto& folder : *folders) {
        io::Json json = io::Json::object();
        json["id"] = folder.filename().string();
        const auto ledger = load(folder);
        if (!ledger) {
            const Error error{ledger.error().code,
                              "ledger " + folder.filename().string() + ": "
                                  + ledger.error().message,
                              ledger.error().hint};
            if (o.action != "verify") return output.fail(error);
            outcome = exitCodeOf(error.code); // the other ledgers are checked too
            json["fault"] = error.message;
            output.line(error.message + "; " + error.hint);
            list.push_back(json);
            continue;
        }
        json["lines"] = ledger->entries.size();
        json["head"] = ledger->head.hash;
        output.line(
            fmt::format("ledger {}: {} lines, chain unbroken", ledger->id, ledger->entries.size()));
        if (o.action == "show") showRuns(*ledger, output, json);
        if (o.action == "total")
            if (const auto done = showTotals(*ledger, o, *delta, output, json); !done)
                return output.fail(done.error());
        if (const auto done = showCeiling(*ledger, output, json); !done)
            return output.fail(done.error());
        list.push_back(json);
    }
    if (folders->empty()) output.line("nothing has been spent on this machine");
    io::Json answer = io::Json::object();
    answer["ledgers"] = list;
    output.answer(answer);
    return outcome;
}

} // namespace

void addLedger(CLI::App& app, Context& context)
{
    auto o = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("ledger", "What has been spent on this machine, and its ceilings");
    command->add_option("action", o->action, "show, verify, total or ceiling")
        ->check(CLI::IsMember({"show", "verify", "total", "ceiling"}))
        ->capture_default_str();
    command->add_option("--id", o->id, "One ledger only");
    command->add_option("--delta", o->delta, "Delta of the total or ceiling")
        ->capture_default_str();
    command->add_option("--unit", o->unit, "Unit of the total or ceiling: image or patient");
    command->add_option("--neighbours", o->neighbours, "zero_out (default) or add_remove");
    command->add_option("--images-per-unit", o->imagesPerUnit,
                        "The most images of one unit, a public number: image events enter by group "
                        "privacy");
    command->add_option("--epsilon", o->epsilon, "ceiling: what all runs together may spend");
    command->add_option("--order", o->order,
                        "ceiling: the order of its filter, above 1 (by default the one that leaves "
                        "room for the most steps of the last kind)");
    command->callback([o, &context] { context.exitCode = run(*o, context); });
}

} // namespace velamen::app
