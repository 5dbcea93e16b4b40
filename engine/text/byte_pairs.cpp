// SPDX-License-Identifier: GPL-3.0-or-later

#include "engine/text/byte_pairs.h"

#include <queue>
#include <tuple>

#include "engine/core/assert.h"
#include "engine/text/unicode.h"

namespace velamen::text {

namespace {

/// Bytes that are printable characters of Latin-1 stand for themselves.
bool is_own_symbol(unsigned byte) noexcept
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::uint32_t kNone = 0xFFFFFFFF;
constexpr std::uint32_t kMerged = 0xFFFFFFFE;

/// A part of the word, in a doubly linked list over the array of all.
struct Symbol {
    Token token;
    std::uint32_t previous;
    std::uint32_t next; ///< kMerged: swallowed by the one before it
};

/// A merge that was possible when it was queued.
struct Candidate {
    std::uint32_t rank;
    std::uint32_t place;
    std::int32_t id;

    /// std::priority_queue puts the largest first: the lowest rank, leftmost of equal ones.
    friend bool operator<(const Candidate& a, const Candidate& b)
    {
        return std::tie(a.rank, a.place) > std::tie(b.rank, b.place);
    }
};

} // namespace

std::array<std::uint8_t, 256> byte_order()
{
    std::array<std::uint8_t, 256> order{};
    std::size_t size = 0;
    for (const bool own : {true, false})
        for (unsigned byte = 0; byte < 256; ++byte)
            if (is_own_symbol(byte) == own) order[size++] = static_cast<std::uint8_t>(byte);
    return order;
}

std::string byte_symbol(std::uint8_t byte)
{
    char32_t symbol = byte;
    if (!is_own_symbol(byte)) {
        symbol = 256;
        for (unsigned before = 0; before < byte; ++before)
            symbol += is_own_symbol(before) ? 0 : 1;
    }
    std::string text;
    append_utf8(symbol, text);
    return text;
}

BytePairs::BytePairs(const Vocabulary& vocabulary, std::int32_t unknown)
{
    const auto id_of = [&](const std::string& symbol) {
        const auto found = vocabulary.find(symbol);
        return found == vocabulary.end() ? unknown : found->second;
    };
    for (unsigned byte = 0; byte < 256; ++byte) {
        const std::string symbol = byte_symbol(static_cast<std::uint8_t>(byte));
        inner_[byte] = id_of(symbol);
        last_[byte] = id_of(symbol + std::string(kEndOfWord));
    }
}

bool BytePairs::add_merge(std::int32_t left, std::int32_t right, std::int32_t merged)
{
    const std::uint64_t pair =
        std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
    const auto rank = static_cast<std::uint32_t>(merges_.size());
    return merges_.try_emplace(pair, Merge{rank, merged}).second;
}

const BytePairs::Merge* BytePairs::find(std::int32_t left, std::int32_t right) const
{
    const std::uint64_t pair =
        std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
    const auto found = merges_.find(pair);
    return found == merges_.end() ? nullptr : &found->second;
}

void BytePairs::encode(std::span<const WordByte> word, std::vector<Token>& out) const
{
    VELAMEN_ASSERT(!word.empty() && word.size() < kMerged);
    const auto size = static_cast<std::uint32_t>(word.size());
    std::vector<Symbol> symbols;
    symbols.reserve(size);
    for (std::uint32_t i = 0; i < size; ++i) {
        const bool is_last = i + 1 == size;
        const std::int32_t id = (is_last ? last_ : inner_)[word[i].value];
        symbols.push_back({{id, word[i].at}, i == 0 ? kNone : i - 1, is_last ? kNone : i + 1});
    }

    std::priority_queue<Candidate> queue;
    const auto offer = [&](std::uint32_t place) {
        if (place == kNone || symbols[place].next == kNone) return;
        const Merge* merge = find(symbols[place].token.id, symbols[symbols[place].next].token.id);
        if (merge != nullptr) queue.push({merge->rank, place, merge->id});
    };
    for (std::uint32_t i = 0; i < size; ++i)
        offer(i);
    while (!queue.empty()) {
        const Candidate top = queue.top();
        queue.pop();
        Symbol& left = symbols[top.place];
        if (left.next == kMerged || left.next == kNone) continue;
        Symbol& right = symbols[left.next];
        const Merge* merge = find(left.token.id, right.token.id);
        if (merge == nullptr || merge->id != top.id) continue; // one of the two is another by now
        left.token.id = top.id;
        left.next = right.next;
        right.next = kMerged;
        if (left.next != kNone) symbols[left.next].previous = top.place;
        offer(left.previous);
        offer(top.place);
    }
    for (std::uint32_t i = 0; i != kNone; i = symbols[i].next)
        out.push_back(symbols[i].token);
}

} // namespace velamen::text
