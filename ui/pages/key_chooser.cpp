// SPDX-License-Identifier: GPL-3.0-or-later
//
// Layout of the choice, and the way between its fields and the spelling of keys.

#include "ui/pages/key_chooser.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSignalBlocker>
#include <QStandardItemModel>

#include "ui/widgets/text.h"
#include "ui/widgets/theme.h"

namespace velamen::ui {
namespace {

constexpr const char* kFolder = "folder";
constexpr const char* kFile = "file";
constexpr const char* kColumn = "column:";
constexpr const char* kPattern = "pattern:";

struct Part {
    const char* words;
    const char* expression; ///< its first group is the value
};

constexpr Part kParts[] = {
    {QT_TRANSLATE_NOOP("velamen::ui::KeyChooser", "before the first “_”"), "([^/_]+)_[^/]*$"},
    {QT_TRANSLATE_NOOP("velamen::ui::KeyChooser", "before the first “-”"), "([^/-]+)-[^/]*$"},
    {QT_TRANSLATE_NOOP("velamen::ui::KeyChooser", "the first number"), "(\\d+)[^/]*$"},
};

std::string rest(const std::string& key, const char* prefix)
{
    return key.substr(std::string_view(prefix).size());
}

} // namespace

KeyChooser::KeyChooser(Of of, const QString& name, const QString& title, QWidget* parent)
    : QWidget(parent), key_(of == Of::Class ? kFolder : kFile), where_(new QComboBox(this)),
      column_(new QComboBox(this)), part_(new QComboBox(this)), own_(new QLineEdit(this))
{
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(space::kS);
    if (of == Of::Unit) addWhere(tr("each image"), kFile);
    addWhere(of == Of::Class ? tr("folder of the image") : tr("folder inside the class"), kFolder);
    addWhere(tr("column of metadata.csv"), kColumn);
    addWhere(tr("part of the file name"), kPattern);
    for (const Part& part : kParts)
        part_->addItem(tr(part.words), QLatin1String(part.expression));
    part_->addItem(tr("own pattern"), QString());
    column_->setEditable(true);
    column_->setInsertPolicy(QComboBox::NoInsert);
    column_->lineEdit()->setPlaceholderText(tr("its name"));
    own_->setPlaceholderText(QStringLiteral("([^/_]+)_"));
    own_->setToolTip(tr("A regular expression over the path of the file; what the first pair of "
                        "brackets holds is the value."));
    const std::pair<QWidget*, const char*> parts[] = {
        {where_, ".where"}, {column_, ".column"}, {part_, ".part"}, {own_, ".own"}};
    const QString said[] = {tr("%1: where it is found").arg(title), tr("%1: column").arg(title),
                            tr("%1: part of the file name").arg(title),
                            tr("%1: pattern").arg(title)};
    int at = 0;
    for (const auto& [field, ending] : parts) {
        field->setObjectName(name + QLatin1String(ending));
        field->setAccessibleName(said[at++]);
        row->addWidget(field);
    }
    column_->setMinimumWidth(120);
    own_->setFixedWidth(130);
    row->addStretch(1);
    setFocusProxy(where_);
    showFields();

    connect(where_, &QComboBox::activated, this, &KeyChooser::read);
    connect(column_, &QComboBox::activated, this, &KeyChooser::read);
    connect(column_->lineEdit(), &QLineEdit::editingFinished, this, &KeyChooser::read);
    connect(part_, &QComboBox::activated, this, &KeyChooser::read);
    connect(own_, &QLineEdit::editingFinished, this, &KeyChooser::read);
}

void KeyChooser::addWhere(const QString& words, const char* kind)
{
    where_->addItem(words, QLatin1String(kind));
}

void KeyChooser::showFields()
{
    const QString kind = where_->currentData().toString();
    const bool isPattern = kind == QLatin1String(kPattern);
    column_->setVisible(kind == QLatin1String(kColumn));
    part_->setVisible(isPattern);
    own_->setVisible(isPattern && part_->currentData().toString().isEmpty());
}

void KeyChooser::setKey(const std::string& key)
{
    if (key == key_) return; // what the user has begun stays
    key_ = key;
    const char* kind = key.starts_with(kColumn) ? kColumn
        : key.starts_with(kPattern)             ? kPattern
        : key == kFile                          ? kFile
                                                : kFolder;
    where_->setCurrentIndex(where_->findData(QLatin1String(kind)));
    if (kind == kColumn) column_->setEditText(QString::fromStdString(rest(key, kColumn)));
    if (kind == kPattern) {
        const QString expression = QString::fromStdString(rest(key, kPattern));
        const int known = part_->findData(expression);
        part_->setCurrentIndex(known >= 0 ? known : part_->count() - 1);
        if (known < 0) own_->setText(expression);
    }
    showFields();
}

void KeyChooser::setColumns(const std::vector<std::string>& columns)
{
    const QString typed = column_->currentText();
    {
        const QSignalBlocker quiet(column_);
        column_->clear();
        for (const std::string& one : columns)
            column_->addItem(QString::fromStdString(one));
        column_->setEditText(typed);
    }
    const int at = where_->findData(QLatin1String(kColumn));
    const bool isPossible = !columns.empty() || key_.starts_with(kColumn);
    auto* item = qobject_cast<QStandardItemModel*>(where_->model())->item(at);
    item->setEnabled(isPossible);
    item->setToolTip(isPossible ? QString() : tr("There is no metadata.csv in the folder."));
}

void KeyChooser::read()
{
    showFields();
    const std::string kind = where_->currentData().toString().toStdString();
    std::string key = kind;
    if (kind == kColumn) {
        const std::string name = column_->currentText().trimmed().toStdString();
        if (name.empty()) return; // not complete yet
        key += name;
    } else if (kind == kPattern) {
        const QString known = part_->currentData().toString();
        const std::string expression = (known.isEmpty() ? own_->text() : known).toStdString();
        if (expression.empty()) return;
        key += expression;
    }
    if (key == key_) return;
    key_ = key;
    Q_EMIT chosen(key);
}

} // namespace velamen::ui
