// SPDX-License-Identifier: GPL-3.0-or-later
//
// Two choices in a row, what was found below them.

#include "ui/pages/keys_card.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/models/unit_words.h"
#include "ui/pages/key_chooser.h"
#include "ui/widgets/badge.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

/// "361 patients, 3,457 images, 1 to 23 each; 4 classes"
QString foundText(const data::Manifest& manifest, const std::string& unit)
{
    const auto count = [](std::size_t number) { return countText(static_cast<qint64>(number)); };
    const QString images = unitCount(static_cast<qint64>(manifest.images.size()), kImageUnit);
    const QString classes = manifest.classes.size() == 1
        ? KeysCard::tr("one class")
        : KeysCard::tr("%1 classes").arg(count(manifest.classes.size()));
    if (unit == kImageUnit || manifest.units.empty())
        return KeysCard::tr("%1; %2").arg(images, classes);
    const auto [least, most] = std::ranges::minmax(
        manifest.units, {}, [](const data::Unit& one) { return one.images.size(); });
    const QString each = least.images.size() == most.images.size()
        ? KeysCard::tr("%1 each").arg(count(most.images.size()))
        : KeysCard::tr("%1 to %2 each").arg(count(least.images.size()), count(most.images.size()));
    return KeysCard::tr("%1, %2, %3; %4")
        .arg(unitCount(static_cast<qint64>(manifest.units.size()), unit), images, each, classes);
}

} // namespace

KeysCard::KeysCard(Studio& studio, QWidget* parent)
    : Card({}, parent), studio_(studio),
      label_(
          new KeyChooser(KeyChooser::Of::Class, QStringLiteral("data.label"), tr("Class"), this)),
      unit_(new KeyChooser(KeyChooser::Of::Unit, QStringLiteral("data.unit"), tr("Protected unit"),
                           this)),
      unitTitle_(makeText(TextRole::Muted, tr("Whose image it is"), this)),
      foundRow_(new QWidget(this)), found_(makeText(TextRole::Strong, {}, foundRow_)),
      suggestion_(makeText(TextRole::Note, {}, foundRow_)),
      take_(makeButton(ButtonRole::Link, tr("Use it"), QStringLiteral("data.useKey"), foundRow_))
{
    auto* choices = new QHBoxLayout;
    choices->setSpacing(space::kM);
    auto* labelTitle = makeText(TextRole::Muted, tr("Class of an image"), this);
    labelTitle->setBuddy(label_);
    unitTitle_->setBuddy(unit_);
    unitTitle_->setToolTip(
        tr("All images of one patient are protected together, when something tells them apart."));
    choices->addWidget(labelTitle);
    choices->addWidget(label_, 1);
    choices->addSpacing(space::kM);
    choices->addWidget(unitTitle_);
    choices->addWidget(unit_, 1);
    body()->addLayout(choices);

    auto* row = new QHBoxLayout(foundRow_);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(space::kM);
    found_->setObjectName(QStringLiteral("data.found"));
    found_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    suggestion_->setObjectName(QStringLiteral("data.suggestion"));
    suggestion_->setWordWrap(false);
    auto* badge = new ZoneBadge(ZoneBadge::Private, {}, foundRow_);
    badge->setToolTip(tr("These numbers are for your eyes. None of them is written anywhere unless "
                         "you say on the Privacy page that the number of units is public."));
    row->addWidget(badge);
    row->addWidget(found_);
    row->addStretch(1);
    row->addWidget(suggestion_);
    row->addWidget(take_);
    body()->addWidget(foundRow_);

    connect(label_, &KeyChooser::chosen, this, [this](const std::string& key) {
        data::Keys keys = studio_.keys();
        keys.label = key;
        studio_.setKeys(keys);
    });
    connect(unit_, &KeyChooser::chosen, this, [this](const std::string& key) {
        data::Keys keys = studio_.keys();
        keys.unit = key;
        studio_.setKeys(keys);
    });
    connect(take_, &QPushButton::clicked, this, [this] {
        data::Keys keys = studio_.keys();
        keys.unit = studio_.keySuggestion()->keys.unit;
        studio_.setKeys(keys);
    });
    refresh();
}

void KeysCard::refresh()
{
    const auto& suggestion = studio_.keySuggestion();
    const auto columns = suggestion ? suggestion->columns : std::vector<std::string>();
    label_->setKey(studio_.keys().label);
    unit_->setKey(studio_.keys().unit);
    label_->setColumns(columns);
    unit_->setColumns(columns);
    const bool isLocked = studio_.isRunActive() || studio_.isScanning();
    const QString why = studio_.isScanning() ? tr("The images are being read.")
                                             : tr("A run is in progress with these images.");
    setEnabledWithReason(label_, !isLocked, why);
    setEnabledWithReason(unit_, !isLocked, why);
    foundRow_->setVisible(studio_.manifest().has_value());
    if (!studio_.manifest()) return;
    found_->setText(foundText(*studio_.manifest(), studio_.request().unit));
    showSuggestion();
}

void KeysCard::showSuggestion()
{
    const auto& suggestion = studio_.keySuggestion();
    const bool isAny = suggestion && suggestion->keys.unit != kFileKey;
    const bool isTaken = isAny && suggestion->keys.unit == studio_.keys().unit;
    suggestion_->setVisible(isAny);
    take_->setVisible(isAny && !isTaken);
    if (!isAny) return;
    const QString key = unitKeyText(suggestion->keys.unit);
    suggestion_->setText(
        isTaken ? tr("suggested: %1").arg(key)
                : tr("%1 looks like it tells %2 apart").arg(key, unitPlural(suggestion->unit)));
    take_->setEnabled(!studio_.isRunActive());
}

} // namespace velamen::ui
