// SPDX-License-Identifier: GPL-3.0-or-later
//
// The stack machine of pickle (Lib/pickletools.py of CPython names its opcodes), reduced to what
// torch writes. Every value it keeps is counted against a limit that follows the size of the file.

#include "engine/io/pickle.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <unordered_map>
#include <utility>

#include "engine/io/byte_reader.h"
#include "engine/io/pickle_torch.h"

namespace velamen::io {

namespace {

constexpr std::size_t kMaxPickle = 100'000'000; // bytes, as for the header of safetensors
constexpr std::size_t kMaxMarks = 64;
constexpr std::size_t kMaxLine = 256; // of a module's or a global's name
constexpr std::size_t kMaxLong = 8;   // bytes
constexpr std::uint8_t kMinProtocol = 2, kMaxProtocol = 4;
/// What a value costs in memory at most: in a sequence, on the stack or, with a flag, in the memo.
constexpr std::size_t kBytesPerValue = 32;
constexpr std::size_t kFreeValues = 65'536;
static_assert(sizeof(std::optional<PickleValue>) <= kBytesPerValue);

enum Opcode : std::uint8_t {
    kMark = '(',
    kStop = '.',
    kNone = 'N',
    kNewTrue = 0x88,
    kNewFalse = 0x89,
    kBinInt = 'J',
    kBinInt1 = 'K',
    kBinInt2 = 'M',
    kLong1 = 0x8a,
    kBinFloat = 'G',
    kBinUnicode = 'X',
    kShortBinUnicode = 0x8c,
    kShortBinString = 'U',
    kBinBytes = 'B',
    kShortBinBytes = 'C',
    kEmptyTuple = ')',
    kTuple = 't',
    kTuple1 = 0x85,
    kTuple2 = 0x86,
    kTuple3 = 0x87,
    kEmptyList = ']',
    kAppend = 'a',
    kAppends = 'e',
    kEmptyDict = '}',
    kSetItem = 's',
    kSetItems = 'u',
    kEmptySet = 0x8f,
    kAddItems = 0x90,
    kBinPut = 'q',
    kLongBinPut = 'r',
    kMemoize = 0x94,
    kBinGet = 'h',
    kLongBinGet = 'j',
    kGlobal = 'c',
    kStackGlobal = 0x93,
    kReduce = 'R',
    kNewObj = 0x81,
    kBuild = 'b',
    kBinPersId = 'Q',
    kProto = 0x80,
    kFrame = 0x95,
};

using Kind = PickleSequence::Kind;
using Values = std::vector<PickleValue>;

class Interpreter {
public:
    Interpreter(std::span<const std::byte> bytes, std::string_view name, std::size_t file_bytes)
        : reader_(bytes), name_(name), limit_(pickle_value_limit(file_bytes))
    {
    }

    Result<Pickle> run()
    {
        VELAMEN_TRY(begin());
        while (true) {
            const auto opcode = reader_.number<std::uint8_t>();
            if (!opcode) return cut();
            if (reader_.position() > kMaxPickle) return corrupt("more than 100 MB");
            if (*opcode == kStop) break;
            VELAMEN_TRY(step(*opcode));
        }
        if (stack_.size() != 1 || !marks_.empty()) return corrupt("an unbalanced end");
        pickle_.root = stack_.back();
        pickle_.size = reader_.position();
        return std::move(pickle_);
    }

private:
    Result<> begin();
    Result<> step(std::uint8_t opcode);
    Result<> put_on_stack(std::uint8_t opcode);
    Result<> change_container(std::uint8_t opcode);
    Result<> use_memo(std::uint8_t opcode);

    template <class T>
    Result<> push_number()
    {
        const auto number = reader_.number<T>();
        if (!number) return cut();
        return push(static_cast<std::int64_t>(*number));
    }
    template <class Size>
    Result<> push_text();
    Result<> push_long();
    Result<> push_float();
    Result<> push_sequence(Kind kind, Values items);
    Result<> push_tuple(std::size_t size);
    Result<> push_marked_tuple();
    Result<> push_global(std::string_view module, std::string_view name);
    Result<> read_global();
    Result<> stack_global();
    Result<> append(Kind kind, const Values& items);
    Result<> memoize(std::size_t slot);
    Result<> recall(std::size_t slot);
    Result<> reduce();
    Result<> build();
    Result<> load_persistent();

