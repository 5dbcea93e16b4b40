// SPDX-License-Identifier: GPL-3.0-or-later
//
// The one number that matters: epsilon spent against its limit, as number, bar and sentence.

#pragma once

#include <QString>
#include <QWidget>

class QLabel;

namespace velamen::ui {

class Bar;

class EpsilonGauge final : public QWidget {
    Q_OBJECT

public:
    explicit EpsilonGauge(QWidget* parent = nullptr);

    /// Rounded up for display. delta = 0: not shown.
    void setValue(double spent, double limit, double delta);
    /// A sentence in words, from engine/privacy/explain.h.
    void setNote(const QString& note);
    QString numberText() const;

private:
    QLabel* number_;
    QLabel* limit_;
    QLabel* note_;
    Bar* bar_;
};

} // namespace velamen::ui
