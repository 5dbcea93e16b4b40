// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the card and the way between its controls and the studio.

#include "ui/pages/unit_card.h"

#include <QButtonGroup>
#include <QComboBox>
#include <QHBoxLayout>
#include <QIntValidator>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QRadioButton>
#include <QRegularExpressionValidator>
#include <QSpinBox>
#include <QVBoxLayout>

#include "ui/models/unit_words.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr int kChoiceWidth = 132;

QHBoxLayout* makeRow()
{
    auto* row = new QHBoxLayout;
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(space::kM);
    return row;
}

QRadioButton* makeChoice(const QString& words, const char* name, QButtonGroup* group,
                         QWidget* parent)
{
    auto* choice = new QRadioButton(words, parent);
    choice->setObjectName(QLatin1String(name));
    choice->setFixedWidth(kChoiceWidth);
    group->addButton(choice);
    return choice;
}

/// A radio button in a first column of fixed width, a note beside it.
QHBoxLayout* addChoice(QVBoxLayout* body, QRadioButton* choice, QLabel* note)
{
    auto* row = makeRow();
    row->addWidget(choice, 0, Qt::AlignVCenter);
    row->addWidget(note, 1, Qt::AlignVCenter);
    body->addLayout(row);
    return row;
}

QLabel* makeWord(const QString& words, QWidget* parent)
{
    auto* label = makeText(TextRole::Note, words, parent);
    label->setWordWrap(false);
    return label;
}

QSpinBox* makeSpin(const char* name, int least, int most, QWidget* parent)
{
    auto* spin = new QSpinBox(parent);
    spin->setObjectName(QLatin1String(name));
    spin->setRange(least, most);
    spin->setKeyboardTracking(false);
    return spin;
}

/// Checks `choice` alone, or none, without telling anybody.
void check(QButtonGroup* group, QAbstractButton* choice)
{
    group->setExclusive(false);
    for (QAbstractButton* one : group->buttons())
        one->setChecked(one == choice);
    group->setExclusive(true);
}

} // namespace

UnitCard::UnitCard(Studio& studio, QWidget* parent)
    : Card(tr("1  Who is protected?"), parent), studio_(studio)
{
    body()->setSpacing(5);
    addUnits();
    addShares();
    body()->addWidget(makeLine(this));
    addNumber();
}

void UnitCard::addUnits()
{
    auto* group = new QButtonGroup(this);
    patient_ = makeChoice(tr("&Patient"), "privacy.unit.patient", group, this);
    image_ = makeChoice(tr("&Image"), "privacy.unit.image", group, this);
    other_ = makeChoice(tr("&Other"), "privacy.unit.other", group, this);
    patientNote_ = makeText(TextRole::Note, {}, this);
    imageNote_ = makeText(TextRole::Note, {}, this);
    otherNote_ = makeText(TextRole::Note, {}, this);
    addChoice(body(), patient_, patientNote_);
    addChoice(body(), image_, imageNote_);
    word_ = new QComboBox(this);
    word_->setObjectName(QStringLiteral("privacy.unit.word"));
    word_->setAccessibleName(tr("Word for one protected unit"));
    word_->setEditable(true);
    word_->setInsertPolicy(QComboBox::NoInsert);
    word_->addItems({tr("study"), tr("household"), tr("person")});
    word_->lineEdit()->setValidator(new QRegularExpressionValidator(
        QRegularExpression(QStringLiteral("[\\p{L}][\\p{L} -]{0,23}")), word_));
    word_->setFixedWidth(130);
    addChoice(body(), other_, otherNote_)->insertWidget(1, word_);
    connect(patient_, &QRadioButton::clicked, this, [this] { studio_.setUnit(kPatientUnit); });
    connect(image_, &QRadioButton::clicked, this, [this] { studio_.setUnit(kImageUnit); });
    connect(other_, &QRadioButton::clicked, this, &UnitCard::setOther);
    connect(word_, &QComboBox::activated, this, &UnitCard::setOther);
    connect(word_->lineEdit(), &QLineEdit::editingFinished, this, [this] {
        if (other_->isChecked()) setOther();
    });
}

void UnitCard::addShares()
{
    auto* row = makeRow();
    row->setSpacing(space::kS);
    mostTitle_ = makeWord(tr("in a step at &most"), this);
    most_ = makeSpin("privacy.most", 0, 1024, this);
    most_->setSpecialValueText(tr("auto"));
    most_->setFixedWidth(58);
    mostTitle_->setToolTip(
        tr("A unit with more images takes part with that many, picked anew at random in each step. "
           "More images of a unit make its part less noisy; a step takes longer."));
    mostTitle_->setBuddy(most_);
    mostUnit_ = makeWord({}, this);
    draws_ = makeSpin("privacy.draws", 1, 64, this);
    draws_->setFixedWidth(48);
    drawsUnit_ = makeWord({}, this);
    drawsUnit_->setToolTip(
        tr("How often each image is noised anew in a step before the mean is clipped. Costs time, "
           "no ε."));
    for (QWidget* one :
         std::initializer_list<QWidget*>{mostTitle_, most_, mostUnit_, draws_, drawsUnit_})
        row->addWidget(one);
    row->addStretch(1);
    body()->addLayout(row);
    connect(most_, &QSpinBox::valueChanged, this, &UnitCard::setShares);
    connect(draws_, &QSpinBox::valueChanged, this, &UnitCard::setShares);
}