    Result<> push(PickleValue value)
    {
        if (stack_.size() >= limit_) return too_many();
        stack_.push_back(value);
        return {};
    }
    /// Counts `values` that stay in memory until the end.
    Result<> keep(std::size_t values)
    {
        if (values > limit_ - kept_) return too_many();
        kept_ += values;
        return {};
    }
    std::size_t above_mark() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
    /// The topmost `count` values, removed; they have to lie above the last mark.
    Result<Values> pop(std::size_t count)
    {
        if (above_mark() < count) return corrupt("a stack that is too short");
        const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
        Values values(first, stack_.end());
        stack_.erase(first, stack_.end());
        return values;
    }
    /// Everything above the last mark, removed with it.
    Result<Values> pop_to_mark()
    {
        if (marks_.empty()) return corrupt("no MARK where one has to be");
        auto values = pop(above_mark());
        marks_.pop_back();
        return values;
    }

    tl::unexpected<Error> corrupt(const std::string& cause) const
    {
        return fail(ErrorCode::Corrupt,
                    cause + " in " + name_ + ", before byte " + std::to_string(reader_.position()),
                    "download the file again");
    }
    tl::unexpected<Error> cut() const
    {
        return fail(ErrorCode::Corrupt,
                    "truncated: " + name_ + " ends within an opcode, after "
                        + std::to_string(reader_.position()) + " bytes",
                    "download it again");
    }
    tl::unexpected<Error> too_many() const
    {
        return corrupt("more values than a file of this size can have");
    }
    tl::unexpected<Error> refused(const KnownGlobal* known, const std::string& name) const
    {
        return fail(ErrorCode::Refused,
                    (known != nullptr ? "refused call of " : "refused global ") + name + " in "
                        + name_,
                    "save the tensors alone where you trust the file, best as .safetensors");
    }

