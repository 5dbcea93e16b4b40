// SPDX-License-Identifier: GPL-3.0-or-later
//
// Makers of labels and buttons, and numbers as people read them.

#include "ui/widgets/text.h"

#include <QDir>
#include <QFrame>
#include <QLocale>
#include <QObject>
#include <QStyle>
#include <QVariant>
#include <cmath>

#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

const char* nameOf(TextRole role)
{
    switch (role) {
    case TextRole::Body:
        return "body";
    case TextRole::Note:
        return "note";
    case TextRole::Muted:
        return "muted";
    case TextRole::Strong:
        return "strong";
    case TextRole::Heading:
        return "heading";
    case TextRole::Lead:
        return "lead";
    case TextRole::Title:
        return "title";
    case TextRole::Number:
        return "number";
    }
    return "body";
}

const char* nameOf(ButtonRole role)
{
    switch (role) {
    case ButtonRole::Plain:
        return "plain";
    case ButtonRole::Primary:
        return "primary";
    case ButtonRole::Danger:
        return "danger";
    case ButtonRole::Link:
        return "link";
    }
    return "plain";
}

void setRole(QWidget* widget, const char* role)
{
    widget->setProperty("role", QLatin1String(role));
    widget->style()->unpolish(widget);
    widget->style()->polish(widget);
}

class Line final : public QFrame {
public:
    explicit Line(QWidget* parent) : QFrame(parent)
    {
        setFixedHeight(1);
        setAutoFillBackground(true);
        setForegroundRole(QPalette::Mid);
        setBackgroundRole(QPalette::Mid);
    }
};

} // namespace

QLabel* makeText(TextRole role, const QString& text, QWidget* parent)
{
    auto* label = new QLabel(text, parent);
    setTextRole(label, role);
    label->setWordWrap(role == TextRole::Body || role == TextRole::Note || role == TextRole::Lead);
    return label;
}

void setTextRole(QLabel* label, TextRole role) { setRole(label, nameOf(role)); }

QPushButton* makeButton(ButtonRole role, const QString& text, const QString& objectName,
                        QWidget* parent)
{
    auto* button = new QPushButton(text, parent);
    button->setObjectName(objectName);
    button->setAccessibleName(text);
    button->setCursor(Qt::PointingHandCursor);
    setButtonRole(button, role);
    return button;
}

void setButtonRole(QPushButton* button, ButtonRole role) { setRole(button, nameOf(role)); }

QToolButton* makeTool(const QString& text, const QString& objectName, QWidget* parent)
{
    auto* tool = new QToolButton(parent);
    tool->setText(text);
    tool->setObjectName(objectName);
    tool->setAccessibleName(text);
    tool->setFocusPolicy(Qt::StrongFocus);
    return tool;
}

void setEnabledWithReason(QWidget* control, bool enabled, const QString& whyNot, const QString& tip)
{
    control->setEnabled(enabled);
    control->setToolTip(enabled ? tip : whyNot);
    control->setAccessibleDescription(enabled ? tip : whyNot);
}

QWidget* makeLine(QWidget* parent) { return new Line(parent); }

QString countText(qint64 count) { return QLocale().toString(count); }

QString shortCountText(qint64 count)
{
    const double value = static_cast<double>(count);
    if (count >= 1'000'000'000)
        return QObject::tr("%1 B").arg(QLocale().toString(value / 1e9, 'f', 2));
    if (count >= 1'000'000) return QObject::tr("%1 M").arg(QLocale().toString(value / 1e6, 'f', 2));
    if (count >= 10'000) return QObject::tr("%1 k").arg(QLocale().toString(value / 1e3, 'f', 1));
    return countText(count);
}

QString durationText(double seconds)
{
    if (!std::isfinite(seconds) || seconds < 0) return QObject::tr("unknown");
    const auto whole = static_cast<qint64>(std::llround(seconds));
    if (whole < 60) return QObject::tr("%1 s").arg(whole);
    if (whole < 600)
        return QObject::tr("%1 min %2 s").arg(whole / 60).arg(whole % 60, 2, 10, QLatin1Char('0'));
    if (whole < 3600) return QObject::tr("%1 min").arg((whole + 30) / 60);
    const qint64 minutes = (whole + 30) / 60;
    return QObject::tr("%1 h %2 min").arg(minutes / 60).arg(minutes % 60, 2, 10, QLatin1Char('0'));
}

QString gigabytesText(double gigabytes)
{
    if (gigabytes < 0.1)
        return QObject::tr("%1 MB").arg(QLocale().toString(std::ceil(gigabytes * 1000.0), 'f', 0));
    return QObject::tr("%1 GB").arg(QLocale().toString(gigabytes, 'f', 1));
}

QString bytesText(qint64 bytes)
{
    return QLocale().formattedDataSize(bytes, bytes < 1'000'000 ? 0 : 1, QLocale::DataSizeSIFormat);
}

QString pathText(const std::filesystem::path& path)
{
    return QString::fromStdString(path.string());
}

std::filesystem::path toPath(const QString& text)
{
    return std::filesystem::path(text.toStdString());
}

QString shortPathText(const std::filesystem::path& path)
{
    const QString text = pathText(path);
    const QString home = QDir::homePath();
    return home.size() > 1 && text.startsWith(home + QLatin1Char('/'))
        ? QLatin1Char('~') + text.mid(home.size())
        : text;
}

} // namespace velamen::ui
