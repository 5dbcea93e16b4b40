// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/checkpoint/complaint.h"

namespace velamen::checkpoint {

void add_complaint(std::string& text, const std::vector<std::string>& names, const char* what)
{
    if (names.empty()) return;
    text += (text.empty() ? "" : ", ") + std::to_string(names.size()) + " " + what + " (";
    for (std::size_t i = 0; i < names.size() && i < 5; ++i)
        text += (i == 0 ? "" : ", ") + names[i];
    text += names.size() > 5 ? ", ...)" : ")";
}

std::string to_text(const Shape& shape)
{
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
    return text + "]";
}

} // namespace velamen::checkpoint
