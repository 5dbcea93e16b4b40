// SPDX-License-Identifier: GPL-3.0-or-later
//
// The chart behind PlotWidget: Qt Charts without OpenGL, animations or legend.

#include "ui/widgets/plot_widget.h"

#include <QChart>
#include <QChartView>
#include <QEvent>
#include <QFile>
#include <QFileInfo>
#include <QGraphicsLayout>
#include <QHBoxLayout>
#include <QLineSeries>
#include <QLocale>
#include <QLogValueAxis>
#include <QPainter>
#include <QPixmap>
#include <QSaveFile>
#include <QStackedLayout>
#include <QTextStream>
#include <QTimer>
#include <QValueAxis>
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "ui/widgets/curve.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr int kTick = 100; // milliseconds between redraws
constexpr double kFloor = 1e-9;

struct Series {
    QString name;
    PlotWidget::SeriesStyle style;
    std::vector<QPointF> points;
    QLineSeries* line = nullptr;
};

struct Span {
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();
    bool isEmpty() const { return !(low <= high); }
    void add(double value)
    {
        if (!std::isfinite(value)) return;
        low = std::min(low, value);
        high = std::max(high, value);
    }
    /// Values that differ by rounding alone get room around them: ticks closer than the resolution
    /// of a double cannot be drawn.
    void widen()
    {
        const double size = std::max(std::abs(low), std::abs(high));
        if (high - low > 1e-6 * size) return;
        const double half = std::max(size * 0.1, 0.5);
        low -= half;
        high += half;
    }
};

/// 1, 2 or 5 times a power of ten, so that about `wanted` of them cover `length`.
double niceStep(double length, int wanted)
{
    const double raw = length / std::max(wanted, 1);
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    const double digit = raw / power;
    return power * (digit <= 1.0 ? 1.0 : digit <= 2.0 ? 2.0 : digit <= 5.0 ? 5.0 : 10.0);
}

/// Shows the chart, a cross-hair with the nearest values, and lets the user drag a zoom rectangle.
class View final : public QChartView {
public:
    View(QChart* chart, const std::vector<Series>& series, QWidget* parent)
        : QChartView(chart, parent), series_(series)
    {
        setRenderHint(QPainter::Antialiasing);
        setRubberBand(QChartView::RectangleRubberBand);
        setMouseTracking(true);
        setFrameShape(QFrame::NoFrame);
        setFocusPolicy(Qt::NoFocus);
        setBackgroundBrush(Qt::NoBrush);
        viewport()->setAutoFillBackground(false);
    }

protected:
    void mouseMoveEvent(QMouseEvent* event) override
    {
        QChartView::mouseMoveEvent(event);
        at_ = event->position();
        viewport()->update();
    }
    void mouseReleaseEvent(QMouseEvent* event) override
    {
        if (event->button() == Qt::RightButton) // Qt Charts zooms out here, beyond the data
            return;
        QChartView::mouseReleaseEvent(event);
    }
    void leaveEvent(QEvent* event) override
    {
        QChartView::leaveEvent(event);
        at_.reset();
        viewport()->update();
    }
    void wheelEvent(QWheelEvent* event) override { event->ignore(); }

