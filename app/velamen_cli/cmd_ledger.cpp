// SPDX-License-Identifier: GPL-3.0-or-later
//
// ledger: what has been spent on this machine. Reads only.

#include <map>
#include <memory>

#include <fmt/format.h>

#include "app/velamen_cli/commands.h"
#include "engine/core/file.h"
#include "engine/privacy/accountant.h"
#include "engine/privacy/explain.h"
#include "engine/privacy/ledger.h"

namespace velamen::app {

namespace {

using namespace privacy;

struct Loaded {
    std::string id;
    std::vector<LedgerEntry> entries;
    std::string text;
};

Result<std::vector<Loaded>> load(const std::string& id)
{
    VELAMEN_ASSIGN(const auto store, LedgerStore::open());
    std::vector<Loaded> all;
    for (const auto& folder : store.list()) {
        if (!id.empty() && folder.filename() != id) continue;
        Loaded one{folder.filename().string(), {}, {}};
        VELAMEN_ASSIGN(one.text, core::read_file(folder / "ledger.jsonl"));
        auto entries = parse_ledger(one.text);
        if (!entries)
            return velamen::fail(entries.error().code,
                                 "ledger " + one.id + ": " + entries.error().message,
                                 entries.error().hint);
        one.entries = std::move(*entries);
        all.push_back(std::move(one));
    }
    if (all.empty() && !id.empty())
        return velamen::fail(ErrorCode::NotFound, "there is no ledger " + id,
                             "velamen-cli ledger show lists all");
    return all;
}

int run(const std::string& action, const std::string& id, double delta, const Context& context)
{
    const Output output = context.output();
    const auto ledgers = load(id);
    if (!ledgers) return output.fail(ledgers.error());
    const auto checked_delta = Delta::create(delta);
    if (!checked_delta) return output.fail(checked_delta.error());
    io::Json list = io::Json::array();
    for (const Loaded& ledger : *ledgers) {
        io::Json json = io::Json::object();
        json["id"] = ledger.id;
        json["lines"] = ledger.entries.size();
        json["head"] = head_of(ledger.text).hash;
        output.line(
            fmt::format("ledger {}: {} lines, chain unbroken", ledger.id, ledger.entries.size()));
        if (action == "show") {
            std::map<std::string, std::pair<std::int64_t, LedgerEvent>> runs;
            for (const LedgerEntry& e : ledger.entries) {
                runs[e.run].first += e.event.steps;
                runs[e.run].second = e.event;
            }
            io::Json items = io::Json::array();
            for (const auto& [run_id, sum] : runs) {
                io::Json item = io::Json::object();
                item["run"] = run_id;
                item["steps"] = sum.first;
                item["rate"] = sum.second.rate;
                item["noise"] = sum.second.noise_effective;
                items.push_back(item);
                output.line(fmt::format("  run {}: {} steps reserved, rate {:.5g}, effective noise "
                                        "{:.5g}",
                                        run_id, sum.first, sum.second.rate,
                                        sum.second.noise_effective));
            }
            json["runs"] = items;
        }
        if (action == "total" && !ledger.entries.empty()) {
            const auto segments = segments_of(ledger.entries);
            if (!segments) return output.fail(segments.error());
            const auto epsilon = pld_epsilon(*segments, *checked_delta);
            if (!epsilon) return output.fail(epsilon.error());
            const RdpBound rdp = rdp_epsilon(*segments, *checked_delta);
            json["epsilon"] = epsilon->value();
            json["epsilon_rdp"] = rdp.epsilon.value();
            json["delta"] = delta;
            output.line(fmt::format("  all runs together: epsilon {} (RDP {}) at delta {:g}, plans "
                                    "as fixed",
                                    epsilon_text(*epsilon), epsilon_text(rdp.epsilon), delta));
        }
        list.push_back(json);
    }
    if (ledgers->empty()) output.line("nothing has been spent on this machine");
    io::Json answer = io::Json::object();
    answer["ledgers"] = list;
    output.answer(answer);
    return Ok;
}

} // namespace

void addLedger(CLI::App& app, Context& context)
{
    struct Options {
        std::string action = "show", id;
        double delta = 1e-5;
    };
    auto o = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("ledger", "What has been spent on this machine");
    command->add_option("action", o->action, "show, verify or total")
        ->check(CLI::IsMember({"show", "verify", "total"}))
        ->capture_default_str();
    command->add_option("--id", o->id, "One ledger only");
    command->add_option("--delta", o->delta, "Delta of the total")->capture_default_str();
    command->callback(
        [o, &context] { context.exitCode = run(o->action, o->id, o->delta, context); });
}

} // namespace velamen::app
