// SPDX-License-Identifier: GPL-3.0-or-later

#include "ui/pages/completion_card.h"

#include <QComboBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QRegularExpression>
#include <QRegularExpressionValidator>
#include <QSpinBox>
#include <QVBoxLayout>

#include "ui/models/checkpoint_files.h"
#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {

namespace {

constexpr int kMaxHeads = 65'536;

QStringList parts(const QLineEdit& edit)
{
    static const QRegularExpression between(QStringLiteral("[,;\\s]+"));
    return edit.text().split(between, Qt::SkipEmptyParts);
}

} // namespace

CompletionCard::CompletionCard(Studio& studio, Dialogs& dialogs, QWidget* parent)
    : Card({}, parent), studio_(studio), dialogs_(dialogs), form_(new QGridLayout),
      question_(makeText(TextRole::Body, {}, this)), wayOut_(makeText(TextRole::Note, {}, this)),
      place_(makeText(TextRole::Note, {}, this)),
      complete_(makeButton(ButtonRole::Primary, tr("Complete and use it"),
                           QStringLiteral("model.complete"), this)),
      cancel_(makeButton(ButtonRole::Plain, tr("Cancel"), QStringLiteral("model.cancel"), this))
{
    question_->setObjectName(QStringLiteral("model.question"));
    body()->setSpacing(space::kM);
    body()->addWidget(question_);
    body()->addWidget(wayOut_);
    body()->addSpacing(space::kS);
    form_->setHorizontalSpacing(space::kL);
    form_->setVerticalSpacing(10);
    form_->setColumnStretch(1, 1);
    makeFacts();
    makeAutoencoder();
    body()->addLayout(form_);
    body()->addWidget(makeLine(this));
    body()->addWidget(place_);
    auto* buttons = new QHBoxLayout;
    buttons->addStretch(1);
    buttons->addWidget(cancel_);
    buttons->addWidget(complete_);
    body()->addLayout(buttons);
    connect(complete_, &QPushButton::clicked, this, [this] { studio_.completeCheckpoint(told()); });
    connect(cancel_, &QPushButton::clicked, this, [this] { studio_.cancelCompletion(); });
}

QLabel* CompletionCard::addRow(const QString& name, QWidget* field, QWidget* whole)
{
    auto* label = makeText(TextRole::Muted, name, this);
    label->setBuddy(field);
    field->setAccessibleName(name);
    const int row = form_->rowCount();
    form_->addWidget(label, row, 0);
    form_->addWidget(whole ? whole : field, row, 1);
    return label;
}

void CompletionCard::addFact(const QString& name, QWidget* field)
{
    facts_ << field << addRow(name, field);
}

QSpinBox* CompletionCard::makeNumber(const char* name)
{
    auto* number = new QSpinBox(this);
    number->setObjectName(QLatin1String(name));
    number->setRange(0, kMaxHeads);
    number->setSpecialValueText(tr("as known"));
    return number;
}

void CompletionCard::makeFacts()
{
    prediction_ = new QComboBox(this);
    prediction_->setObjectName(QStringLiteral("model.prediction"));
    prediction_->addItem(tr("as known"), QString());
    prediction_->addItem(tr("the noise (epsilon)"), QStringLiteral("eps"));
    prediction_->addItem(tr("the velocity (v)"), QStringLiteral("v"));
    prediction_->addItem(tr("the image (sample)"), QStringLiteral("sample"));
    addFact(tr("The UNet predicts"), prediction_);

    const auto makeNumbers = [this](const char* name, const char* pattern, const QString& example) {
        auto* edit = new QLineEdit(this);
        edit->setObjectName(QLatin1String(name));
        edit->setValidator(
            new QRegularExpressionValidator(QRegularExpression(QLatin1String(pattern)), edit));
        edit->setPlaceholderText(tr("as known; %1").arg(example));
        connect(edit, &QLineEdit::textChanged, this, &CompletionCard::showButton);
        return edit;
    };
    heads_ = makeNumbers("model.heads", "[0-9]{1,5}([,; ]+[0-9]{1,5})*[,; ]*",
                         tr("8, or one a level: 5, 10, 20, 20"));
    addFact(tr("Attention heads"), heads_);
    headChannels_ = makeNumber("model.headChannels");
    headChannels_->setToolTip(
        tr("In place of the number of heads, where the model's page says it"));
    addFact(tr("or channels of a head"), headChannels_);
    textHeads_ = makeNumber("model.textHeads");
    addFact(tr("Heads of the text encoder"), textHeads_);
    betas_ = makeNumbers("model.betas", "0?\\.[0-9]+[,; ]+0?\\.[0-9]+", tr("0.00085, 0.012"));
    addFact(tr("First and last beta"), betas_);
}

