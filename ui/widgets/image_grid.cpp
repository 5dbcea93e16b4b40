// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout, painting and keys of the picture grid.

#include "ui/widgets/image_grid.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QPainter>
#include <QPainterPath>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>

#include "ui/widgets/icons.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr int kEdge = 4; // room for the selection frame
constexpr int kMinimumCell = 16;
constexpr double kWorthwhile =
    0.7; ///< a whole multiple that leaves more of its cell empty is not used

QImage veilOf(const QImage& image)
{
    return image.scaled(4, 4, Qt::IgnoreAspectRatio, Qt::SmoothTransformation)
        .scaled(24, 24, Qt::IgnoreAspectRatio, Qt::SmoothTransformation);
}

/// The size at which `image` fills `cell` best: a whole multiple, or shrunk when it is larger.
QSize drawnSize(const QSize& image, int cell)
{
    const int longest = std::max(image.width(), image.height());
    if (longest <= 0) return {};
    const int multiple = cell / longest * longest;
    if (multiple >= kWorthwhile * cell) // whole multiples keep pixels pixels
        return image * (cell / longest);
    return image.scaled(cell, cell, Qt::KeepAspectRatio);
}

} // namespace

QImage toQImage(const image::Image& image)
{
    const auto wanted = static_cast<std::size_t>(image.width)
        * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.channels);
    if (image.width <= 0 || image.height <= 0 || (image.channels != 1 && image.channels != 3)
        || image.pixels.size() != wanted)
        return {};
    const auto format = image.channels == 1 ? QImage::Format_Grayscale8 : QImage::Format_RGB888;
    return QImage(image.pixels.data(), image.width, image.height, image.width * image.channels,
                  format)
        .copy();
}

ImageGrid::ImageGrid(QWidget* parent) : QAbstractScrollArea(parent)
{
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Pictures"));
    viewport()->setAutoFillBackground(false);
    emptyText_ = tr("Nothing to show yet.");
    connect(verticalScrollBar(), &QScrollBar::valueChanged, viewport(),
            qOverload<>(&QWidget::update));
    connect(horizontalScrollBar(), &QScrollBar::valueChanged, viewport(),
            qOverload<>(&QWidget::update));
}

void ImageGrid::setGrid(int rows, int columns)
{
    isFlow_ = false;
    rows_ = std::max(rows, 0);
    columns_ = std::max(columns, 0);
    cells_.assign(static_cast<std::size_t>(rows_) * static_cast<std::size_t>(columns_), {});
    selected_ = -1;
    relayout();
}

int ImageGrid::rows() const
{
    const int across = std::max(1, columns());
    return isFlow_ ? (count() + across - 1) / across : rows_;
}

int ImageGrid::columns() const { return isFlow_ ? flowColumns() : columns_; }

void ImageGrid::setRowLabels(const QStringList& labels)
{
    rowLabels_ = labels;
    relayout();
}

void ImageGrid::setColumnLabels(const QStringList& labels)
{
    columnLabels_ = labels;
    relayout();
}

void ImageGrid::setImage(int row, int column, const QImage& image)
{
    if (isFlow_ || row < 0 || column < 0 || row >= rows_ || column >= columns_) return;
    cells_[static_cast<std::size_t>(row * columns_ + column)] = {image, {}};
    if (fitsView_) relayout();
    viewport()->update();
}

void ImageGrid::setFlow(std::vector<QImage> images, const QStringList& labels)
{
    isFlow_ = true;
    cells_.clear();
    cells_.reserve(images.size());
    for (QImage& image : images)
        cells_.push_back({std::move(image), {}});
    flowLabels_ = labels;
    selected_ = -1;
    verticalScrollBar()->setValue(0);
    relayout();
}

void ImageGrid::addToFlow(const QImage& image, const QString& label)
{
    isFlow_ = true;
    cells_.push_back({image, {}});
    if (!label.isEmpty() || !flowLabels_.isEmpty()) flowLabels_ << label;
    relayout();
}

void ImageGrid::putInFlow(int index, const QImage& image, const QString& label)
{
    if (!isFlow_ || index >= count()) return addToFlow(image, label);
    if (index < 0) return;
    cells_[static_cast<std::size_t>(index)] = {image, {}};
    viewport()->update();
}