    void drawForeground(QPainter* painter, const QRectF&) override
    {
        const QRectF area = chart()->plotArea();
        if (!at_ || !area.contains(*at_)) return;
        const Theme theme = Theme::of(*this);
        QStringList lines;
        std::optional<double> x;
        for (const Series& series : series_) {
            if (series.points.empty() || series.style == PlotWidget::SeriesStyle::Dashed) continue;
            const double wanted = chart()->mapToValue(*at_, series.line).x();
            const auto after = std::lower_bound(
                series.points.begin(), series.points.end(), wanted,
                [](const QPointF& point, double value) { return point.x() < value; });
            auto best = after == series.points.end() ? after - 1 : after;
            if (best != series.points.begin()
                && std::abs((best - 1)->x() - wanted) < std::abs(best->x() - wanted))
                --best;
            x = best->x();
            lines << QStringLiteral("%1  %2").arg(series.name,
                                                  QLocale().toString(best->y(), 'g', 4));
            const QPointF where = chart()->mapToPosition(*best, series.line);
            if (series.style == PlotWidget::SeriesStyle::Strong) {
                painter->setPen(QPen(theme.fieldLine, 1));
                painter->drawLine(QPointF(where.x(), area.top()),
                                  QPointF(where.x(), area.bottom()));
                painter->setPen(QPen(theme.accentText, 2));
                painter->setBrush(theme.card);
                painter->drawEllipse(where, 3.5, 3.5);
            }
        }
        if (!x) return;
        lines.prepend(QLocale().toString(*x, 'g', 6));
        painter->setFont(uiFont(text_size::kNote));
        const QString text = lines.join(QLatin1Char('\n'));
        const QRectF needed =
            painter->boundingRect(QRectF(0, 0, 400, 200), Qt::AlignLeft | Qt::AlignTop, text);
        QRectF box(at_->x() + 12, area.top() + 4, needed.width() + 14, needed.height() + 8);
        if (box.right() > area.right()) box.moveRight(at_->x() - 12);
        painter->setPen(theme.line);
        painter->setBrush(theme.card);
        painter->drawRoundedRect(box, 4, 4);
        painter->setPen(theme.ink);
        painter->drawText(box.adjusted(7, 4, -7, -4), Qt::AlignLeft | Qt::AlignTop, text);
    }

private:
    const std::vector<Series>& series_;
    std::optional<QPointF> at_;
};

} // namespace

struct PlotWidget::State {
    explicit State(PlotWidget* widget) : owner(widget) {}

    PlotWidget* owner;
    std::vector<Series> series;
    QChart* chart = nullptr;
    View* view = nullptr;
    QValueAxis* x = nullptr;
    QAbstractAxis* y = nullptr;
    QLabel* empty = nullptr;
    QStackedLayout* stack = nullptr;
    QWidget* tools = nullptr;
    QToolButton* logTool = nullptr;
    QToolButton* zoomTool = nullptr;
    QToolButton* saveTool = nullptr;
    QTimer timer;
    QString xTitle;
    QString yTitle;
    std::optional<std::pair<double, double>> xRange;
    std::optional<std::pair<double, double>> yRange;
    bool isLog = false;
    bool isStale = false;
    bool setsRange = false; // our own changes of the axes are not zooms
    bool isZoomed = false;

    bool hasPoints() const
    {
        return std::any_of(series.begin(), series.end(), [](const Series& one) {
            return !one.points.empty() && one.style != SeriesStyle::Dashed;
        });
    }

    void makeY()
    {
        if (y != nullptr) {
            chart->removeAxis(y);
            delete y;
        }
        if (isLog) {
            auto* axis = new QLogValueAxis;
            axis->setBase(10.0);
            axis->setLabelFormat(QStringLiteral("%g"));
            axis->setMinorTickCount(0);
            y = axis;
        } else {
            y = new QValueAxis;
        }
        chart->addAxis(y, Qt::AlignLeft);
        for (Series& one : series)
            one.line->attachAxis(y);
        const auto zoomed = [this] {
            if (!setsRange) setZoomed(true);
        };
        if (auto* value = qobject_cast<QValueAxis*>(y))
            QObject::connect(value, &QValueAxis::rangeChanged, owner, zoomed);
        else
            QObject::connect(static_cast<QLogValueAxis*>(y), &QLogValueAxis::rangeChanged, owner,
                             zoomed);
    }

    void setZoomed(bool zoomed)
    {
        isZoomed = zoomed;
        if (zoomTool != nullptr)
            setEnabledWithReason(zoomTool, zoomed,
                                 tr("Drag a rectangle in the plot to zoom in first."),
                                 tr("Show the whole curve again"));
    }

