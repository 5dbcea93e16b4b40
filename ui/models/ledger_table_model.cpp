// SPDX-License-Identifier: GPL-3.0-or-later
//
// What each column of the ledger says.

#include "ui/models/ledger_table_model.h"

#include <algorithm>

#include <QLocale>

namespace velamen::ui {

LedgerTableModel::LedgerTableModel(QObject* parent) : QAbstractTableModel(parent) {}

void LedgerTableModel::setEntries(const std::vector<privacy::LedgerEntry>& entries)
{
    const auto isSame = [](const privacy::LedgerEntry& a, const privacy::LedgerEntry& b) {
        return a.seq == b.seq && a.prev == b.prev && a.run == b.run;
    };
    const bool isPrefix = entries_.size() <= entries.size()
        && std::equal(entries_.begin(), entries_.end(), entries.begin(), isSame);
    if (!isPrefix) {
        beginResetModel();
        entries_ = entries;
        endResetModel();
    } else if (entries.size() > entries_.size()) {
        beginInsertRows({}, static_cast<int>(entries_.size()),
                        static_cast<int>(entries.size()) - 1);
        entries_ = entries;
        endInsertRows();
    }
}

int LedgerTableModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(entries_.size());
}

int LedgerTableModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : Previous + 1;
}

QString LedgerTableModel::text(const privacy::LedgerEntry& entry, int column) const
{
    const QLocale locale;
    switch (column) {
    case Line:
        return locale.toString(static_cast<qlonglong>(entry.seq));
    case Run:
        return QString::fromStdString(entry.run);
    case Attempt:
        return locale.toString(static_cast<qlonglong>(entry.attempt));
    case Steps:
        return locale.toString(static_cast<qlonglong>(entry.event.steps));
    case Rate:
        return locale.toString(entry.event.rate, 'g', 4);
    case Noise:
        return locale.toString(entry.event.noise_effective, 'g', 5);
    case LossNoise:
        return entry.event.noise_loss ? locale.toString(*entry.event.noise_loss, 'g', 4)
                                      : tr("not released");
    case Unit:
        return QString::fromStdString(entry.unit);
    case Relation:
        return entry.neighbours == privacy::Neighbours::ZeroOut ? tr("zero-out")
                                                                : tr("add or remove one");
    case Previous:
        return QString::fromStdString(entry.prev.substr(0, 12));
    default:
        return {};
    }
}

QVariant LedgerTableModel::data(const QModelIndex& index, int role) const
{
    if (!index.isValid() || index.row() >= static_cast<int>(entries_.size())) return {};
    const auto& entry = entries_[static_cast<std::size_t>(index.row())];
    if (role == Qt::DisplayRole) return text(entry, index.column());
    if (role == Qt::ToolTipRole && index.column() == Previous)
        return QString::fromStdString(entry.prev);
    return {};
}

QVariant LedgerTableModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue(Qt::Alignment(Qt::AlignLeft | Qt::AlignVCenter));
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case Rate:
            return tr("Sampling rate: the chance of each unit to be in a step");
        case Noise:
            return tr("Effective noise multiplier of everything released from a step");
        case LossNoise:
            return tr("Noise multiplier of the released loss");
        case Previous:
            return tr("SHA-256 of the line before: the chain");
        default:
            return {};
        }
    }
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Line:
        return tr("line");
    case Run:
        return tr("run");
    case Attempt:
        return tr("attempt");
    case Steps:
        return tr("steps");
    case Rate:
        return tr("q");
    case Noise:
        return tr("σ");
    case LossNoise:
        return tr("σ of loss");
    case Unit:
        return tr("unit");
    case Relation:
        return tr("neighbours");
    case Previous:
        return tr("line before");
    default:
        return {};
    }
}

} // namespace velamen::ui