    ByteReader reader_;
    std::string name_;
    std::size_t limit_;
    std::size_t kept_ = 0;
    Values stack_;
    std::vector<std::size_t> marks_; // sizes of the stack
    std::vector<std::optional<PickleValue>> memo_;
    std::unordered_map<std::string_view, std::size_t> storage_of_key_;
    Pickle pickle_;
};

Result<> Interpreter::begin()
{
    const auto opcode = reader_.number<std::uint8_t>();
    const auto protocol = reader_.number<std::uint8_t>();
    if (!protocol) return cut();
    if (*opcode != kProto) return corrupt("no pickle");
    if (*protocol < kMinProtocol || *protocol > kMaxProtocol)
        return fail(ErrorCode::Unsupported,
                    "pickle protocol " + std::to_string(*protocol) + " in " + name_,
                    "save it with protocol 2, which is torch's own choice");
    return {};
}

Result<> Interpreter::step(std::uint8_t opcode)
{
    switch (opcode) {
    case kMark:
        if (marks_.size() >= kMaxMarks) return corrupt("more than 64 levels of MARK");
        marks_.push_back(stack_.size());
        return {};
    case kAppend:
    case kAppends:
    case kSetItem:
    case kSetItems:
    case kAddItems:
        return change_container(opcode);
    case kBinPut:
    case kLongBinPut:
    case kMemoize:
    case kBinGet:
    case kLongBinGet:
        return use_memo(opcode);
    case kGlobal:
        return read_global();
    case kStackGlobal:
        return stack_global();
    case kReduce:
    case kNewObj: // the same here: neither constructs anything
        return reduce();
    case kBuild:
        return build();
    case kBinPersId:
        return load_persistent();
    case kFrame: { // only says how many of the following bytes belong together
        const auto size = reader_.number<std::uint64_t>();
        if (!size || *size > reader_.left()) return cut();
        return {};
    }
    default:
        return put_on_stack(opcode);
    }
}

Result<> Interpreter::put_on_stack(std::uint8_t opcode)
{
    switch (opcode) {
    case kNone:
        return push(std::monostate{});
    case kNewTrue:
        return push(true);
    case kNewFalse:
        return push(false);
    case kBinInt:
        return push_number<std::int32_t>();
    case kBinInt1:
        return push_number<std::uint8_t>();
    case kBinInt2:
        return push_number<std::uint16_t>();
    case kLong1:
        return push_long();
    case kBinFloat:
        return push_float();
    case kBinUnicode:
    case kBinBytes:
        return push_text<std::uint32_t>();
    case kShortBinUnicode:
    case kShortBinString:
    case kShortBinBytes:
        return push_text<std::uint8_t>();
    case kEmptyTuple:
        return push_tuple(0);
    case kTuple1:
        return push_tuple(1);
    case kTuple2:
        return push_tuple(2);
    case kTuple3:
        return push_tuple(3);
    case kTuple:
        return push_marked_tuple();
    case kEmptyList:
        return push_sequence(Kind::List, {});
    case kEmptyDict:
        return push_sequence(Kind::Dict, {});
    case kEmptySet:
        return push(PickleInert{find_global("builtins", "set")});
    default:
        return fail(ErrorCode::Unsupported,
                    "opcode " + std::to_string(opcode) + " in " + name_ + ", before byte "
                        + std::to_string(reader_.position()) + ": not one that torch writes",
                    "save it again with torch.save");
    }
}

template <class Size>
Result<> Interpreter::push_text()
{
    const auto size = reader_.number<Size>();
    if (!size) return cut();
    const auto text = reader_.take(*size);
    if (!text) return cut();
    return push(text_of(*text));
}

Result<> Interpreter::push_long()
{
    const auto size = reader_.number<std::uint8_t>();
    if (!size) return cut();
    if (*size > kMaxLong)
        return corrupt("an integer of " + std::to_string(*size) + " bytes, 8 are allowed,");
    const auto bytes = reader_.take(*size);
    if (!bytes) return cut();
    // Two's complement, little-endian: the last byte carries the sign.
    const bool is_negative = !bytes->empty() && (bytes->back() & std::byte{0x80}) != std::byte{0};
    std::uint64_t value = is_negative ? ~std::uint64_t{0} : 0;
    std::ranges::copy(*bytes, std::as_writable_bytes(std::span(&value, 1)).begin());
    return push(static_cast<std::int64_t>(value));
}

Result<> Interpreter::push_float()
{
    auto bits = reader_.number<std::uint64_t>(); // the only big-endian number of the format
    if (!bits) return cut();
    return push(std::bit_cast<double>(__builtin_bswap64(*bits)));
}

Result<> Interpreter::push_sequence(Kind kind, Values items)
{
    VELAMEN_TRY(keep(items.size() + 2)); // and the vector itself
    pickle_.sequences.push_back(std::move(items));
    return push(PickleSequence{kind, pickle_.sequences.size() - 1});
}

Result<> Interpreter::push_tuple(std::size_t size)
{
    VELAMEN_ASSIGN(Values items, pop(size));
    return push_sequence(Kind::Tuple, std::move(items));
}

Result<> Interpreter::push_marked_tuple()
{
    VELAMEN_ASSIGN(Values items, pop_to_mark());
    return push_sequence(Kind::Tuple, std::move(items));
}

Result<> Interpreter::read_global()
{
    std::string_view names[2];
    for (std::string_view& name : names) {
        const std::string_view ahead = text_of(reader_.ahead(kMaxLine));
        const auto end = ahead.find('\n');
        if (end == std::string_view::npos)
            return ahead.size() < kMaxLine ? Result<>(cut()) : corrupt("a global without an end");
        name = ahead.substr(0, end);
        reader_.take(end + 1);
    }
    return push_global(names[0], names[1]);
}

Result<> Interpreter::stack_global()
{
    VELAMEN_ASSIGN(const Values names, pop(2));
    const auto* module = std::get_if<std::string_view>(&names[0]);
    const auto* name = std::get_if<std::string_view>(&names[1]);
    if (module == nullptr || name == nullptr) return corrupt("a global whose name is no text");
    return push_global(*module, *name);
}

Result<> Interpreter::push_global(std::string_view module, std::string_view name)
{
    const KnownGlobal* const known = find_global(module, name);
    if (known == nullptr) return refused(nullptr, shown(module) + "." + shown(name));
    return push(known);
}

Result<> Interpreter::change_container(std::uint8_t opcode)
{
    const bool is_marked = opcode != kAppend && opcode != kSetItem;
    VELAMEN_ASSIGN(const Values items, is_marked ? pop_to_mark() : pop(opcode == kSetItem ? 2 : 1));
    if (above_mark() == 0) return corrupt("items without a container");
    if (opcode == kAddItems) { // nothing looks into a set
        if (!std::holds_alternative<PickleInert>(stack_.back()))
            return corrupt("items for something that is no set");
        return {};
    }
    const bool is_dict = opcode == kSetItem || opcode == kSetItems;
    if (is_dict && items.size() % 2 != 0) return corrupt("a key without a value");
    return append(is_dict ? Kind::Dict : Kind::List, items);
}

Result<> Interpreter::append(Kind kind, const Values& items)
{
    const auto* container = std::get_if<PickleSequence>(&stack_.back());
    if (container == nullptr || container->kind != kind)
        return corrupt(kind == Kind::Dict ? "keys for something that is no dictionary"
                                          : "items for something that is no list");
    VELAMEN_TRY(keep(items.size()));
    Values& content = pickle_.sequences[container->index];
    content.insert(content.end(), items.begin(), items.end());
    return {};
}

Result<> Interpreter::use_memo(std::uint8_t opcode)
{
    if (opcode == kMemoize) return memoize(memo_.size());
    std::optional<std::size_t> slot;
    if (opcode == kBinPut || opcode == kBinGet)
        slot = reader_.number<std::uint8_t>();
    else
        slot = reader_.number<std::uint32_t>();
    if (!slot) return cut();
    return opcode == kBinPut || opcode == kLongBinPut ? memoize(*slot) : recall(*slot);
}

Result<> Interpreter::memoize(std::size_t slot)
{
    if (above_mark() == 0) return corrupt("nothing to memoize");
    if (slot >= memo_.size()) {
        VELAMEN_TRY(keep(slot + 1 - memo_.size()));
        memo_.resize(slot + 1);
    }
    memo_[slot] = stack_.back();
    return {};
}

Result<> Interpreter::recall(std::size_t slot)
{
    if (slot >= memo_.size() || !memo_[slot])
        return corrupt("memo " + std::to_string(slot) + ", which was never set,");
    return push(*memo_[slot]);
}

Result<> Interpreter::reduce()
{
    VELAMEN_ASSIGN(const Values call, pop(2));
    const auto* global = std::get_if<const KnownGlobal*>(&call[0]);
    const auto* tuple = std::get_if<PickleSequence>(&call[1]);
    if (global == nullptr) return corrupt("a call of something that is no global");
    if (tuple == nullptr || tuple->kind != Kind::Tuple) return corrupt("a call without a tuple");
    const auto arguments = pickle_.items(*tuple);
    switch ((*global)->role) {
    case GlobalRole::OrderedDict:
        if (!arguments.empty()) return corrupt("an OrderedDict with arguments");
        return push_sequence(Kind::Dict, {});
    case GlobalRole::RebuildTensor: {
        auto tensor = parse_tensor(pickle_, arguments);
        if (!tensor) return corrupt(tensor.error());
        VELAMEN_TRY(keep(4 + tensor->shape.size())); // the record, its sizes and strides
        pickle_.tensors.push_back(std::move(*tensor));
        return push(PickleTensor{pickle_.tensors.size() - 1});
    }
    case GlobalRole::RebuildParameter: {
        const auto tensor = parse_parameter(pickle_, arguments);
        if (!tensor) return corrupt(tensor.error());
        return push(*tensor);
    }
    case GlobalRole::Inert:
        return push(PickleInert{*global});
    case GlobalRole::Storage:
        break;
    }
    return refused(*global, (*global)->full_name());
}

Result<> Interpreter::build()
{
    VELAMEN_ASSIGN(const Values state, pop(1));
    if (above_mark() == 0) return corrupt("a state without an object");
    // The state of an OrderedDict is its _metadata, versions of modules that nothing reads.
    const auto* object = std::get_if<PickleSequence>(&stack_.back());
    const auto* dict = std::get_if<PickleSequence>(&state[0]);
    const bool is_metadata = object != nullptr && object->kind == Kind::Dict && dict != nullptr
        && dict->kind == Kind::Dict;
    if (!is_metadata && !std::holds_alternative<PickleInert>(stack_.back()))
        return corrupt("a state for something that has none");
    return {};
}

Result<> Interpreter::load_persistent()
{
    VELAMEN_ASSIGN(const Values id, pop(1));
    const auto storage = parse_storage(pickle_, id[0]);
    if (!storage) return corrupt(storage.error());
    const auto [found, is_new] = storage_of_key_.try_emplace(storage->key, pickle_.storages.size());
    if (is_new) {
        VELAMEN_TRY(keep(4)); // the record and its place in the map
        pickle_.storages.push_back(*storage);
    } else if (const StorageRecord& known = pickle_.storages[found->second];
               known.dtype != storage->dtype || known.numel != storage->numel) {
        return corrupt("storage " + shown(storage->key) + " with two types or sizes");
    }
    return push(PickleStorage{found->second});
}

} // namespace

std::size_t pickle_value_limit(std::size_t file_bytes) noexcept
{
    return std::max(kFreeValues, file_bytes / kBytesPerValue);
}

Result<Pickle> read_pickle(std::span<const std::byte> bytes, std::string_view name,
                           std::size_t file_bytes)
{
    return Interpreter(bytes, name, file_bytes).run();
}

} // namespace velamen::io