    void colour()
    {
        const Theme theme = Theme::of(*owner);
        QColor thin = theme.isDark ? theme.accentText : theme.accent;
        thin.setAlpha(theme.isDark ? 110 : 100);
        for (Series& one : series) {
            QPen pen(theme.isDark ? theme.accentText : theme.accent, 2.0, Qt::SolidLine,
                     Qt::RoundCap, Qt::RoundJoin);
            if (one.style == SeriesStyle::Thin)
                pen = QPen(thin, 1.0);
            else if (one.style == SeriesStyle::Dashed)
                pen = QPen(theme.muted, 1.3, Qt::DashLine);
            one.line->setPen(pen);
        }
        for (QAbstractAxis* axis : {static_cast<QAbstractAxis*>(x), y}) {
            axis->setLabelsColor(theme.muted);
            axis->setLabelsFont(uiFont(text_size::kNote));
            axis->setTitleFont(uiFont(text_size::kNote));
            axis->setTitleBrush(theme.muted);
            axis->setGridLineColor(theme.grid);
            axis->setMinorGridLineVisible(false);
            axis->setLinePen(QPen(axis == x ? theme.line : QColor(Qt::transparent)));
        }
        x->setGridLineVisible(false);
        x->setTitleText(xTitle);
        y->setTitleText(yTitle);
    }

    void fitAxes()
    {
        Span across;
        Span up;
        for (const Series& one : series)
            for (const QPointF& point : one.points) {
                across.add(point.x());
                if (!isLog || point.y() > kFloor) up.add(point.y());
            }
        if (xRange) {
            across.low = xRange->first;
            across.high = std::max(xRange->second, across.isEmpty() ? xRange->second : across.high);
        }
        if (yRange) {
            up.add(std::max(yRange->first, isLog ? kFloor : yRange->first));
            up.add(yRange->second);
        }
        if (across.isEmpty()) across = {0.0, 1.0};
        if (across.low >= across.high) across.high = across.low + 1.0;
        across.widen();
        if (up.isEmpty()) up = {isLog ? 0.1 : 0.0, 1.0};
        setsRange = true;
        const double xStep = niceStep(across.high - across.low, std::max(2, owner->width() / 130));
        x->setTickType(QValueAxis::TicksDynamic);
        x->setTickAnchor(0.0);
        x->setTickInterval(xStep);
        x->setLabelFormat(xStep >= 1.0 ? QStringLiteral("%.0f") : QStringLiteral("%g"));
        x->setRange(across.low, across.high);
        if (isLog) {
            up.low = std::max(up.low, kFloor);
            if (up.high <= up.low * 1.05) up = {up.low / 2.0, up.high * 2.0};
            y->setRange(up.low * 0.95, up.high * 1.05);
        } else {
            up.widen();
            const double step = niceStep(up.high - up.low, std::max(2, owner->height() / 45));
            auto* value = static_cast<QValueAxis*>(y);
            value->setTickType(QValueAxis::TicksDynamic);
            value->setTickAnchor(0.0);
            value->setTickInterval(step);
            const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
            value->setLabelFormat(QStringLiteral("%.%1f").arg(digits));
            value->setRange(std::floor(up.low / step + 1e-9) * step,
                            std::ceil(up.high / step - 1e-9) * step);
        }
        setsRange = false;
        setZoomed(false);
    }

    void draw()
    {
        isStale = false;
        stack->setCurrentIndex(hasPoints() ? 0 : 1);
        const int columns = std::max(32, owner->width());
        for (Series& one : series) {
            const std::vector<QPointF> few = decimate(one.points, columns);
            QList<QPointF> shown;
            shown.reserve(static_cast<qsizetype>(few.size()));
            for (const QPointF& point : few)
                shown.append({point.x(), isLog ? std::max(point.y(), kFloor) : point.y()});
            one.line->replace(shown);
        }
        if (!isZoomed) fitAxes();
        owner->setAccessibleDescription(owner->summary());
    }

    void wait()
    {
        isStale = true;
        if (!timer.isActive() && owner->isVisible()) timer.start();
    }
};

