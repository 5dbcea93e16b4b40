// SPDX-License-Identifier: GPL-3.0-or-later
//
// Pictures in rows and columns with labels, or in a flow that wraps at the right edge. Small
// pictures are enlarged by whole numbers so that pixels stay pixels. Painted, not a widget per
// cell; scrolls by itself.

#pragma once

#include <vector>

#include <QAbstractScrollArea>
#include <QImage>
#include <QString>
#include <QStringList>

#include "engine/image/image.h"

namespace velamen::ui {

/// 8-bit grey or RGB; a null image when the sizes do not fit the pixels.
QImage toQImage(const image::Image& image);

class ImageGrid final : public QAbstractScrollArea {
    Q_OBJECT

public:
    explicit ImageGrid(QWidget* parent = nullptr);

    /// Fixed grid of empty cells; cells are filled by setImage().
    void setGrid(int rows, int columns);
    int rows() const;
    int columns() const;
    void setRowLabels(const QStringList& labels);
    void setColumnLabels(const QStringList& labels);
    void setImage(int row, int column, const QImage& image);

    /// Flow: as many columns as fit; labels(i) under picture i when given.
    void setFlow(std::vector<QImage> images, const QStringList& labels = {});
    void addToFlow(const QImage& image, const QString& label = {});
    /// Takes the place of a picture of the flow, or is added behind the last.
    void putInFlow(int index, const QImage& image, const QString& label = {});
    /// Only the first `count` pictures of the flow stay.
    void trimFlow(int count);

    /// Index = row * columns() + column; position in the flow.
    int count() const;
    QImage image(int index) const;
    void clear();

    /// Side of a cell in pixels; pictures are drawn at the largest whole multiple that fits.
    void setCellSize(int pixels);
    /// Fixed grid only: choose the cell size so that rows and columns fill the view (at least 16
    /// px).
    void setFitsView(bool fits);
    void setEmptyText(const QString& text);
    /// What a cell is, for tooltips and assistive tools; called on the GUI thread.
    void setDescriptions(const QStringList& descriptions);

    /// Private pictures: only a smear of each is painted until the veil is taken away.
    bool isVeiled() const;
    void setVeiled(bool veiled);

    /// -1: none.
    int selected() const;
    void setSelected(int index);

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {80, 80}; }

Q_SIGNALS:
    void selectionChanged(int index);
    void activated(int index); ///< Enter or double click

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool viewportEvent(QEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;

private:
    void relayout();
    QRect cellRect(int index) const; ///< in viewport coordinates
    int indexAt(const QPoint& point) const;
    int flowColumns() const;
    int cell() const;
    int labelHeight() const;
    void reveal(int index);

    struct Cell {
        QImage image;
        QImage veil; ///< made when first painted veiled
    };
    std::vector<Cell> cells_;
    QStringList rowLabels_;
    QStringList columnLabels_;
    QStringList flowLabels_;
    QStringList descriptions_;
    QString emptyText_;
    int rows_ = 0;
    int columns_ = 0;
    int cellSize_ = 64;
    int fittedCell_ = 64;
    int gap_ = 4;
    int leftMargin_ = 0;
    bool isFlow_ = true;
    bool fitsView_ = false;
    bool isVeiled_ = false;
    int selected_ = -1;
};

} // namespace velamen::ui