void ImageGrid::trimFlow(int kept)
{
    if (!isFlow_ || kept >= count()) return;
    cells_.resize(static_cast<std::size_t>(std::max(kept, 0)));
    flowLabels_.resize(std::min(flowLabels_.size(), qsizetype{kept}));
    if (selected_ >= count()) setSelected(-1);
    relayout();
}

int ImageGrid::count() const { return static_cast<int>(cells_.size()); }

QImage ImageGrid::image(int index) const
{
    return index >= 0 && index < count() ? cells_[static_cast<std::size_t>(index)].image : QImage();
}

void ImageGrid::clear()
{
    cells_.clear();
    flowLabels_.clear();
    descriptions_.clear();
    rows_ = 0;
    columns_ = 0;
    selected_ = -1;
    relayout();
}

void ImageGrid::setCellSize(int pixels)
{
    cellSize_ = std::max(pixels, kMinimumCell);
    relayout();
}

void ImageGrid::setFitsView(bool fits)
{
    fitsView_ = fits;
    relayout();
}

void ImageGrid::setEmptyText(const QString& text)
{
    emptyText_ = text;
    viewport()->update();
}

void ImageGrid::setDescriptions(const QStringList& descriptions) { descriptions_ = descriptions; }

bool ImageGrid::isVeiled() const { return isVeiled_; }

void ImageGrid::setVeiled(bool veiled)
{
    isVeiled_ = veiled;
    viewport()->update();
}

int ImageGrid::selected() const { return selected_; }

void ImageGrid::setSelected(int index)
{
    const int now = index >= 0 && index < count() ? index : -1;
    if (now == selected_) return;
    selected_ = now;
    if (now >= 0) {
        reveal(now);
        setAccessibleDescription(now < descriptions_.size() ? descriptions_[now]
                                                            : tr("picture %1").arg(now + 1));
    }
    viewport()->update();
    Q_EMIT selectionChanged(selected_);
}

QSize ImageGrid::sizeHint() const
{
    const int across = isFlow_ ? 4 : std::max(columns_, 1);
    const int down = isFlow_ ? 3 : std::max(rows_, 1);
    return {leftMargin_ + across * (cell() + gap_) + 2 * kEdge,
            down * (cell() + gap_) + labelHeight() + 2 * kEdge};
}

int ImageGrid::cell() const { return fitsView_ && !isFlow_ ? fittedCell_ : cellSize_; }

int ImageGrid::labelHeight() const
{
    const bool needed = isFlow_ ? !flowLabels_.isEmpty() : !columnLabels_.isEmpty();
    return needed ? QFontMetrics(uiFont(text_size::kNote)).height() + 4 : 0;
}

int ImageGrid::flowColumns() const
{
    return std::max(1, (viewport()->width() - 2 * kEdge + gap_) / (cell() + gap_));
}

void ImageGrid::relayout()
{
    gap_ = cellSize_ >= 48 ? 8 : 3;
    leftMargin_ = 0;
    const QFontMetrics metrics(uiFont(text_size::kBody));
    if (!isFlow_)
        for (const QString& label : rowLabels_)
            leftMargin_ = std::max(leftMargin_, metrics.horizontalAdvance(label) + 10);
    leftMargin_ = std::min(leftMargin_, std::max(24, viewport()->width() / 3));
    if (fitsView_ && !isFlow_ && rows_ > 0 && columns_ > 0) {
        gap_ = 3;
        const int wide = (viewport()->width() - leftMargin_ - 2 * kEdge) / columns_ - gap_;
        const int high = (viewport()->height() - labelHeight() - 2 * kEdge) / rows_ - gap_;
        fittedCell_ = std::clamp(std::min(wide, high), kMinimumCell, 96);
        const QSize native = cells_.empty() ? QSize() : [this] {
            for (const Cell& one : cells_)
                if (!one.image.isNull()) return one.image.size();
            return QSize();
        }();
        const int longest = std::max(native.width(), native.height());
        if (longest > 0 && fittedCell_ / longest * longest >= kWorthwhile * fittedCell_)
            fittedCell_ = fittedCell_ / longest * longest;
    }
    const int labelled = isFlow_ ? labelHeight() : 0;
    const int high =
        rows() * (cell() + gap_ + labelled) + (isFlow_ ? 0 : labelHeight()) + 2 * kEdge - gap_;
    const int wide = isFlow_ ? 0 : leftMargin_ + columns_ * (cell() + gap_) + 2 * kEdge;
    verticalScrollBar()->setRange(0, std::max(0, high - viewport()->height()));
    verticalScrollBar()->setPageStep(viewport()->height());
    verticalScrollBar()->setSingleStep(cell() + gap_);
    horizontalScrollBar()->setRange(0, std::max(0, wide - viewport()->width()));
    horizontalScrollBar()->setPageStep(viewport()->width());
    viewport()->update();
}

