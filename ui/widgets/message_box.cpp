// SPDX-License-Identifier: GPL-3.0-or-later
//
// Modal questions, unless a test has answered already.

#include "ui/widgets/message_box.h"

#include <QDialog>
#include <QDialogButtonBox>
#include <QLabel>
#include <QLineEdit>
#include <QMessageBox>
#include <QPushButton>
#include <QVBoxLayout>
#include <utility>

#include "ui/widgets/text.h"

namespace velamen::ui {
namespace {

QString typed(QWidget* parent, const QString& title, const QString& text, const QString& initial,
              const QString& needed)
{
    QDialog dialog(parent);
    dialog.setObjectName(QStringLiteral("textQuestion"));
    dialog.setWindowTitle(title);
    dialog.setMinimumWidth(420);
    auto* all = new QVBoxLayout(&dialog);
    all->setSpacing(12);
    auto* label = makeText(TextRole::Body, text, &dialog);
    auto* edit = new QLineEdit(initial, &dialog);
    edit->setObjectName(QStringLiteral("textQuestion.answer"));
    edit->setAccessibleName(text);
    label->setBuddy(edit);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, &dialog);
    all->addWidget(label);
    all->addWidget(edit);
    all->addWidget(buttons);
    QPushButton* ok = buttons->button(QDialogButtonBox::Ok);
    const auto check = [ok, needed](const QString& now) {
        ok->setEnabled(needed.isEmpty() ? !now.trimmed().isEmpty() : now.trimmed() == needed);
    };
    check(initial);
    QObject::connect(edit, &QLineEdit::textChanged, &dialog, check);
    QObject::connect(buttons, &QDialogButtonBox::accepted, &dialog, &QDialog::accept);
    QObject::connect(buttons, &QDialogButtonBox::rejected, &dialog, &QDialog::reject);
    return dialog.exec() == QDialog::Accepted ? edit->text().trimmed() : QString();
}

} // namespace

int MessageBox::ask(QWidget* parent, const QString& title, const QString& text,
                    const QStringList& buttons, int preferred, int cancel)
{
    lastTitle_ = title;
    if (const auto answer = std::exchange(next_, std::nullopt)) return *answer;
    QMessageBox box(parent);
    box.setObjectName(QStringLiteral("question"));
    box.setWindowTitle(title);
    box.setText(title);
    box.setInformativeText(text);
    box.setIcon(QMessageBox::Question);
    QList<QPushButton*> made;
    for (int i = 0; i < buttons.size(); ++i) {
        const auto role = i == cancel ? QMessageBox::RejectRole : QMessageBox::ActionRole;
        made << box.addButton(buttons[i], role);
        made.last()->setObjectName(QStringLiteral("question.%1").arg(i));
    }
    if (preferred >= 0 && preferred < made.size()) {
        box.setDefaultButton(made[preferred]);
        setButtonRole(made[preferred], ButtonRole::Primary);
    }
    if (cancel >= 0 && cancel < made.size()) box.setEscapeButton(made[cancel]);
    box.exec();
    for (int i = 0; i < made.size(); ++i)
        if (box.clickedButton() == made[i]) return i;
    return cancel;
}

bool MessageBox::confirm(QWidget* parent, const QString& title, const QString& text,
                         const QString& yes)
{
    return ask(parent, title, text, {yes, QObject::tr("Cancel")}, 0, 1) == 0;
}

bool MessageBox::confirmTyped(QWidget* parent, const QString& title, const QString& text,
                              const QString& expected)
{
    lastTitle_ = title;
    if (const auto answer = std::exchange(next_, std::nullopt)) return *answer == 0;
    return typed(parent, title, text, {}, expected) == expected;
}

QString MessageBox::askText(QWidget* parent, const QString& title, const QString& label,
                            const QString& initial)
{
    lastTitle_ = title;
    if (const auto answer = std::exchange(nextText_, std::nullopt)) return *answer;
    return typed(parent, title, label, initial, {});
}

void MessageBox::inform(QWidget* parent, const QString& title, const QString& text)
{
    ask(parent, title, text, {QObject::tr("Close")}, 0, 0);
}

} // namespace velamen::ui
