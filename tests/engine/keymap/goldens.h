// SPDX-License-Identifier: GPL-3.0-or-later
//
// What tests/goldens/make_keymap_goldens.py wrote, and rows followed through mappings.

#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/file.h"
#include "engine/core/hash.h"
#include "engine/io/json.h"
#include "engine/keymap/single_file.h"

namespace velamen::keymap::test {

inline io::Json golden(const std::string& name)
{
    const auto path = std::filesystem::path(VELAMEN_SOURCE_DIR) / "tests/goldens/keymap" / name;
    return io::Json::parse(core::read_file(path).value()).value();
}

/// "name 3,4" -> a tensor; "name " is a scalar.
inline Entry entry_of(const std::string& line)
{
    const auto space = line.find(' ');
    Entry entry{line.substr(0, space), DType::F32, {}};
    for (auto at = space + 1; at < line.size();) {
        auto comma = line.find(',', at);
        if (comma == std::string::npos) comma = line.size();
        entry.shape.push_back(std::stoll(line.substr(at, comma - at)));
        at = comma + 1;
    }
    return entry;
}

inline std::vector<Entry> entries_of(const io::Json& lines)
{
    std::vector<Entry> entries;
    for (const io::Json& line : *lines.if_array())
        entries.push_back(entry_of(*line.if_string()));
    return entries;
}

/// The tensors of a twin under CompVis's names.
inline std::vector<Entry> twin(const std::string& name)
{
    return entries_of(*golden("twins.json").find(name)->find("compvis"));
}

inline SingleFileOptions options_of(const io::Json& told)
{
    SingleFileOptions options;
    if (told.find("heads") != nullptr) options.heads = told.integers("heads").value();
    options.head_channels = told.integer_or("head_channels", 0).value();
    options.text_heads = told.integer_or("text_heads", 0).value();
    if (told.find("prediction") != nullptr) options.prediction = Prediction::VPrediction;
    if (told.find("betas") != nullptr) {
        const auto betas = told.numbers("betas").value();
        options.betas = Betas{betas.at(0), betas.at(1)};
    }
    return options;
}

inline SingleFileOptions twin_options(const std::string& name)
{
    return options_of(*golden("twins.json").find(name)->find("options"));
}

/// The script's count_of().
struct Count {
    std::int64_t tensors = 0;
    std::int64_t parameters = 0;
    std::string sha256;

    friend bool operator==(const Count&, const Count&) = default;
};

template <class Tensor>
Count count_of(const std::vector<Tensor>& tensors)
{
    Count count;
    std::vector<std::string> lines;
    for (const Tensor& tensor : tensors) {
        std::string line = tensor.name + " ";
        std::int64_t numel = 1;
        for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
            line += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
            numel *= tensor.shape[i];
        }
        lines.push_back(std::move(line));
        ++count.tensors;
        count.parameters += numel;
    }
    std::ranges::sort(lines);
    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i)
        text += (i == 0 ? "" : "\n") + lines[i];
    count.sha256 = core::sha256_hex(text);
    return count;
}

inline Count count_in(const io::Json& json)
{
    return {json.integer("tensors").value(), json.integer("parameters").value(),
            json.text("sha256").value()};
}

inline const Component* component(const SingleFile& file, const std::string& name)
{
    const auto at = std::ranges::find(file.components, name, &Component::name);
    return at == file.components.end() ? nullptr : &*at;
}

inline const Mapped* tensor(const std::vector<Mapped>& tensors, const std::string& name)
{
    const auto at = std::ranges::find(tensors, name, &Mapped::name);
    return at == tensors.end() ? nullptr : &*at;
}

inline std::vector<StoredComponent> stored(const SingleFile& file)
{
    std::vector<StoredComponent> components;
    for (const Component& component : file.components) {
        components.push_back({component.config, {}});
        for (const Mapped& mapped : component.tensors)
            components.back().tensors.push_back({mapped.name, mapped.dtype, mapped.shape});
    }
    return components;
}

/// A row of a source, followed through mappings.
using Row = std::pair<std::size_t, std::int64_t>;

inline std::vector<Row> rows_of(const Mapped& mapped)
{
    std::vector<Row> rows;
    for (const Piece& piece : mapped.pieces)
        for (std::int64_t i = 0; i < piece.rows; ++i)
            rows.emplace_back(piece.source, piece.first + i);
    return rows;
}

} // namespace velamen::keymap::test