PlotWidget::PlotWidget(QWidget* parent) : QWidget(parent), state_(std::make_unique<State>(this))
{
    State& s = *state_;
    s.chart = new QChart;
    s.chart->setAnimationOptions(QChart::NoAnimation);
    s.chart->setBackgroundVisible(false);
    s.chart->setPlotAreaBackgroundVisible(false);
    s.chart->legend()->hide();
    s.chart->setMargins({0, 4, 8, 0});
    s.chart->layout()->setContentsMargins(0, 0, 0, 0);
    s.x = new QValueAxis;
    s.chart->addAxis(s.x, Qt::AlignBottom);
    connect(s.x, &QValueAxis::rangeChanged, this, [this] {
        if (!state_->setsRange) state_->setZoomed(true);
    });
    s.view = new View(s.chart, s.series, this);
    s.makeY();
    s.empty = makeText(TextRole::Muted, tr("Nothing to plot yet."), this);
    s.empty->setAlignment(Qt::AlignCenter);
    s.empty->setWordWrap(true);
    s.stack = new QStackedLayout(this);
    s.stack->setContentsMargins(0, 0, 0, 0);
    s.stack->addWidget(s.view);
    s.stack->addWidget(s.empty);
    s.stack->setCurrentIndex(1);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    s.timer.setInterval(kTick);
    s.timer.setSingleShot(true);
    connect(&s.timer, &QTimer::timeout, this, [this] {
        if (state_->isStale && isVisible()) state_->draw();
    });
    s.colour();
}

PlotWidget::~PlotWidget() = default;

void PlotWidget::setAxisTitles(const QString& x, const QString& y)
{
    state_->xTitle = x;
    state_->yTitle = y;
    state_->colour();
}

void PlotWidget::setEmptyText(const QString& text) { state_->empty->setText(text); }

void PlotWidget::setXRange(double from, double to)
{
    state_->xRange = to > from ? std::optional(std::pair(from, to)) : std::nullopt;
    state_->wait();
}

void PlotWidget::setYRange(double from, double to)
{
    state_->yRange = to > from ? std::optional(std::pair(from, to)) : std::nullopt;
    state_->wait();
}

int PlotWidget::addSeries(const QString& name, SeriesStyle style)
{
    auto* line = new QLineSeries;
    line->setName(name);
    line->setUseOpenGL(false);
    state_->chart->addSeries(line);
    state_->setsRange = true; // attaching moves the axes; that is not the user's zoom
    line->attachAxis(state_->x);
    line->attachAxis(state_->y);
    state_->setsRange = false;
    state_->series.push_back({name, style, {}, line});
    state_->colour();
    return static_cast<int>(state_->series.size()) - 1;
}

void PlotWidget::setPoints(int series, std::vector<QPointF> points)
{
    std::erase_if(points, [](const QPointF& point) {
        return !std::isfinite(point.x()) || !std::isfinite(point.y());
    });
    state_->series.at(static_cast<std::size_t>(series)).points = std::move(points);
    state_->wait();
}

const std::vector<QPointF>& PlotWidget::points(int series) const
{
    return state_->series.at(static_cast<std::size_t>(series)).points;
}

void PlotWidget::clearPoints()
{
    for (Series& one : state_->series)
        one.points.clear();
    state_->setZoomed(false);
    state_->wait();
}

bool PlotWidget::isLogY() const { return state_->isLog; }

void PlotWidget::setLogY(bool log)
{
    if (log == state_->isLog) return;
    state_->isLog = log;
    if (state_->logTool != nullptr) state_->logTool->setChecked(log);
    state_->setsRange = true;
    state_->makeY();
    state_->setsRange = false;
    state_->colour();
    state_->setZoomed(false);
    state_->draw();
}

bool PlotWidget::isZoomed() const { return state_->isZoomed; }

void PlotWidget::resetZoom()
{
    state_->setZoomed(false);
    state_->draw();
}