void CompletionCard::makeAutoencoder()
{
    auto* row = new QWidget(this);
    auto* line = new QHBoxLayout(row);
    line->setContentsMargins(0, 0, 0, 0);
    line->setSpacing(space::kS);
    autoencoder_ = new QLineEdit(row);
    autoencoder_->setObjectName(QStringLiteral("model.autoencoder"));
    connect(autoencoder_, &QLineEdit::textChanged, this, &CompletionCard::showButton);
    auto* file =
        makeButton(ButtonRole::Plain, tr("File…"), QStringLiteral("model.autoencoder.file"), row);
    file->setToolTip(tr("A checkpoint in one file that has the autoencoder"));
    auto* folder = makeButton(ButtonRole::Plain, tr("Folder…"),
                              QStringLiteral("model.autoencoder.folder"), row);
    folder->setToolTip(tr("A checkpoint folder with the autoencoder in vae"));
    line->addWidget(autoencoder_, 1);
    line->addWidget(file);
    line->addWidget(folder);
    addRow(tr("Autoencoder from"), autoencoder_, row);
    const auto start = [this] { return pathText(studio_.checkpoint().parent_path()); };
    const auto take = [this](const QString& path) {
        if (!path.isEmpty()) autoencoder_->setText(path);
    };
    connect(file, &QPushButton::clicked, this, [this, start, take] {
        take(dialogs_.files.openFile(this, tr("Checkpoint with an autoencoder"), start(),
                                     checkpointFilter()));
    });
    connect(folder, &QPushButton::clicked, this, [this, start, take] {
        take(dialogs_.files.openFolder(this, tr("Checkpoint folder with an autoencoder"), start()));
    });
}

void CompletionCard::clear()
{
    prediction_->setCurrentIndex(0);
    for (QLineEdit* edit : {heads_, betas_, autoencoder_})
        edit->clear();
    for (QSpinBox* number : {headChannels_, textHeads_})
        number->setValue(0);
}

void CompletionCard::refresh(const Error& problem)
{
    const QString of = pathText(studio_.checkpoint());
    if (of != of_) clear();
    of_ = of;
    std::error_code ignored;
    isFolder_ = std::filesystem::is_directory(studio_.checkpoint(), ignored);
    setTitle(isFolder_ ? tr("What this folder lacks") : tr("What this file does not say"));
    question_->setText(QString::fromStdString(problem.message));
    wayOut_->setText(QString::fromStdString(problem.hint));
    for (QWidget* part : facts_)
        part->setVisible(!isFolder_);
    autoencoder_->setPlaceholderText(isFolder_ ? tr("a checkpoint folder or file") : tr("its own"));
    const bool isBusy = studio_.isCompleting();
    place_->setText(isBusy ? tr("Writing the completed copy…")
                        : isFolder_
                        ? tr("A copy with it is written into the project; the original stays as it "
                             "is. It has to be the autoencoder that the UNet was trained with.")
                        : tr("A copy with your answers is written into the project; the original "
                             "stays as it is. The model's page or config says them: a wrong one "
                             "makes a model that draws noise."));
    cancel_->setVisible(isBusy);
    showButton();
}

QString CompletionCard::whyNot() const
{
    if (studio_.isCompleting()) return tr("The copy is being written.");
    if (studio_.isRunActive()) return tr("A run is in progress; it goes on with this model.");
    const auto isUnfinished = [](const QLineEdit& edit) {
        return !edit.text().isEmpty() && !edit.hasAcceptableInput();
    };
    if (isUnfinished(*heads_)) return tr("The attention heads are whole numbers: 5, 10, 20, 20.");
    if (isFolder_ && autoencoder_->text().trimmed().isEmpty())
        return tr("Say first where the autoencoder is.");
    if (isUnfinished(*betas_)) return tr("There are two betas, the first and the last.");
    return {};
}

void CompletionCard::showButton()
{
    const QString reason = whyNot();
    setEnabledWithReason(complete_, reason.isEmpty(), reason);
}

checkpoint::OpenOptions CompletionCard::told() const
{
    checkpoint::OpenOptions told;
    told.prediction = prediction_->currentData().toString().toStdString();
    for (const QString& part : parts(*heads_))
        told.heads.push_back(part.toInt());
    told.head_channels = headChannels_->value();
    told.text_heads = textHeads_->value();
    for (const QString& part : parts(*betas_))
        told.betas.push_back(part.toDouble());
    told.autoencoder = toPath(autoencoder_->text().trimmed());
    return told;
}

} // namespace velamen::ui
