// SPDX-License-Identifier: GPL-3.0-or-later
//
// Rows of the problem list.

#include "ui/widgets/problem_list.h"

#include <QPainter>

#include "ui/widgets/icons.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

ProblemList::ProblemList(QWidget* parent) : QListWidget(parent)
{
    setWordWrap(true);
    setIconSize({18, 18});
    setSelectionMode(QAbstractItemView::SingleSelection);
    setAccessibleName(tr("Problems"));
    setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    emptyText_ = tr("No problems found.");
}

void ProblemList::setProblems(const std::vector<ProblemItem>& problems, int limit)
{
    clear();
    const Theme theme = Theme::of(*this);
    int made = 0;
    for (const ProblemItem& problem : problems) {
        if (made == limit) {
            addItem(tr("and %n more", nullptr, static_cast<int>(problems.size()) - made));
            break;
        }
        ++made;
        const bool blocks = problem.severity == ProblemItem::Blocking;
        const bool informs = problem.severity == ProblemItem::Information;
        const Icon icon = blocks ? Icon::Cross : informs ? Icon::Info : Icon::Warning;
        const Tint& tint = blocks ? theme.error : informs ? theme.info : theme.caution;
        const QString text = problem.detail.isEmpty()
            ? problem.sentence
            : problem.sentence + QLatin1Char('\n') + problem.detail;
        auto* item = new QListWidgetItem(makeIcon(icon, tint.ink, 18), text, this);
        const QString word = blocks ? tr("Blocks") : informs ? tr("Note") : tr("Caution");
        item->setData(Qt::AccessibleTextRole, word + QStringLiteral(": ") + text);
        item->setToolTip(word + QStringLiteral(": ") + text);
    }
}

void ProblemList::setEmptyText(const QString& text)
{
    emptyText_ = text;
    viewport()->update();
}

void ProblemList::paintEvent(QPaintEvent* event)
{
    QListWidget::paintEvent(event);
    if (count() > 0) return;
    QPainter painter(viewport());
    painter.setPen(Theme::of(*this).muted);
    painter.drawText(viewport()->rect().adjusted(10, 8, -10, -8),
                     Qt::AlignCenter | Qt::TextWordWrap, emptyText_);
}

} // namespace velamen::ui
