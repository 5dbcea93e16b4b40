// SPDX-License-Identifier: GPL-3.0-or-later
//
// What is wrong with something, one row a problem: severity as icon and word, a sentence, a detail
// in grey.

#pragma once

#include <vector>

#include <QListWidget>
#include <QString>

namespace velamen::ui {

struct ProblemItem {
    enum Severity { Information, Caution, Blocking };
    Severity severity = Caution;
    QString sentence;
    QString detail; ///< a file name or a way out; may be empty
};

class ProblemList final : public QListWidget {
    Q_OBJECT

public:
    explicit ProblemList(QWidget* parent = nullptr);

    /// At most `limit` rows are made; a last row says how many more there are.
    void setProblems(const std::vector<ProblemItem>& problems, int limit = 200);
    void setEmptyText(const QString& text);

    QSize sizeHint() const override { return {320, 120}; }
    QSize minimumSizeHint() const override { return {160, 56}; }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString emptyText_;
};

} // namespace velamen::ui