Result<> PlotWidget::saveAs(const QString& fileName)
{
    const auto refused = [&fileName](const QString& why) {
        return fail(ErrorCode::Unreadable,
                    QStringLiteral("The plot could not be written to %1: %2.")
                        .arg(QFileInfo(fileName).fileName(), why)
                        .toStdString(),
                    "Choose another folder.");
    };
    if (fileName.endsWith(QLatin1String(".png"), Qt::CaseInsensitive)) {
        flush();
        const qreal ratio = 2.0;
        QPixmap pixmap(size() * ratio);
        pixmap.setDevicePixelRatio(ratio);
        pixmap.fill(Theme::of(*this).card);
        render(&pixmap, {}, {}, QWidget::DrawChildren);
        if (!pixmap.save(fileName)) return refused(QStringLiteral("the file could not be created"));
        return {};
    }
    if (!fileName.endsWith(QLatin1String(".csv"), Qt::CaseInsensitive))
        return fail(ErrorCode::InvalidArgument, "A plot can be saved as .png or .csv only.",
                    "End the file name in .png or .csv.");
    QSaveFile file(fileName);
    if (!file.open(QIODevice::WriteOnly)) return refused(file.errorString());
    QTextStream out(&file);
    out << "series,x,y\n";
    for (const Series& one : state_->series) {
        QString name = one.name;
        name.replace(QLatin1Char('"'), QLatin1String("\"\""));
        for (const QPointF& point : one.points)
            out << '"' << name << "\"," << QString::number(point.x(), 'g', 12) << ','
                << QString::number(point.y(), 'g', 12) << '\n';
    }
    out.flush();
    if (!file.commit()) return refused(file.errorString());
    return {};
}

QString PlotWidget::summary() const
{
    QStringList parts;
    for (const Series& one : state_->series) {
        if (one.points.empty()) continue;
        const QLocale locale;
        const auto number = [&locale](double value) { return locale.toString(value, 'g', 4); };
        parts << tr("%1: %n points, %2 at %3 to %4 at %5", nullptr,
                    static_cast<int>(one.points.size()))
                     .arg(one.name, number(one.points.front().y()), number(one.points.front().x()),
                          number(one.points.back().y()), number(one.points.back().x()));
    }
    return parts.isEmpty() ? state_->empty->text() : parts.join(QStringLiteral("; "));
}

QWidget* PlotWidget::tools()
{
    State& s = *state_;
    if (s.tools != nullptr) return s.tools;
    s.tools = new QWidget(this);
    auto* row = new QHBoxLayout(s.tools);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(2);
    const QString name = objectName().isEmpty() ? QStringLiteral("plot") : objectName();
    s.logTool = makeTool(tr("Log"), name + QStringLiteral(".log"), s.tools);
    s.logTool->setCheckable(true);
    s.logTool->setChecked(s.isLog);
    s.logTool->setToolTip(tr("Logarithmic scale"));
    s.zoomTool = makeTool(tr("Reset zoom"), name + QStringLiteral(".resetZoom"), s.tools);
    s.saveTool = makeTool(tr("Save…"), name + QStringLiteral(".save"), s.tools);
    s.saveTool->setToolTip(tr("Save the curves as a picture (.png) or numbers (.csv)"));
    for (QToolButton* tool : {s.logTool, s.zoomTool, s.saveTool})
        row->addWidget(tool);
    connect(s.logTool, &QToolButton::toggled, this, &PlotWidget::setLogY);
    connect(s.zoomTool, &QToolButton::clicked, this, &PlotWidget::resetZoom);
    connect(s.saveTool, &QToolButton::clicked, this, &PlotWidget::saveRequested);
    s.setZoomed(s.isZoomed);
    return s.tools;
}

int PlotWidget::drawnPoints(int series) const
{
    return static_cast<int>(state_->series.at(static_cast<std::size_t>(series)).line->count());
}

void PlotWidget::flush()
{
    state_->timer.stop();
    state_->draw();
}

void PlotWidget::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::StyleChange)
        state_->colour();
}

void PlotWidget::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    state_->wait();
}

void PlotWidget::showEvent(QShowEvent* event)
{
    QWidget::showEvent(event);
    if (state_->isStale) state_->draw();
}

} // namespace velamen::ui
