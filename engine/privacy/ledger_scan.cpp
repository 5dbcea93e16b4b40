// SPDX-License-Identifier: GPL-3.0-or-later
//
// A scanner for one fixed form of line.

#include "engine/privacy/ledger_scan.h"

#include <charconv>

namespace velamen::privacy {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool is_done() const { return rest_.empty(); }

    bool skip(std::string_view expected)
    {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }

    /// Up to the closing quote; letters, digits, "_" and "-" mean themselves in JSON.
    bool name(std::string& value)
    {
        std::size_t length = 0;
        while (length < rest_.size()
               && (is_digit(rest_[length]) || (rest_[length] >= 'a' && rest_[length] <= 'z')
                   || (rest_[length] >= 'A' && rest_[length] <= 'Z') || rest_[length] == '_'
                   || rest_[length] == '-'))
            ++length;
        value = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return skip("\"");
    }

    bool integer(std::int64_t& value)
    {
        const std::size_t length = whole_part();
        return length > 0 && read(length, value);
    }

    /// With a fraction or an exponent, as doubles are written.
    bool number(double& value)
    {
        const std::size_t whole = whole_part();
        std::size_t length = whole;
        if (whole == 0) return false;
        if (length < rest_.size() && rest_[length] == '.') {
            const std::size_t digits = digits_at(length + 1);
            if (digits == 0) return false;
            length += 1 + digits;
        }
        if (length < rest_.size() && (rest_[length] == 'e' || rest_[length] == 'E')) {
            std::size_t at = length + 1;
            if (at < rest_.size() && (rest_[at] == '+' || rest_[at] == '-')) ++at;
            const std::size_t digits = digits_at(at);
            if (digits == 0) return false;
            length = at + digits;
        }
        return length > whole && read(length, value);
    }

private:
    std::size_t digits_at(std::size_t at) const
    {
        std::size_t count = 0;
        while (at + count < rest_.size() && is_digit(rest_[at + count]))
            ++count;
        return count;
    }

    /// Length of a JSON number's sign and whole part; 0 when there is none.
    std::size_t whole_part() const
    {
        const std::size_t sign = rest_.starts_with('-') ? 1 : 0;
        const std::size_t digits = digits_at(sign);
        if (digits == 0 || (digits > 1 && rest_[sign] == '0')) return 0;
        return sign + digits;
    }

    template <class T>
    bool read(std::size_t length, T& value)
    {
        const char* const end = rest_.data() + length;
        const auto [stop, error] = std::from_chars(rest_.data(), end, value);
        if (error != std::errc() || stop != end) return false;
        rest_.remove_prefix(length);
        return true;
    }

    std::string_view rest_;
};

} // namespace

std::optional<LedgerEntry> scan_line(std::string_view line)
{
    LedgerEntry entry;
    TrainingSteps event;
    std::string type;
    Scanner scan(line);
    bool is_read = scan.skip("{\"v\":") && scan.integer(entry.v) && scan.skip(",\"seq\":")
        && scan.integer(entry.seq) && scan.skip(",\"prev\":\"") && scan.name(entry.prev)
        && scan.skip(",\"run\":\"") && scan.name(entry.run) && scan.skip(",\"attempt\":")
        && scan.integer(entry.attempt) && scan.skip(",\"unit\":\"") && scan.name(entry.unit);
    if (!is_read) return std::nullopt;
    if (scan.skip(",\"neighbours\":\"zero_out\""))
        entry.neighbours = Neighbours::ZeroOut;
    else if (scan.skip(",\"neighbours\":\"add_remove\""))
        entry.neighbours = Neighbours::AddRemove;
    else
        return std::nullopt;
    is_read = scan.skip(",\"event\":{\"type\":\"") && scan.name(type) && scan.skip(",\"rate\":")
        && scan.number(event.rate) && scan.skip(",\"noise_gradient\":")
        && scan.number(event.noise_gradient) && scan.skip(",\"noise_loss\":");
    if (!is_read) return std::nullopt;
    if (double loss = 0.0; !scan.skip("null")) {
        if (!scan.number(loss)) return std::nullopt;
        event.noise_loss = loss;
    }
    if (double clipped = 0.0; scan.skip(",\"noise_clipped\":")) {
        if (!scan.number(clipped)) return std::nullopt;
        event.noise_clipped = clipped;
    }
    is_read = scan.skip(",\"noise_effective\":") && scan.number(event.noise_effective)
        && scan.skip(",\"steps\":") && scan.integer(event.steps) && scan.skip("}}")
        && scan.is_done();
    if (!is_read) return std::nullopt;
    event.is_hardened = type != "poisson_subsampled_gaussian";
    entry.event = event;
    if (type_of(entry.event) != type) return std::nullopt;
    return entry;
}

} // namespace velamen::privacy
