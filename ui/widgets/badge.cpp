// SPDX-License-Identifier: GPL-3.0-or-later
//
// How pills are painted and what each says.

#include "ui/widgets/badge.h"

#include <QPainter>
#include <algorithm>

#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {
constexpr int kPad = 9;
constexpr int kIcon = 13;
constexpr int kGap = 5;
constexpr int kHeight = 21;
} // namespace

Pill::Pill(QWidget* parent) : QLabel(parent)
{
    setFont(uiFont(text_size::kNote, QFont::DemiBold));
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}

QSize Pill::sizeHint() const
{
    const QFontMetrics metrics(uiFont(text_size::kNote, QFont::DemiBold));
    return {2 * kPad + kIcon + kGap + metrics.horizontalAdvance(text()) + 1,
            std::max(kHeight, metrics.height() + 4)};
}

void Pill::paintEvent(QPaintEvent*)
{
    Icon icon = Icon::Dot;
    QColor ink;
    QColor ground;
    look(icon, ink, ground);
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(ground);
    painter.drawRoundedRect(rect(), height() / 2.0, height() / 2.0);
    paintIcon(painter, icon, QRectF(kPad, (height() - kIcon) / 2.0, kIcon, kIcon), ink);
    painter.setFont(uiFont(text_size::kNote, QFont::DemiBold));
    painter.setPen(ink);
    painter.drawText(rect().adjusted(kPad + kIcon + kGap, 0, 0, 0),
                     Qt::AlignVCenter | Qt::AlignLeft, text());
}

ZoneBadge::ZoneBadge(Zone zone, const QString& word, QWidget* parent) : Pill(parent), zone_(zone)
{
    setZone(zone, word);
}

void ZoneBadge::setZone(Zone zone, const QString& word)
{
    zone_ = zone;
    const QString plain = zone == Private ? tr("Private")
        : zone == Protected               ? tr("Protected")
                                          : tr("Public");
    setText(word.isEmpty() ? plain : word);
    setAccessibleName(
        tr("Zone: %1").arg(word.isEmpty() ? plain : plain + QStringLiteral(", ") + word));
    setToolTip(zone == Private ? tr("Private: stays on this machine and is never exported.")
                   : zone == Protected
                   ? tr("Protected: covered by the privacy budget; may be released.")
                   : tr("Public: says nothing about the private images."));
    updateGeometry();
    update();
}

void ZoneBadge::look(Icon& icon, QColor& ink, QColor& ground) const
{
    const Theme theme = Theme::of(*this);
    const Tint& tint = zone_ == Private ? theme.privateZone
        : zone_ == Protected            ? theme.protectedZone
                                        : theme.publicZone;
    icon = zone_ == Private ? Icon::Lock : zone_ == Protected ? Icon::Shield : Icon::Globe;
    ink = tint.ink;
    ground = tint.ground;
}

StateBadge::StateBadge(QWidget* parent) : Pill(parent) { setState(Idle); }

QString StateBadge::word(State state)
{
    switch (state) {
    case Idle:
        return tr("Idle");
    case Preparing:
        return tr("Preparing");
    case Running:
        return tr("Running");
    case Pausing:
        return tr("Pausing");
    case Paused:
        return tr("Paused");
    case Stopping:
        return tr("Stopping");
    case Done:
        return tr("Done");
    case Failed:
        return tr("Failed");
    }
    return {};
}

void StateBadge::setState(State state)
{
    state_ = state;
    setText(word(state));
    setAccessibleName(tr("State: %1").arg(text()));
    updateGeometry();
    update();
}

void StateBadge::look(Icon& icon, QColor& ink, QColor& ground) const
{
    const Theme theme = Theme::of(*this);
    Tint tint = theme.neutral;
    icon = Icon::Dot;
    switch (state_) {
    case Idle:
        break;
    case Running:
    case Preparing:
        tint = theme.protectedZone;
        break;
    case Pausing:
    case Paused:
    case Stopping:
        tint = theme.caution;
        break;
    case Done:
        tint = theme.protectedZone;
        icon = Icon::Check;
        break;
    case Failed:
        tint = theme.error;
        icon = Icon::Cross;
        break;
    }
    ink = tint.ink;
    ground = tint.ground;
}

} // namespace velamen::ui
