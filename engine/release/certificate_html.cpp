// SPDX-License-Identifier: GPL-3.0-or-later
//
// The certificate as one page that prints on paper: no script, no picture, no address to load from.

#include <string_view>

#include "engine/privacy/explain.h"
#include "engine/release/certificate.h"

namespace velamen::release {

namespace {

constexpr std::string_view kStyle = R"(
:root{--ink:#1d2529;--muted:#5d6d72;--ground:#f4f6f6;--line:#dfe5e5;--accent:#0f766e;
--good:#12674b;--good-ground:#dff3ec;--warn:#8c3d12;--warn-ground:#fbe7dc}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:14px/1.5 Inter,"Noto Sans",system-ui,sans-serif}
main{max-width:860px;margin:32px auto;padding:0 20px}
header{display:flex;justify-content:space-between;align-items:flex-start;margin-bottom:20px}
h1{font-size:21px;margin:0}h2{font-size:15px;margin:0 0 8px;color:var(--accent)}
header p{margin:4px 0 0;color:var(--muted)}
.badge{padding:6px 14px;border-radius:16px;font-weight:600;background:var(--good-ground);
color:var(--good)}
.badge.warn{background:var(--warn-ground);color:var(--warn)}
section{background:#fff;border-radius:10px;padding:18px 22px;margin-bottom:14px}
table{border-collapse:collapse;width:100%}
td{padding:4px 0;border-top:1px solid var(--line);vertical-align:top}
tr:first-child td{border-top:0}td:first-child{color:var(--muted);width:38%;padding-right:12px}
td:last-child{overflow-wrap:anywhere}
.big td,.big td:first-child{color:inherit;width:25%}
.big b{font-size:26px;line-height:1.2;white-space:nowrap}.big span{color:var(--muted);font-size:12px}
ul{margin:0;padding-left:18px}li{margin:2px 0}
details summary{cursor:pointer;color:var(--muted)}
code{font-size:12px;overflow-wrap:anywhere}
.sign{display:grid;grid-template-columns:1fr 1fr 1fr;gap:24px;margin-top:30px}
.sign div{border-top:1px solid var(--ink);padding-top:4px;color:var(--muted);font-size:12px}
.void{position:fixed;inset:0;display:flex;align-items:center;justify-content:center;
font-size:220px;font-weight:700;color:rgba(140,61,18,.14);transform:rotate(-24deg);
pointer-events:none}
@media print{body{background:#fff}section{padding:8px 0;break-inside:avoid}main{margin:0}}
)";

std::string escaped(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

std::string grouped(std::int64_t number)
{
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3; at -= 3)
        text.insert(at - 3, "\u202f"); // narrow space that does not break
    return text;
}

std::string epsilon_text(double value)
{
    const auto epsilon = privacy::Epsilon::create(value);
    return epsilon ? privacy::epsilon_text(*epsilon) : exact_text(value);
}

class Table {
public:
    Table& row(std::string_view name, std::string_view value)
    {
        html_ += "<tr><td>" + escaped(name) + "</td><td>" + escaped(value) + "</td></tr>\n";
        return *this;
    }
    std::string html() const { return "<table>\n" + html_ + "</table>\n"; }

private:
    std::string html_;
};

std::string section(std::string_view title, const std::string& content)
{
    return "<section><h2>" + escaped(title) + "</h2>\n" + content + "</section>\n";
}

std::string list(const std::vector<std::string>& texts)
{
    std::string html = "<ul>\n";
    for (const std::string& text : texts)
        html += "<li>" + escaped(text) + "</li>\n";
    return html + "</ul>\n";
}

std::string paragraph(std::string_view text) { return "<p>" + escaped(text) + "</p>\n"; }

std::string figures(const Certificate& c)
{
    // A table: it reads well even where style sheets do not.
    const auto figure = [](const std::string& number, std::string_view what) {
        return "<td><b>" + escaped(number) + "</b><br><span>" + escaped(what) + "</span></td>\n";
    };
    return "<table class=\"big\" cellpadding=\"6\"><tr>\n"
        + figure("ε = " + epsilon_text(c.epsilon), "certified limit")
        + figure("δ = " + privacy::one_in(c.delta), "chance that the limit fails")
        + figure("ε = " + epsilon_text(c.spent.epsilon), "spent by this run")
        + figure("ε = "
                     + (c.spent.dataset ? epsilon_text(*c.spent.dataset) : std::string("no total")),
                 c.spent.runs == 1 ? "the only run on the dataset"
                                   : "all " + std::to_string(c.spent.runs) + " runs on the dataset")
        + "</tr></table>\n";
}

std::string key_text(const std::string& key)
{
    if (key == "file") return "each file is a unit";
    if (key == "folder") return "the folder that an image lies in";
    if (key == "pattern") return "a regular expression on the path of an image";
    return "the " + key + " of metadata.csv";
}

std::string guarantee(const Certificate& c)
{
    Table table;
    table.row("unit of protection", "one " + c.unit)
        .row("known by", key_text(c.unit_key))
        .row("neighbouring datasets",
             c.neighbours == privacy::Neighbours::ZeroOut
                 ? "one unit's contribution replaced by nothing (zero-out)"
                 : "one unit more or less (add/remove); their number is secret");
    if (c.public_units) table.row("number of units, treated as public", grouped(*c.public_units));
    table.row("accountant", "privacy loss distribution (connect the dots), grid 0.0001")
        .row("independent cross-check (Rényi)",
             "ε ≤ " + epsilon_text(c.spent.rdp) + " at order " + exact_text(c.spent.rdp_order))
        .row("without amplification by sampling", "ε ≤ " + epsilon_text(c.spent.no_amplification));
    return table.html();
}

std::string mechanism(const Certificate& c)
{
    Table table;
    table.row("sampling", "Poisson, rate q = " + exact_text(c.rate))
        .row("steps T", grouped(c.spent.steps) + " of " + grouped(c.planned_steps) + " planned")
        .row("expected batch B", grouped(c.expected_batch))
        .row("clipping norm C", exact_text(c.clipping_norm))
        .row("noise multiplier σ, effective", exact_text(c.noise_effective))
        .row("of the gradient", exact_text(c.noise_gradient))
        .row("of the loss curve", c.noise_loss ? exact_text(*c.noise_loss) : "not released")
        .row("images of one " + c.unit + " in a step, at most", grouped(c.images_per_unit))
        .row("draws of noise and time for each of them", grouped(c.noise_multiplicity))
        .row("randomness",
             c.is_reproducible ? "TEST MODE: repeatable"
                               : "ChaCha20 keyed by the operating system; floating point");
    return table.html();
}

std::string model(const Certificate& c)
{
    Table table;
    table.row("base checkpoint", c.base_name)
        .row("its licence", c.base_licence)
        .row("its training data, as claimed", c.base_data)
        .row("its SHA-256", c.base_sha256)
        .row("trained",
             c.selection + ": " + grouped(c.trained_parameters) + " of "
                 + grouped(c.total_parameters) + " parameters in "
                 + std::to_string(c.trained_tensors.size()) + " tensors")
        .row("SHA-256 of the result", c.tuned_sha256);
    std::string names;
    for (const std::string& name : c.trained_tensors)
        names += (names.empty() ? "<code>" : ", <code>") + escaped(name) + "</code>";
    return table.html() + "<details><summary>Trained tensors</summary><p>" + names
        + "</p></details>\n";
}

std::string output(const Certificate& c)
{
    std::int64_t total = 0;
    std::string counts;
    for (const auto& [name, count] : c.images) {
        total += count;
        counts += (counts.empty() ? "" : ", ") + name + ": " + std::to_string(count);
    }
    std::string classes;
    for (const std::string& name : c.classes)
        classes += (classes.empty() ? "" : ", ") + name;
    Table table;
    table.row("synthetic images", grouped(total))
        .row("generated per class, as asked for", counts)
        .row("classes, declared public before the run", classes)
        .row("SHA-256 of manifest.csv", c.manifest_sha256)
        .row("run", c.run)
        .row("ledger", "line " + std::to_string(c.ledger.seq + 1) + ", " + c.ledger.hash);
    return table.html();
}

} // namespace

std::string certificate_page(const Certificate& c)
{
    const Words words = words_of(c);
    const bool is_void = c.status == "Void";
    std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<title>Privacy certificate</title>\n<style>";
    html += kStyle;
    html += "</style>\n</head>\n<body>\n";
    if (is_void) html += "<div class=\"void\" aria-hidden=\"true\">VOID</div>\n";
    html += "<main>\n<header><div><h1>Privacy certificate of a synthetic image set</h1>"
        + paragraph(words.status) + "</div><span class=\"badge"
        + (c.status == "Valid" ? "" : " warn") + "\">" + escaped(c.status) + "</span></header>\n";
    html += "<section>" + figures(c) + paragraph(words.odds + " " + words.failure)
        + paragraph("In words: " + words.strength + ". " + words.attacker
                    + " These are upper bounds.")
        + "</section>\n";
    html += section("Statement", paragraph(words.statement));
    html += section("Guarantee", guarantee(c));
    html += section("What is covered", list(words.covered));
    html += section("What is not covered", list(words.not_covered));
    html += section("Mechanism", mechanism(c));
    html += section("Model", model(c));
    html += section("Images", output(c));
    html += section("Check it",
                    paragraph("Run velamen-cli verify on the zip: it recomputes epsilon from "
                              "ledger.jsonl, every hash and every mark.")
                        + "<div class=\"sign\"><div>Controller</div><div>Data protection "
                          "officer</div><div>Date</div></div>\n");
    html +=
        "<p style=\"color:#5d6d72\">" + escaped(c.software) + "</p>\n</main>\n</body>\n</html>\n";
    return html;
}

} // namespace velamen::release
