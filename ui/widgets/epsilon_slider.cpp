// SPDX-License-Identifier: GPL-3.0-or-later
//
// Painting and steps of the logarithmic slider. QSlider's own integer value follows (0..1000) so
// that assistive tools can read and set it.

#include "ui/widgets/epsilon_slider.h"

#include <QKeyEvent>
#include <QLinearGradient>
#include <QLocale>
#include <QMouseEvent>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr int kMargin = 12;
constexpr int kTrackY = 15;
constexpr int kLow = 0;
constexpr int kHigh = 1000;
constexpr double kMin = EpsilonSlider::kStops.front();
constexpr double kMax = EpsilonSlider::kStops.back();

double shareOf(double epsilon)
{
    return std::log(std::clamp(epsilon, kMin, kMax) / kMin) / std::log(kMax / kMin);
}

double epsilonOfShare(double share)
{
    return kMin * std::pow(kMax / kMin, std::clamp(share, 0.0, 1.0));
}

/// The distance between neighbouring two-digit values at `epsilon`.
double stepAt(double epsilon)
{
    return std::pow(10.0, std::floor(std::log10(std::max(epsilon, kMin)) + 1e-9)) / 10.0;
}

double twoDigits(double epsilon)
{
    const double step = stepAt(epsilon);
    return std::round(epsilon / step) * step;
}

} // namespace

EpsilonSlider::EpsilonSlider(QWidget* parent) : QSlider(Qt::Horizontal, parent)
{
    setRange(kLow, kHigh);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Privacy budget epsilon"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setValue(static_cast<int>(std::lround(shareOf(epsilon_) * kHigh)));
    setAccessibleDescription(tr("ε = %1; left: more privacy, right: more detail").arg(epsilon_));
    connect(this, &QSlider::valueChanged, this, [this](int position) {
        if (position != static_cast<int>(std::lround(shareOf(epsilon_) * kHigh)))
            setEpsilon(twoDigits(epsilonOfShare(static_cast<double>(position) / kHigh)));
    });
}

QSize EpsilonSlider::sizeHint() const
{
    return {420, kTrackY + 2 * QFontMetrics(uiFont(text_size::kNote)).height() + 20};
}

void EpsilonSlider::setEpsilon(double epsilon)
{
    if (!std::isfinite(epsilon) || epsilon <= 0.0 || epsilon == epsilon_) return;
    epsilon_ = epsilon;
    setValue(static_cast<int>(std::lround(shareOf(epsilon) * kHigh)));
    setAccessibleDescription(
        tr("ε = %1; left: more privacy, right: more detail").arg(QString::number(epsilon, 'g', 4)));
    update();
    Q_EMIT epsilonChanged(epsilon_);
}

double EpsilonSlider::xOf(double epsilon) const
{
    return kMargin + shareOf(epsilon) * (width() - 2 * kMargin);
}

double EpsilonSlider::epsilonAt(double x) const
{
    for (const double stop : kStops)
        if (std::abs(xOf(stop) - x) < 7.0) return stop;
    return twoDigits(epsilonOfShare((x - kMargin) / std::max(1, width() - 2 * kMargin)));
}

void EpsilonSlider::paintEvent(QPaintEvent*)
{
    const Theme theme = Theme::of(*this);
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF track(kMargin, kTrackY - 3, width() - 2 * kMargin, 6);
    QLinearGradient colours(track.topLeft(), track.topRight());
    colours.setColorAt(0.0, QColor("#0f766e"));
    colours.setColorAt(0.62, QColor("#d9a441"));
    colours.setColorAt(1.0, QColor("#b3360f"));
    painter.setPen(Qt::NoPen);
    painter.setBrush(colours);
    painter.setOpacity(isEnabled() ? 1.0 : 0.4);
    painter.drawRoundedRect(track, 3, 3);

    const double x = xOf(epsilon_);
    if (hasFocus()) {
        QColor ring = theme.accentText;
        ring.setAlpha(60);
        painter.setBrush(ring);
        painter.drawEllipse(QPointF(x, kTrackY), 13.5, 13.5);
    }
    painter.setPen(QPen(theme.accentText, 3));
    painter.setBrush(theme.card);
    painter.drawEllipse(QPointF(x, kTrackY), 8.5, 8.5);
    painter.setOpacity(1.0);

    const int line = QFontMetrics(uiFont(text_size::kNote)).height();
    const double top = kTrackY + 14;
    double lastRight = -1.0;
    for (const double stop : kStops) {
        const bool here = std::abs(stop - epsilon_) < 1e-9;
        painter.setFont(uiFont(text_size::kNote, here ? QFont::Bold : QFont::Normal));
        painter.setPen(here ? theme.ink : theme.muted);
        const QString text = QLocale().toString(stop, 'g', 3);
        const double wide = painter.fontMetrics().horizontalAdvance(text);
        const double left = std::clamp(xOf(stop) - wide / 2.0, 0.0, width() - wide);
        if (left < lastRight + 3.0 && !here) continue;
        painter.drawText(QRectF(left, top, wide + 2, line), Qt::AlignLeft, text);
        lastRight = left + wide;
    }
    painter.setFont(uiFont(text_size::kNote));
    painter.setPen(theme.muted);
    const QRectF ends(kMargin - 8, top + line + 4, width() - 2 * (kMargin - 8), line);
    painter.drawText(ends, Qt::AlignLeft, tr("more privacy"));
    painter.drawText(ends, Qt::AlignRight, tr("more detail"));
}

void EpsilonSlider::mousePressEvent(QMouseEvent* event)
{
    if (event->button() != Qt::LeftButton) return;
    isDragged_ = true;
    setEpsilon(epsilonAt(event->position().x()));
}

void EpsilonSlider::mouseMoveEvent(QMouseEvent* event)
{
    if (isDragged_) setEpsilon(epsilonAt(event->position().x()));
}

void EpsilonSlider::mouseReleaseEvent(QMouseEvent*) { isDragged_ = false; }

void EpsilonSlider::keyPressEvent(QKeyEvent* event)
{
    const double now = std::clamp(epsilon_, kMin, kMax);
    const auto next = [now](bool up) {
        double found = up ? kMax : kMin;
        for (const double stop : kStops) {
            if (up && stop > now + 1e-9) return stop;
            if (!up && stop < now - 1e-9) found = stop;
        }
        return found;
    };
    switch (event->key()) {
    case Qt::Key_Left:
    case Qt::Key_Down:
        setEpsilon(std::max(kMin, twoDigits(now - stepAt(now * (1.0 - 1e-6)))));
        break;
    case Qt::Key_Right:
    case Qt::Key_Up:
        setEpsilon(std::min(kMax, twoDigits(now + stepAt(now))));
        break;
    case Qt::Key_PageDown:
        setEpsilon(next(false));
        break;
    case Qt::Key_PageUp:
        setEpsilon(next(true));
        break;
    case Qt::Key_Home:
        setEpsilon(kMin);
        break;
    case Qt::Key_End:
        setEpsilon(kMax);
        break;
    default:
        QSlider::keyPressEvent(event);
        return;
    }
    event->accept();
}

void EpsilonSlider::wheelEvent(QWheelEvent* event)
{
    event->ignore(); // scrolling a page must not change a budget
}

} // namespace velamen::ui
