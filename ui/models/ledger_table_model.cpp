// SPDX-License-Identifier: GPL-3.0-or-later
//
// What each column of the ledger says.

#include "ui/models/ledger_table_model.h"

#include <algorithm>

#include <QLocale>

namespace velamen::ui {

namespace {

QString kindOf(const privacy::LedgerEvent& event)
{
    if (const auto* training = std::get_if<privacy::TrainingSteps>(&event))
        return training->is_hardened ? LedgerTableModel::tr("hardened training")
            : training->cap          ? LedgerTableModel::tr("training, capped draw")
                                     : LedgerTableModel::tr("training");
    return QString::fromStdString(std::get<privacy::NoisyRelease>(event).purpose);
}

/// The one number that says how noisy the release was.
QString noiseOf(const privacy::NoisyRelease& release)
{
    const QLocale locale;
    if (const auto* gaussian = std::get_if<privacy::SubsampledGaussian>(&release.event))
        return locale.toString(gaussian->noise.value(), 'g', 5);
    if (const auto* laplace = std::get_if<privacy::LaplaceNoise>(&release.event))
        return LedgerTableModel::tr("Laplace %1")
            .arg(locale.toString(laplace->scale.value(), 'g', 5));
    if (const auto* known = std::get_if<privacy::Guarantee>(&release.event))
        return LedgerTableModel::tr("ε %1").arg(locale.toString(known->epsilon.value(), 'g', 5));
    if (const auto* best = std::get_if<privacy::BestOfRuns>(&release.event))
        return LedgerTableModel::tr("best of about %1 runs")
            .arg(locale.toString(best->repeats.mean, 'g', 4));
    return QStringLiteral("–");
}

} // namespace

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
    const auto* training = std::get_if<privacy::TrainingSteps>(&entry.event);
    const QString none = QStringLiteral("–");
    switch (column) {
    case Line:
        return locale.toString(static_cast<qlonglong>(entry.seq));
    case Run:
        return QString::fromStdString(entry.run);
    case Attempt:
        return locale.toString(static_cast<qlonglong>(entry.attempt));
    case Kind:
        return kindOf(entry.event);
    case Steps:
        return locale.toString(static_cast<qlonglong>(privacy::times_of(entry.event)));
    case Rate:
        return training != nullptr ? locale.toString(training->rate, 'g', 4) : none;
    case Noise:
        return training != nullptr ? locale.toString(training->noise_effective, 'g', 5)
                                   : noiseOf(std::get<privacy::NoisyRelease>(entry.event));
    case LossNoise:
        if (training == nullptr) return none;
        return training->noise_loss ? locale.toString(*training->noise_loss, 'g', 4)
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
        case Kind:
            return tr("Steps of training, or what else was released with noise");
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
    case Kind:
        return tr("what");
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
