// SPDX-License-Identifier: GPL-3.0-or-later
//
// Pills that say which zone something belongs to, or what a run is doing: icon, word and colour
// together, never colour alone.

#pragma once

#include <QLabel>
#include <QString>

#include "ui/widgets/icons.h"

namespace velamen::ui {

/// Paints icon and text on a tinted pill; text() is what assistive tools read.
class Pill : public QLabel {
    Q_OBJECT

public:
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    explicit Pill(QWidget* parent);
    void paintEvent(QPaintEvent* event) override;
    virtual void look(Icon& icon, QColor& ink, QColor& ground) const = 0;
};

class ZoneBadge final : public Pill {
    Q_OBJECT

public:
    enum Zone { Private, Protected, Public };
    Q_ENUM(Zone)

    /// `word` replaces "Private", "Protected", "Public" where more can be said ("noised, counted in
    /// ε").
    explicit ZoneBadge(Zone zone, const QString& word = {}, QWidget* parent = nullptr);
    Zone zone() const { return zone_; }
    void setZone(Zone zone, const QString& word = {});

private:
    void look(Icon& icon, QColor& ink, QColor& ground) const override;
    Zone zone_;
};

class StateBadge final : public Pill {
    Q_OBJECT

public:
    enum State { Idle, Preparing, Running, Pausing, Paused, Stopping, Done, Failed };
    Q_ENUM(State)

    explicit StateBadge(QWidget* parent = nullptr);
    State state() const { return state_; }
    void setState(State state);
    static QString word(State state);

private:
    void look(Icon& icon, QColor& ink, QColor& ground) const override;
    State state_ = Idle;
};

} // namespace velamen::ui
