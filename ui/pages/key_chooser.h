// SPDX-License-Identifier: GPL-3.0-or-later
//
// One key of data::Keys as a choice in plain words: where a class or a unit is found.

#pragma once

#include <string>
#include <vector>

#include <QWidget>

class QComboBox;
class QLineEdit;

namespace velamen::ui {

class KeyChooser final : public QWidget {
    Q_OBJECT

public:
    enum class Of { Class, Unit };

    /// Children are named "<name>.where", ".column", ".part" and ".own".
    KeyChooser(Of of, const QString& name, const QString& title, QWidget* parent = nullptr);

    /// A complete key, or what was set last while a field is still empty.
    std::string key() const { return key_; }
    void setKey(const std::string& key);
    /// Offered for "column"; without any the choice is disabled and says why.
    void setColumns(const std::vector<std::string>& columns);

Q_SIGNALS:
    /// The user chose another complete key.
    void chosen(const std::string& key);

private:
    void addWhere(const QString& words, const char* kind);
    void showFields();
    void read();

    std::string key_;
    QComboBox* where_;
    QComboBox* column_;
    QComboBox* part_;
    QLineEdit* own_;
};

} // namespace velamen::ui