QRect ImageGrid::cellRect(int index) const
{
    const int across = std::max(1, columns());
    const int labelled = isFlow_ ? labelHeight() : 0;
    return {kEdge + leftMargin_ + index % across * (cell() + gap_) - horizontalScrollBar()->value(),
            kEdge + index / across * (cell() + gap_ + labelled) - verticalScrollBar()->value(),
            cell(), cell()};
}

int ImageGrid::indexAt(const QPoint& point) const
{
    for (int i = 0; i < count(); ++i)
        if (cellRect(i).contains(point)) return i;
    return -1;
}

void ImageGrid::reveal(int index)
{
    const QRect where = cellRect(index).adjusted(-kEdge, -kEdge, kEdge, kEdge + labelHeight());
    QScrollBar* down = verticalScrollBar();
    if (where.top() < 0)
        down->setValue(down->value() + where.top());
    else if (where.bottom() > viewport()->height())
        down->setValue(down->value() + where.bottom() + 1 - viewport()->height());
    QScrollBar* right = horizontalScrollBar();
    if (where.left() < 0)
        right->setValue(right->value() + where.left());
    else if (where.right() > viewport()->width())
        right->setValue(right->value() + where.right() + 1 - viewport()->width());
}

void ImageGrid::paintEvent(QPaintEvent* event)
{
    const Theme theme = Theme::of(*this);
    QPainter painter(viewport());
    painter.setRenderHint(QPainter::Antialiasing);
    if (cells_.empty()) {
        const QRect all = viewport()->rect();
        paintIcon(painter, Icon::Picture,
                  QRectF(all.center().x() - 16, all.center().y() - 44, 32, 32), theme.fieldLine);
        painter.setFont(uiFont(text_size::kBody));
        painter.setPen(theme.muted);
        painter.drawText(all.adjusted(12, all.height() / 2 - 2, -12, 0),
                         Qt::AlignHCenter | Qt::AlignTop | Qt::TextWordWrap, emptyText_);
        return;
    }
    for (int i = 0; i < count(); ++i) {
        const QRect where = cellRect(i);
        if (!where.adjusted(-kEdge, -kEdge, kEdge, kEdge + labelHeight()).intersects(event->rect()))
            continue;
        Cell& one = cells_[static_cast<std::size_t>(i)];
        QRect drawn = where;
        if (!one.image.isNull()) {
            const QSize size = drawnSize(one.image.size(), cell());
            drawn = QRect(where.center() - QPoint(size.width() - 1, size.height() - 1) / 2, size);
        }
        QPainterPath shape;
        shape.addRoundedRect(drawn, 4, 4);
        painter.save();
        painter.setClipPath(shape);
        if (one.image.isNull()) {
            painter.fillRect(drawn, theme.ground);
        } else if (isVeiled_) {
            if (one.veil.isNull()) one.veil = veilOf(one.image);
            painter.setRenderHint(QPainter::SmoothPixmapTransform);
            painter.drawImage(drawn, one.veil);
        } else {
            painter.setRenderHint(QPainter::SmoothPixmapTransform,
                                  drawn.width() % one.image.width() != 0);
            painter.drawImage(drawn, one.image);
        }
        painter.restore();
        if (i == selected_) {
            painter.setPen(QPen(hasFocus() ? theme.accentText : theme.muted, 3));
            painter.setBrush(Qt::NoBrush);
            painter.drawRoundedRect(QRectF(drawn).adjusted(-2, -2, 2, 2), 6, 6);
        }
        if (isFlow_ && i < flowLabels_.size()) {
            painter.setFont(uiFont(text_size::kNote));
            painter.setPen(theme.muted);
            const QRect under(where.left(), where.bottom() + 2, where.width(), labelHeight());
            painter.drawText(
                under, Qt::AlignHCenter,
                painter.fontMetrics().elidedText(flowLabels_[i], Qt::ElideRight, under.width()));
        }
    }
    if (isFlow_) return;
    painter.setPen(theme.muted);
    painter.setFont(uiFont(text_size::kBody));
    for (int row = 0; row < rows_ && row < rowLabels_.size(); ++row) {
        const QRect first = cellRect(row * columns_);
        painter.drawText(
            QRect(kEdge - horizontalScrollBar()->value(), first.top(), leftMargin_ - 10,
                  first.height()),
            Qt::AlignVCenter | Qt::AlignRight,
            painter.fontMetrics().elidedText(rowLabels_[row], Qt::ElideRight, leftMargin_ - 10));
    }
    painter.setFont(uiFont(text_size::kNote));
    const int below = cellRect((rows_ - 1) * columns_).bottom() + 3;
    int lastRight = -1000;
    for (int column = 0; column < columns_ && column < columnLabels_.size(); ++column) {
        const int wide = painter.fontMetrics().horizontalAdvance(columnLabels_[column]);
        const QRect under(cellRect(column).center().x() - wide / 2 - 1, below, wide + 2,
                          labelHeight());
        if (under.left() < lastRight + 4) // crowded: leave out rather than overprint
            continue;
        painter.drawText(under, Qt::AlignHCenter, columnLabels_[column]);
        lastRight = under.right();
    }
}

