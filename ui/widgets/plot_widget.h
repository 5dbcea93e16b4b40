// SPDX-License-Identifier: GPL-3.0-or-later
//
// Curves over steps. Keeps the full data itself and gives the chart at most two points per pixel
// column, on a 10 Hz timer and only while visible. GUI thread only. The chart library stays inside
// the .cpp.

#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <QPointF>
#include <QString>
#include <QWidget>

#include "engine/core/result.h"

namespace velamen::ui {

class PlotWidget final : public QWidget {
    Q_OBJECT

public:
    enum class SeriesStyle {
        Thin,   ///< raw values
        Strong, ///< smoothed or main values
        Dashed, ///< plan
    };

    explicit PlotWidget(QWidget* parent = nullptr);
    ~PlotWidget() override;

    /// Titles carry the unit: "step", "loss", "seconds". What the curves are, for assistive tools,
    /// is accessibleName().
    void setAxisTitles(const QString& x, const QString& y);
    /// Shown in place of the curves while there is no point.
    void setEmptyText(const QString& text);
    /// The x range wanted even before there are points (0..total steps); empty range: fit.
    void setXRange(double from, double to);
    void setYRange(double from, double to);

    /// Returns the series' number. Raw first, so that the strong line is painted above it.
    int addSeries(const QString& name, SeriesStyle style);
    /// Replaces all points of a series, sorted by x; drawn at the next tick. Non-finite ones are
    /// left out.
    void setPoints(int series, std::vector<QPointF> points);
    const std::vector<QPointF>& points(int series) const;
    void clearPoints();

    bool isLogY() const;
    void setLogY(bool log);
    bool isZoomed() const;
    void resetZoom();

    /// ".png" as shown, ".csv" with all points of all series.
    Result<> saveAs(const QString& fileName);
    /// "noised loss: 312 points, 0.48 at step 0 to 0.26 at step 312".
    QString summary() const;

    /// "Log", "Reset zoom", "Save…" for Card::setTrailing(). Made at the first call.
    QWidget* tools();
    /// Points that the chart holds now, for tests.
    int drawnPoints(int series) const;
    /// Draws what is waiting now instead of at the next tick.
    void flush();

    QSize sizeHint() const override { return {480, 180}; }
    QSize minimumSizeHint() const override { return {220, 110}; }

Q_SIGNALS:
    void saveRequested();

protected:
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace velamen::ui
