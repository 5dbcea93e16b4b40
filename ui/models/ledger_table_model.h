// SPDX-License-Identifier: GPL-3.0-or-later
//
// The lines of a ledger as a table to look at. Read only: nothing here can change what was spent.

#pragma once

#include <vector>

#include <QAbstractTableModel>

#include "engine/privacy/ledger.h"

namespace velamen::ui {

class LedgerTableModel final : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column {
        Line,
        Run,
        Attempt,
        Kind,
        Steps,
        Rate,
        Noise,
        LossNoise,
        Unit,
        Relation,
        Previous
    };

    explicit LedgerTableModel(QObject* parent = nullptr);

    /// Appends when the known lines are a prefix of `entries`, so that selection and scroll stay.
    void setEntries(const std::vector<privacy::LedgerEntry>& entries);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation,
                        int role = Qt::DisplayRole) const override;

private:
    QString text(const privacy::LedgerEntry& entry, int column) const;
    std::vector<privacy::LedgerEntry> entries_;
};

} // namespace velamen::ui
