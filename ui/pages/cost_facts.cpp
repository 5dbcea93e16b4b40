// SPDX-License-Identifier: GPL-3.0-or-later
//
// Words and numbers of a plan and its forecast.

#include "ui/pages/cost_facts.h"

#include <QCoreApplication>
#include <QLocale>
#include <QStringList>

#include "engine/privacy/explain.h"
#include "ui/models/unit_words.h"
#include "ui/widgets/facts_table.h"
#include "ui/widgets/text.h"

namespace velamen::ui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("velamen::ui::CostFacts", text); }

void showPlan(FactsTable& table, const train::TrainingPlan* plan, const std::string& unit)
{
    const QString none = QStringLiteral("–");
    const QString one = QString::fromStdString(unit);
    table.setFact(QStringLiteral("steps"), tr("steps"),
                  plan ? countText(plan->privacy.steps) : none);
    table.setFact(QStringLiteral("batch"), tr("a step"),
                  plan ? unitCount(plan->privacy.expected_batch, unit) : none,
                  tr("Expected: each %1 is drawn by chance in every step.").arg(one));
    table.setFact(QStringLiteral("rate"), tr("chance a step"),
                  plan ? tr("%1 %").arg(plan->privacy.rate * 100.0, 0, 'g', 3) : none,
                  tr("q: how likely one %1 takes part in one step").arg(one));
    table.setFact(
        QStringLiteral("sigma"), tr("noise σ"),
        plan ? QLocale().toString(plan->privacy.noise_effective, 'f', 3) : none,
        tr("Noise multiplier: standard deviation over the largest share of one %1").arg(one));
}

} // namespace

void showCosts(FactsTable& table, const Studio& studio)
{
    const auto& plan = studio.plan();
    const auto& forecast = studio.forecast();
    table.setEnabled(plan.has_value());
    if (!plan && studio.isPlanning()) return;
    showPlan(table, plan ? &*plan : nullptr, studio.request().unit);
    const QString unmeasured = studio.isMeasuring() ? tr("measuring…")
        : plan                                      ? tr("not measured")
                                                    : QStringLiteral("–");
    table.setFact(QStringLiteral("time"), tr("time"),
                  forecast && forecast->seconds > 0.0
                      ? tr("about %1").arg(durationText(forecast->seconds))
                      : unmeasured,
                  tr("From two dry steps with random data on this machine"));
    table.setFact(QStringLiteral("memory"), tr("memory"),
                  forecast && forecast->gigabytes > 0.0 ? gigabytesText(forecast->gigabytes)
                                                        : unmeasured);
}

QString warmStartSentence(const Studio& studio)
{
    const auto& plan = studio.plan();
    const auto& forecast = studio.forecast();
    if (!plan || !forecast || forecast->epsilon_warm_start <= 0.0) return {};
    const auto epsilon = privacy::Epsilon::create(forecast->epsilon_warm_start);
    if (!epsilon) return {};
    const QString takes = tr("The warm start takes about %1 of ε")
                              .arg(QString::fromStdString(privacy::epsilon_text(*epsilon)));
    const double before = forecast->noise_without_warm_start;
    if (before <= 0.0) return takes + QLatin1Char('.');
    return tr("%1; the noise of each step rises from %2 to %3.")
        .arg(takes, QLocale().toString(before, 'f', 3),
             QLocale().toString(plan->privacy.noise_effective, 'f', 3));
}

QString clippingText(const std::string& clipping)
{
    if (clipping == "per_block") return tr("a bound for each block");
    if (clipping == "automatic") return tr("normalised: each counts the same");
    return tr("one bound for the whole");
}

QString ruleText(const std::string& rule)
{
    if (rule == "adam_bc") return tr("Adam, corrected for the noise");
    if (rule == "sgd") return tr("SGD with momentum");
    return tr("AdamW");
}

QString precisionText(const std::string& precision)
{
    return precision == "bf16" ? tr("fast (bf16)") : tr("exact (fp32)");
}

QString adjustedText(const train::PlanRequest& request)
{
    QStringList words;
    if (request.warm_start) words << tr("start from class means");
    if (request.class_votes) words << tr("class votes");
    if (request.steps > 0) words << tr("%1 steps").arg(countText(request.steps));
    if (request.expected_batch > 0)
        words << tr("%1 a step").arg(unitCount(request.expected_batch, request.unit));
    if (request.clipping != "flat") words << clippingText(request.clipping);
    if (request.rule != "adamw") words << ruleText(request.rule);
    if (request.precision != "fp32") words << precisionText(request.precision);
    if (request.memory_limit > 0.0)
        words << tr("at most %1").arg(gigabytesText(request.memory_limit));
    if (request.public_batch > 0)
        words << tr("%1 public images a step").arg(countText(request.public_batch));
    if (request.release_clipped_fraction) words << tr("clipped share shown");
    if (request.hardened) words << tr("hardened noise");
    return words.join(QStringLiteral(", "));
}

} // namespace velamen::ui
