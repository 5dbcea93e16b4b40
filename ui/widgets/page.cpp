// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of a page: 24 px around, heading row, notice, scrolling body.

#include "ui/widgets/page.h"

#include <QHBoxLayout>
#include <QScrollArea>
#include <QVBoxLayout>

#include "ui/widgets/notice.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

Page::Page(const QString& title, const QString& subtitle, QWidget* parent) : QWidget(parent)
{
    setAccessibleName(title);
    auto* all = new QVBoxLayout(this);
    all->setContentsMargins(0, 20, 0, 0);
    all->setSpacing(14);

    auto* heading = new QHBoxLayout;
    heading->setContentsMargins(space::kXl, 0, space::kXl, 0);
    heading->setSpacing(space::kL);
    auto* words = new QVBoxLayout;
    words->setSpacing(3);
    title_ = makeText(TextRole::Title, title, this);
    subtitle_ = makeText(TextRole::Muted, subtitle, this);
    subtitle_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    subtitle_->setMinimumHeight(subtitle_->fontMetrics().height());
    words->addWidget(title_);
    words->addWidget(subtitle_);
    heading->addLayout(words, 1);
    actions_ = new QHBoxLayout;
    actions_->setSpacing(14);
    heading->addLayout(actions_);
    all->addLayout(heading);

    auto* noticeRow = new QHBoxLayout;
    noticeRow->setContentsMargins(space::kXl, 0, space::kXl, 0);
    notice_ = new Notice(this);
    notice_->setClosable(true);
    noticeRow->addWidget(notice_);
    all->addLayout(noticeRow);

    auto* scroll = new QScrollArea(this);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAsNeeded);
    scroll->setFocusPolicy(Qt::NoFocus);
    auto* inside = new QWidget(scroll);
    inside->setObjectName(QStringLiteral("scrollBody"));
    body_ = new QVBoxLayout(inside);
    body_->setContentsMargins(space::kXl, 0, space::kXl, 14);
    body_->setSpacing(14);
    scroll->setWidget(inside);
    scroll->viewport()->setAutoFillBackground(false);
    all->addWidget(scroll, 1);
}

QString Page::title() const { return title_->text(); }

void Page::setSubtitle(const QString& subtitle)
{
    subtitle_->setText(subtitle);
    subtitle_->setToolTip(subtitle);
}

void Page::addAction(QWidget* widget) { actions_->addWidget(widget, 0, Qt::AlignVCenter); }

} // namespace velamen::ui
