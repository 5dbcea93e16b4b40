// SPDX-License-Identifier: GPL-3.0-or-later
//
// A line a selection, and the way between lines and the spelling of selections.

#include "ui/pages/selection_chooser.h"

#include <QButtonGroup>
#include <QCheckBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QRadioButton>
#include <QSpinBox>
#include <algorithm>

#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr int kMaxRank = 256;
constexpr int kDefaultRank = 8;

QString shareText(const SelectionCount& count)
{
    if (count.total <= 0) return {};
    const double share =
        100.0 * static_cast<double>(count.trained) / static_cast<double>(count.total);
    return SelectionChooser::tr("%1 %").arg(QLocale().toString(share, 'f', share < 1.0 ? 2 : 1));
}

QSpinBox* makeNumber(const QString& name, const QString& title, int value, int most,
                     QWidget* parent)
{
    auto* spin = new QSpinBox(parent);
    spin->setObjectName(name);
    spin->setAccessibleName(title);
    spin->setRange(1, most);
    spin->setValue(value);
    spin->setKeyboardTracking(false);
    spin->setFixedWidth(52);
    return spin;
}

std::int64_t attentionBlocks(const checkpoint::Inspection& inspection)
{
    return std::ranges::count_if(inspection.blocks, [](const checkpoint::SelectedBlock& block) {
        return block.name.find("attentions") != std::string::npos;
    });
}

} // namespace

SelectionChooser::SelectionChooser(Studio& studio, QWidget* parent)
    : QWidget(parent), studio_(studio), group_(new QButtonGroup(this)),
      conditioner_(new QCheckBox(tr("The &table of classes learns too"), this))
{
    auto* grid = new QGridLayout(this);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(space::kL);
    grid->setVerticalSpacing(2);
    grid->setColumnStretch(0, 1);
    addLine(grid, "attention", tr("&Attention blocks (recommended)"),
            tr("Everything inside the transformer blocks; the rest stays as it is."));
    addLine(grid, "attention:from=", tr("Attention &from block"),
            tr("Counted in the order input, middle, output: later blocks see coarser pictures "
               "first, then finer ones."),
            makeNumber(QStringLiteral("model.from"), tr("First attention block that learns"), 2, 2,
                       this));
    addLine(grid, "qkvo", tr("&Q, K, V and output projections"),
            tr("The projections of attention only, without norms and feed-forward layers."));
    addLine(grid, "cross", tr("&Cross-attention only"),
            tr("Only where the picture looks at its class."));
    addLine(grid, "lora:", tr("&LoRA of rank"),
            tr("Two thin factors beside each projection; folded into it at the end."),
            makeNumber(QStringLiteral("model.rank"), tr("Rank of the LoRA factors"), kDefaultRank,
                       kMaxRank, this));
    addLine(grid, "full", tr("&Everything (baseline)"),
            tr("The whole UNet: needs the most noise. For comparison."));
    conditioner_->setObjectName(QStringLiteral("model.conditioner"));
    const QString tip = tr("New classes need rows of their own; without them the public model's "
                           "rows stand for the private classes.");
    conditioner_->setToolTip(tip);
    grid->addWidget(conditioner_, grid->rowCount(), 0, 1, 3);
    connect(conditioner_, &QCheckBox::toggled, this, [this](bool on) {
        if (!isRefreshing_) studio_.setTrainsConditioner(on);
    });
    connect(&studio_, &Studio::selectionCounted, this, &SelectionChooser::showCounts);
}

