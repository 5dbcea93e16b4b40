// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/checkpoint/stored.h"

#include <algorithm>
#include <utility>

namespace velamen::checkpoint {

namespace {

std::int64_t row_count(const Shape& shape) { return shape.empty() ? 1 : shape.front(); }

std::vector<StoredTensor> as_they_are(const io::TensorFile& file)
{
    std::vector<StoredTensor> out;
    for (std::size_t i = 0; i < file.tensors().size(); ++i) {
        const auto& [name, dtype, shape] = file.tensors()[i];
        out.push_back({name, dtype, shape, {{.source = i, .first = 0, .rows = row_count(shape)}}});
    }
    return out;
}

/// Whether the pieces are neighbours in one tensor, in order.
bool lie_together(std::span<const StoredRows> pieces)
{
    for (std::size_t i = 1; i < pieces.size(); ++i)
        if (pieces[i].source != pieces[i - 1].source
            || pieces[i].first != pieces[i - 1].first + pieces[i - 1].rows)
            return false;
    return true;
}

} // namespace

std::span<const std::byte> rows_of(std::span<const std::byte> all, const Shape& shape,
                                   std::int64_t first, std::int64_t count)
{
    const auto total = static_cast<std::size_t>(row_count(shape));
    const std::size_t each = total == 0 ? 0 : all.size() / total;
    return all.subspan(static_cast<std::size_t>(first) * each,
                       static_cast<std::size_t>(count) * each);
}

StoredTensors::StoredTensors(std::shared_ptr<const io::TensorFile> file)
    : StoredTensors(file, as_they_are(*file))
{
}

StoredTensors::StoredTensors(std::shared_ptr<const io::TensorFile> file,
                             std::vector<StoredTensor> tensors)
    : file_(std::move(file)), tensors_(std::move(tensors))
{
    for (std::size_t i = 0; i < tensors_.size(); ++i)
        index_.emplace(tensors_[i].name, i);
}

const StoredTensor* StoredTensors::find(std::string_view name) const noexcept
{
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> StoredTensors::bytes(const StoredTensor& tensor,
                                                std::vector<std::byte>& buffer) const
{
    std::vector<std::byte> own; // of a source that does not lie row-major
    const auto rows = [&](const StoredRows& piece, std::int64_t count,
                          std::vector<std::byte>& into) {
        return rows_of(file_->bytes(piece.source, into), file_->tensors()[piece.source].shape,
                       piece.first, count);
    };
    if (lie_together(tensor.pieces)) {
        std::int64_t count = 0;
        for (const StoredRows& piece : tensor.pieces)
            count += piece.rows;
        return rows(tensor.pieces.front(), count, buffer);
    }
    buffer.clear();
    for (const StoredRows& piece : tensor.pieces) {
        const auto part = rows(piece, piece.rows, own);
        buffer.insert(buffer.end(), part.begin(), part.end());
    }
    return buffer;
}

std::shared_ptr<std::byte> StoredTensors::own(const StoredTensor& tensor) const
{
    return is_whole(tensor) ? file_->own(tensor.pieces.front().source) : nullptr;
}

bool StoredTensors::is_whole(const StoredTensor& tensor) const noexcept
{
    return tensor.pieces.size() == 1 && tensor.pieces.front().first == 0
        && tensor.pieces.front().rows
        == row_count(file_->tensors()[tensor.pieces.front().source].shape);
}

} // namespace velamen::checkpoint
