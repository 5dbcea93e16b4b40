// SPDX-License-Identifier: GPL-3.0-or-later
//
// The plan's cost in numbers and sentences, for every place that shows it.

#pragma once

#include <QString>

#include "ui/models/studio.h"

namespace velamen::ui {

class FactsTable;

/// Steps, batch, chance, noise, time and memory; while a plan is computed the last numbers stay.
void showCosts(FactsTable& table, const Studio& studio);

/// "The warm start takes about 0.16 of ε; the noise of each step rises from 1.574 to 1.593." Empty
/// without a warm start or before it is known.
QString warmStartSentence(const Studio& studio);

/// What differs from the choices made by rule: "warm start, 300 steps". Empty: nothing.
QString adjustedText(const train::PlanRequest& request);

/// Names of choices in words: "one bound for all", "AdamW", "exact (fp32)".
QString clippingText(const std::string& clipping);
QString ruleText(const std::string& rule);
QString precisionText(const std::string& precision);

} // namespace velamen::ui