void SelectionChooser::addLine(QGridLayout* grid, const char* selection, const QString& words,
                               const QString& tip, QSpinBox* number)
{
    const auto at = lines_.size();
    Line line{selection, new QRadioButton(words, this), number, makeText(TextRole::Note, {}, this),
              makeText(TextRole::Note, {}, this)};
    QString name = QLatin1String(selection);
    name.remove(QLatin1Char(':')).remove(QLatin1Char('='));
    line.choice->setObjectName(QStringLiteral("model.selection.") + name);
    line.choice->setToolTip(tip);
    group_->addButton(line.choice);
    line.count->setObjectName(QStringLiteral("model.count.") + name);
    auto* row = new QHBoxLayout;
    row->setSpacing(space::kS);
    row->addWidget(line.choice);
    if (number) row->addWidget(number);
    row->addStretch(1);
    const int y = grid->rowCount();
    grid->addLayout(row, y, 0);
    int x = 1;
    for (QLabel* label : {line.count, line.share}) {
        label->setWordWrap(false);
        label->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
        label->setMinimumWidth(48);
        grid->addWidget(label, y, x++);
    }
    grid->setRowMinimumHeight(y, number ? 36 : 27);
    connect(line.choice, &QRadioButton::clicked, this, [this, at] { choose(lines_[at]); });
    if (number)
        connect(number, &QSpinBox::valueChanged, this, [this, at] {
            if (isRefreshing_) return;
            if (lines_[at].choice->isChecked())
                choose(lines_[at]);
            else
                showCounts();
        });
    lines_.push_back(line);
}

std::string SelectionChooser::selectionOf(const Line& line) const
{
    return line.number ? line.selection + std::to_string(line.number->value()) : line.selection;
}

void SelectionChooser::choose(const Line& line)
{
    studio_.setSelection(QString::fromStdString(selectionOf(line)));
}

void SelectionChooser::refresh()
{
    isRefreshing_ = true;
    showChoice();
    isRefreshing_ = false;
    showCounts();
}

void SelectionChooser::showChoice()
{
    const std::string chosen = studio_.selection().toStdString();
    const bool isLocked = studio_.isRunActive();
    const QString why = tr("A run is in progress; it goes on with this model.");
    for (const Line& line : lines_) {
        const std::string_view prefix(line.selection);
        const bool isIt = line.number ? chosen.starts_with(prefix) : chosen == prefix;
        if (isIt) line.choice->setChecked(true);
        if (!line.number) continue;
        line.number->setEnabled(!isLocked);
        if (prefix == "attention:from=" && studio_.inspection())
            line.number->setMaximum(
                std::max(1, static_cast<int>(attentionBlocks(*studio_.inspection()))));
        if (isIt)
            line.number->setValue(QString::fromStdString(chosen.substr(prefix.size())).toInt());
    }
    if (const auto& model = studio_.inspection()) {
        const bool isText = studio_.takesPrompts();
        const bool hasTable = std::ranges::any_of(
            model->components, [](const auto& one) { return one.name == "class_embedder"; });
        conditioner_->setText(isText ? tr("The &text encoder learns too")
                                     : tr("The &table of classes learns too"));
        conditioner_->setVisible(isText || hasTable);
    }
    conditioner_->setChecked(studio_.request().train_conditioner);
    conditioner_->setEnabled(!isLocked);
    if (isLocked) conditioner_->setToolTip(why);
}

void SelectionChooser::showCounts()
{
    std::vector<std::string> wanted;
    for (const Line& line : lines_) {
        const std::string selection = selectionOf(line);
        const auto count = studio_.selectionCount(selection);
        if (!count) wanted.push_back(selection);
        const bool isThere = count && *count;
        line.count->setText(isThere     ? countText((*count)->trained)
                                : count ? tr("none")
                                        : QStringLiteral("…"));
        line.share->setText(isThere ? shareText(**count) : QString());
        const bool isLocked = studio_.isRunActive();
        const QString why = isLocked ? tr("A run is in progress; it goes on with this model.")
            : count && !*count       ? QString::fromStdString(count->error().message)
                                     : QString();
        line.choice->setEnabled(!isLocked && (!count || isThere || line.number));
        line.choice->setAccessibleDescription(why);
        line.count->setToolTip(why);
        line.count->setAccessibleName(
            tr("%1 learn: %2 parameters")
                .arg(line.choice->text().remove(QLatin1Char('&')), line.count->text()));
    }
    if (!wanted.empty() && studio_.inspection()) studio_.countSelections(wanted);
}

} // namespace velamen::ui
