// SPDX-License-Identifier: GPL-3.0-or-later
//
// Epsilon on a logarithmic scale from 0.1 to 10 with round stops, the ends labelled "more privacy"
// and "more detail". Values outside the scale are kept exactly and shown at its end.

#pragma once

#include <QSlider>
#include <array>

namespace velamen::ui {

class EpsilonSlider final : public QSlider {
    Q_OBJECT

public:
    static constexpr std::array<double, 9> kStops{0.1, 0.2, 0.5, 1, 2, 3, 5, 8, 10};

    explicit EpsilonSlider(QWidget* parent = nullptr);

    double epsilon() const { return epsilon_; }
    /// Does not snap. Emits epsilonChanged when it differs.
    void setEpsilon(double epsilon);

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {280, sizeHint().height()}; }

Q_SIGNALS:
    void epsilonChanged(double epsilon);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    /// Left/Down and Right/Up: one step of two significant digits; PageUp/PageDown: the next stop;
    /// Home/End: the ends.
    void keyPressEvent(QKeyEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;

private:
    double xOf(double epsilon) const;
    double epsilonAt(double x) const;

    double epsilon_ = 1.0;
    bool isDragged_ = false;
};

} // namespace velamen::ui
