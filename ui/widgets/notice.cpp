// SPDX-License-Identifier: GPL-3.0-or-later
//
// Banner layout and painting.

#include "ui/widgets/notice.h"

#include <QHBoxLayout>
#include <QPainter>
#include <QVBoxLayout>

#include "ui/widgets/icons.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

const Tint& tintOf(const Theme& theme, Notice::Kind kind)
{
    return kind == Notice::Information ? theme.info
        : kind == Notice::Caution      ? theme.caution
                                       : theme.error;
}

} // namespace

Notice::Notice(QWidget* parent) : QFrame(parent)
{
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(42, 10, 10, 10);
    row->setSpacing(space::kM);
    auto* words = new QVBoxLayout;
    words->setSpacing(2);
    title_ = makeText(TextRole::Strong, {}, this);
    title_->setWordWrap(true);
    cause_ = makeText(TextRole::Body, {}, this);
    hint_ = makeText(TextRole::Body, {}, this);
    for (QLabel* label : {title_, cause_, hint_}) {
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        label->setTextFormat(Qt::PlainText);
        words->addWidget(label);
    }
    row->addLayout(words, 1);
    action_ = makeButton(ButtonRole::Plain, {}, QStringLiteral("notice.action"), this);
    row->addWidget(action_, 0, Qt::AlignVCenter);
    close_ = makeTool(QStringLiteral("✕"), QStringLiteral("notice.close"), this);
    close_->setAccessibleName(tr("Close this notice"));
    row->addWidget(close_, 0, Qt::AlignTop);
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
    action_->hide();
    close_->hide();
    hide();
    connect(action_, &QPushButton::clicked, this, &Notice::actionRequested);
    connect(close_, &QToolButton::clicked, this, [this] {
        clear();
        Q_EMIT closed();
    });
}

void Notice::setContent(Kind kind, const QString& title, const QString& cause, const QString& hint)
{
    kind_ = kind;
    title_->setText(title);
    cause_->setText(cause);
    hint_->setText(hint);
    cause_->setVisible(!cause.isEmpty());
    hint_->setVisible(!hint.isEmpty());
    setAccessibleName((kind == Information   ? tr("Note: %1")
                           : kind == Caution ? tr("Caution: %1")
                                             : tr("Problem: %1"))
                          .arg(text()));
    const QString colour =
        QStringLiteral("color: %1;").arg(tintOf(Theme::of(*this), kind).ink.name());
    for (QLabel* label : {title_, cause_, hint_})
        label->setStyleSheet(colour);
    show();
    update();
}

void Notice::showError(const QString& title, const Error& error)
{
    setContent(error.code == ErrorCode::Cancelled ? Information : Problem, title,
               QString::fromStdString(error.message), QString::fromStdString(error.hint));
}

void Notice::setAction(const QString& text)
{
    action_->setText(text);
    action_->setAccessibleName(text);
    action_->setVisible(!text.isEmpty());
}

void Notice::setClosable(bool closable) { close_->setVisible(closable); }

void Notice::clear()
{
    hide();
    for (QLabel* label : {title_, cause_, hint_})
        label->clear();
}

QString Notice::text() const
{
    QStringList parts;
    for (const QLabel* label : {title_, cause_, hint_})
        if (!label->text().isEmpty()) parts << label->text();
    return parts.join(QLatin1Char(' '));
}

void Notice::paintEvent(QPaintEvent*)
{
    const Tint tint = tintOf(Theme::of(*this), kind_);
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(tint.ground);
    painter.drawRoundedRect(rect(), 8, 8);
    const Icon icon = kind_ == Information ? Icon::Info
        : kind_ == Caution                 ? Icon::Warning
                                           : Icon::Cross;
    paintIcon(painter, icon, QRectF(13, 10, 19, 19), tint.ink);
}

} // namespace velamen::ui
