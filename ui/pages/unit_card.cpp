// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the card and the way between its controls and the studio.

#include "ui/pages/unit_card.h"

#include <QButtonGroup>
#include <QHBoxLayout>
#include <QIntValidator>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QRadioButton>
#include <QVBoxLayout>

#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

QHBoxLayout* makeRow()
{
    auto* row = new QHBoxLayout;
    row->setSpacing(space::kM);
    return row;
}

/// A radio button in a first column of fixed width, a note beside it.
QLabel* addChoice(QVBoxLayout* body, QRadioButton* choice, const QString& note, QWidget* parent)
{
    auto* row = makeRow();
    choice->setFixedWidth(150);
    auto* label = makeText(TextRole::Note, note, parent);
    row->addWidget(choice, 0, Qt::AlignVCenter);
    row->addWidget(label, 1, Qt::AlignVCenter);
    body->addLayout(row);
    return label;
}

} // namespace

UnitCard::UnitCard(Studio& studio, QWidget* parent)
    : Card(tr("1  Who is protected?"), parent), studio_(studio)
{
    image_ = new QRadioButton(tr("&Image"), this);
    image_->setObjectName(QStringLiteral("privacy.unit.image"));
    patient_ = new QRadioButton(tr("&Patient"), this);
    patient_->setObjectName(QStringLiteral("privacy.unit.patient"));
    auto* units = new QButtonGroup(this);
    units->addButton(image_);
    units->addButton(patient_);
    image_->setChecked(true);
    setEnabledWithReason(
        patient_, false,
        tr("Needs a patient key for each image (a table or DICOM tags), which this version "
           "does not read yet."));
    imageNote_ = addChoice(body(), image_, {}, this);
    body()->addWidget(makeLine(this));
    auto* note =
        addChoice(body(), patient_, tr("needs a key that says whose image it is; not yet"), this);
    note->setToolTip(patient_->toolTip());
    body()->addWidget(makeLine(this));
    body()->addSpacing(2);
    body()->addWidget(makeText(TextRole::Strong, tr("Is the number of images public?"), this));

    public_ = new QRadioButton(tr("&Yes, public"), this);
    public_->setObjectName(QStringLiteral("privacy.units.public"));
    secret_ = new QRadioButton(tr("&No, secret"), this);
    secret_->setObjectName(QStringLiteral("privacy.units.secret"));
    auto* group = new QButtonGroup(this);
    group->addButton(public_);
    group->addButton(secret_);
    publicNote_ = addChoice(body(), public_, {}, this);
    secretNote_ = addChoice(body(), secret_,
                            tr("it appears nowhere; you plan with a rough public number"), this);
    typedRow_ = new QWidget(this);
    auto* row = makeRow();
    typedRow_->setLayout(row);
    row->setContentsMargins(0, 0, 0, 0);
    auto* label = makeText(TextRole::Note, tr("plan with about"), typedRow_);
    label->setWordWrap(false);
    typed_ = new QLineEdit(typedRow_);
    typed_->setObjectName(QStringLiteral("privacy.units.typed"));
    typed_->setAccessibleName(tr("Public number of images to plan with"));
    typed_->setPlaceholderText(tr("a round number"));
    typed_->setValidator(new QIntValidator(1, 2'000'000'000, typed_));
    typed_->setFixedWidth(136);
    const QString tip =
        tr("Something anybody could guess without seeing the folder. It is printed in the "
           "certificate.");
    typed_->setToolTip(tip);
    label->setToolTip(tip);
    label->setBuddy(typed_);
    auto* images = makeText(TextRole::Note, tr("images"), typedRow_);
    images->setWordWrap(false);
    row->addWidget(label);
    row->addWidget(typed_);
    row->addWidget(images);
    row->addStretch(1);
    // Takes the place of the note once the answer is "secret".
    auto* choice = static_cast<QHBoxLayout*>(body()->itemAt(body()->count() - 1)->layout());
    choice->addWidget(typedRow_, 1);
    connect(public_, &QRadioButton::clicked, this, [this] { studio_.setUnitsArePublic(true); });
    connect(secret_, &QRadioButton::clicked, this, [this] {
        studio_.setUnitsArePublic(false);
        typed_->setFocus();
    });
    connect(typed_, &QLineEdit::textEdited, this, &UnitCard::setUnits);
}

void UnitCard::setUnits(const QString& typed)
{
    train::PlanRequest request = studio_.request();
    bool isNumber = false;
    const qint64 units = QLocale().toLongLong(typed, &isNumber);
    request.public_units = isNumber ? units : 0;
    studio_.setRequest(request);
}

void UnitCard::refresh()
{
    const auto& manifest = studio_.manifest();
    const qint64 units = manifest ? static_cast<qint64>(manifest->units.size()) : 0;
    const auto answer = studio_.unitsArePublic();
    imageNote_->setText(tr("says little about a person who has several images in the folder"));
    publicNote_->setText(manifest
                             ? tr("%1 images; printed in the certificate").arg(countText(units))
                             : tr("the count is printed in the certificate"));
    QButtonGroup* group = public_->group();
    group->setExclusive(false);
    public_->setChecked(answer == true);
    secret_->setChecked(answer == false);
    group->setExclusive(true);
    typedRow_->setVisible(answer == false);
    secretNote_->setVisible(answer != false);
    const std::int64_t planned = studio_.request().public_units;
    if (answer == false && !typed_->hasFocus())
        typed_->setText(planned > 0 ? QString::number(planned) : QString());
    const bool isLocked = studio_.isRunActive();
    const QString locked = tr("A run is in progress with the plan that was confirmed.");
    for (QWidget* control : std::initializer_list<QWidget*>{public_, secret_, typed_})
        setEnabledWithReason(control, !isLocked, locked);
}

} // namespace velamen::ui