void ImageGrid::resizeEvent(QResizeEvent* event)
{
    QAbstractScrollArea::resizeEvent(event);
    relayout();
}

void ImageGrid::mousePressEvent(QMouseEvent* event)
{
    if (event->button() == Qt::LeftButton) setSelected(indexAt(event->position().toPoint()));
}

void ImageGrid::mouseDoubleClickEvent(QMouseEvent* event)
{
    if (const int index = indexAt(event->position().toPoint()); index >= 0) Q_EMIT activated(index);
}

void ImageGrid::keyPressEvent(QKeyEvent* event)
{
    if (cells_.empty()) {
        QAbstractScrollArea::keyPressEvent(event);
        return;
    }
    const int across = std::max(1, columns());
    const int page = std::max(1, viewport()->height() / std::max(1, cell() + gap_)) * across;
    int to = selected_;
    switch (event->key()) {
    case Qt::Key_Left:
        to = selected_ < 0 ? 0 : selected_ - 1;
        break;
    case Qt::Key_Right:
        to = selected_ + 1;
        break;
    case Qt::Key_Up:
        to = selected_ < 0 ? 0 : selected_ - across;
        break;
    case Qt::Key_Down:
        to = selected_ < 0 ? 0 : selected_ + across;
        break;
    case Qt::Key_PageUp:
        to = std::max(0, selected_ - page);
        break;
    case Qt::Key_PageDown:
        to = std::min(count() - 1, std::max(selected_, 0) + page);
        break;
    case Qt::Key_Home:
        to = 0;
        break;
    case Qt::Key_End:
        to = count() - 1;
        break;
    case Qt::Key_Return:
    case Qt::Key_Enter:
        if (selected_ >= 0) Q_EMIT activated(selected_);
        return;
    default:
        QAbstractScrollArea::keyPressEvent(event);
        return;
    }
    if (to >= 0 && to < count()) setSelected(to);
    event->accept();
}

bool ImageGrid::viewportEvent(QEvent* event)
{
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const int index = indexAt(help->pos());
        if (index >= 0 && index < descriptions_.size())
            QToolTip::showText(help->globalPos(), descriptions_[index], viewport());
        else
            QToolTip::hideText();
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

void ImageGrid::focusInEvent(QFocusEvent* event)
{
    QAbstractScrollArea::focusInEvent(event);
    viewport()->update();
}

void ImageGrid::focusOutEvent(QFocusEvent* event)
{
    QAbstractScrollArea::focusOutEvent(event);
    viewport()->update();
}

} // namespace velamen::ui
