// SPDX-License-Identifier: GPL-3.0-or-later
//
// What to draw and how: the left card of the sampling page.

#pragma once

#include <vector>

#include "ui/models/studio.h"
#include "ui/widgets/card.h"

class QComboBox;
class QDoubleSpinBox;
class QGridLayout;
class QLabel;
class QLineEdit;
class QSpinBox;

namespace velamen::ui {

/// The name of a sampler as people write it.
QString samplerName(generate::SamplerKind kind);

class SampleSettings final : public Card {
    Q_OBJECT

public:
    explicit SampleSettings(Studio& studio, QWidget* parent = nullptr);

    /// Why there is nothing to draw with these settings; empty when request() can be drawn.
    QString whyNot() const;
    generate::GenerationRequest request() const;
    /// Takes over what one image of the last request shows, and its seed.
    void reuse(const generate::GeneratedImage& image);

Q_SIGNALS:
    /// whyNot() may have changed, or the model and the run that the settings are for.
    void changed();

private:
    QLabel* addRow(const QString& name, QWidget* field, QWidget* extra = nullptr);
    void makeSubject();
    void makeSampler();
    void showModels();
    void showClasses();
    void showPrompt();
    void showRequest();
    void showSampler();
    bool hasPrompt() const;
    /// What is usual for the model, where the user has not chosen otherwise.
    void suggestGuidance();

    Studio& studio_;
    QGridLayout* form_ = nullptr;
    QComboBox* model_ = nullptr;
    QComboBox* class_ = nullptr;
    QLineEdit *prompt_ = nullptr, *negative_ = nullptr;
    std::vector<QWidget*> classRow_;   ///< shown where the model has a list of classes
    std::vector<QWidget*> promptRows_; ///< shown where it takes prompts
    QSpinBox* count_ = nullptr;
    QLineEdit* seed_ = nullptr;
    QDoubleSpinBox* guidance_ = nullptr;
    double suggested_ = generate::GenerationRequest{}.guidance;
    QComboBox* sampler_ = nullptr;
    QSpinBox* steps_ = nullptr;
    QDoubleSpinBox* eta_ = nullptr;
    QLabel* cost_ = nullptr;
};

} // namespace velamen::ui
