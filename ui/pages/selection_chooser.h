// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which part of the model learns, as one choice in words, each with its exact count and share.

#pragma once

#include <string>
#include <vector>

#include <QWidget>

#include "ui/models/studio.h"

class QButtonGroup;
class QCheckBox;
class QGridLayout;
class QLabel;
class QRadioButton;
class QSpinBox;

namespace velamen::ui {

class SelectionChooser final : public QWidget {
    Q_OBJECT

public:
    explicit SelectionChooser(Studio& studio, QWidget* parent = nullptr);

    void refresh();

private:
    struct Line {
        const char* selection; ///< or its beginning, before the number
        QRadioButton* choice = nullptr;
        QSpinBox* number = nullptr; ///< null: the selection has none
        QLabel* count = nullptr;
        QLabel* share = nullptr;
    };

    void addLine(QGridLayout* grid, const char* selection, const QString& words, const QString& tip,
                 QSpinBox* number = nullptr);
    std::string selectionOf(const Line& line) const;
    void choose(const Line& line);
    void showChoice();
    void showCounts();

    Studio& studio_;
    QButtonGroup* group_;
    std::vector<Line> lines_;
    QCheckBox* conditioner_;
    bool isRefreshing_ = false;
};

} // namespace velamen::ui