void UnitCard::addNumber()
{
    question_ = makeText(TextRole::Strong, {}, this);
    body()->addWidget(question_);
    auto* group = new QButtonGroup(this);
    public_ = makeChoice(tr("&Yes, public"), "privacy.units.public", group, this);
    secret_ = makeChoice(tr("&No, secret"), "privacy.units.secret", group, this);
    publicNote_ = makeText(TextRole::Note, {}, this);
    secretNote_ = makeText(TextRole::Note,
                           tr("it appears nowhere; you plan with a rough public number"), this);
    addChoice(body(), public_, publicNote_);
    addTypedNumber(addChoice(body(), secret_, secretNote_));
    connect(public_, &QRadioButton::clicked, this, [this] { studio_.setUnitsArePublic(true); });
    connect(secret_, &QRadioButton::clicked, this, [this] {
        studio_.setUnitsArePublic(false);
        typed_->setFocus();
    });
    connect(typed_, &QLineEdit::textEdited, this, &UnitCard::setUnits);
}

// Takes the place of the note once the answer is "secret".
void UnitCard::addTypedNumber(QHBoxLayout* choice)
{
    typedRow_ = new QWidget(this);
    auto* row = makeRow();
    typedRow_->setLayout(row);
    auto* label = makeWord(tr("plan with about"), typedRow_);
    typed_ = new QLineEdit(typedRow_);
    typed_->setObjectName(QStringLiteral("privacy.units.typed"));
    typed_->setPlaceholderText(tr("a round number"));
    typed_->setValidator(new QIntValidator(1, 2'000'000'000, typed_));
    typed_->setFixedWidth(136);
    const QString tip =
        tr("Something anybody could guess without seeing the folder. It is printed in the "
           "certificate.");
    typed_->setToolTip(tip);
    label->setToolTip(tip);
    label->setBuddy(typed_);
    typedUnit_ = makeWord({}, typedRow_);
    row->addWidget(label);
    row->addWidget(typed_);
    row->addWidget(typedUnit_);
    row->addStretch(1);
    choice->addWidget(typedRow_, 1);
}

void UnitCard::setOther()
{
    const std::string word = word_->currentText().trimmed().toLower().toStdString();
    if (!word.empty() && word != kImageUnit) studio_.setUnit(word);
    refreshUnits();
}

void UnitCard::setShares()
{
    if (isRefreshing_) return;
    train::PlanRequest request = studio_.request();
    request.images_per_unit = most_->value();
    request.noise_multiplicity = draws_->value();
    studio_.setRequest(request);
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
    isRefreshing_ = true;
    refreshUnits();
    refreshNumber();
    isRefreshing_ = false;
}

void UnitCard::refreshUnits()
{
    const train::PlanRequest& request = studio_.request();
    const QString unit = QString::fromStdString(request.unit);
    const bool isImage = request.unit == kImageUnit;
    const bool isPatient = request.unit == kPatientUnit;
    check(image_->group(), isImage ? image_ : isPatient ? patient_ : other_);
    if (!isImage && !isPatient && !word_->hasFocus()) word_->setEditText(unit);

    const std::string key = studio_.knownUnitKey();
    const QString missing = tr("say on the Data page what tells patients apart");
    patientNote_->setText(key.empty() ? missing
                                      : tr("recommended; told apart by %1").arg(unitKeyText(key)));
    otherNote_->setText(tr("told apart in the same way"));
    imageNote_->setText(tr("says little about a patient with several images"));
    const bool isLocked = studio_.isRunActive();
    const QString locked = tr("A run is in progress with the plan that was confirmed.");
    setEnabledWithReason(image_, !isLocked, locked);
    for (QWidget* one : std::initializer_list<QWidget*>{patient_, other_, word_})
        setEnabledWithReason(one, !isLocked && !key.empty(), isLocked ? locked : missing);

    for (QWidget* one : std::initializer_list<QWidget*>{mostTitle_, most_, mostUnit_})
        one->setVisible(!isImage);
    mostUnit_->setText(tr("images of a %1,").arg(unit));
    drawsUnit_->setText(isImage ? tr("noise draws of an image in a step")
                                : tr("noise draws of each"));
    most_->setAccessibleName(tr("At most this many images of a %1 in a step").arg(unit));
    draws_->setAccessibleName(tr("Noise draws of each image in a step"));
    most_->setValue(static_cast<int>(request.images_per_unit));
    draws_->setValue(static_cast<int>(request.noise_multiplicity));
    setEnabledWithReason(most_, !isLocked, locked, mostTitle_->toolTip());
    setEnabledWithReason(draws_, !isLocked, locked, drawsUnit_->toolTip());
}

void UnitCard::refreshNumber()
{
    const std::string& unit = studio_.request().unit;
    const QString units = unitPlural(unit);
    const auto& manifest = studio_.manifest();
    const auto answer = studio_.unitsArePublic();
    question_->setText(tr("Is the number of %1 public?").arg(units));
    publicNote_->setText(
        manifest ? tr("%1; printed in the certificate")
                       .arg(unitCount(static_cast<qint64>(manifest->units.size()), unit))
                 : tr("the count is printed in the certificate"));
    check(public_->group(), answer == true ? public_ : answer == false ? secret_ : nullptr);
    typedRow_->setVisible(answer == false);
    secretNote_->setVisible(answer != false);
    typedUnit_->setText(units);
    typed_->setAccessibleName(tr("Public number of %1 to plan with").arg(units));
    const std::int64_t planned = studio_.request().public_units;
    if (answer == false && !typed_->hasFocus())
        typed_->setText(planned > 0 ? QString::number(planned) : QString());
    const QString locked = tr("A run is in progress with the plan that was confirmed.");
    for (QWidget* control : std::initializer_list<QWidget*>{public_, secret_, typed_})
        setEnabledWithReason(control, !studio_.isRunActive(), locked);
}

} // namespace velamen::ui
