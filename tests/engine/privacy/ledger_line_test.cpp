// SPDX-License-Identifier: GPL-3.0-or-later
//
// Two readers of a ledger line: the fast one must read every line that is written, and never read
// anything but what the JSON reader, its oracle, reads.

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "engine/core/hash.h"
#include "engine/privacy/ledger_line.h"
#include "engine/privacy/ledger_scan.h"

namespace velamen::privacy {
namespace {

LedgerEntry entry(double rate, double gradient, std::optional<double> loss, double effective)
{
    LedgerEntry made;
    made.seq = 41;
    made.prev = core::sha256_hex(std::string("the line before"));
    made.run = "c0ffee-12_A";
    made.attempt = 3;
    made.unit = "patient";
    made.neighbours = Neighbours::AddRemove;
    made.event = TrainingSteps{.rate = rate,
                               .noise_gradient = gradient,
                               .noise_loss = loss,
                               .noise_effective = effective,
                               .steps = 7};
    return made;
}

void expect_same(const LedgerEntry& a, const LedgerEntry& b, const std::string& line)
{
    EXPECT_EQ(a.v, b.v) << line;
    EXPECT_EQ(a.seq, b.seq) << line;
    EXPECT_EQ(a.prev, b.prev) << line;
    EXPECT_EQ(a.run, b.run) << line;
    EXPECT_EQ(a.attempt, b.attempt) << line;
    EXPECT_EQ(a.unit, b.unit) << line;
    EXPECT_EQ(a.neighbours, b.neighbours) << line;
    EXPECT_EQ(a.event, b.event) << line;
}

TEST(LedgerLine, IsScannedWhateverItsNumbersAre)
{
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> exponent(-300.0, 300.0);
    for (int i = 0; i < 2000; ++i) {
        const double noise = i == 0 ? 1.0 : std::pow(10.0, exponent(random));
        const double rate = i % 7 == 0 ? 1.0 : std::pow(10.0, -std::abs(exponent(random)));
        const auto loss = i % 2 == 0 ? std::optional(noise * 3.0) : std::nullopt;
        const LedgerEntry written = entry(rate, noise, loss, noise * 0.9);
        const std::string line = line_of(written);
        const auto scanned = scan_line(line);
        ASSERT_TRUE(scanned) << line;
        expect_same(*scanned, written, line);
        const auto parsed = entry_of_json(line);
        ASSERT_TRUE(parsed) << line;
        expect_same(*parsed, written, line);
    }
}

TEST(LedgerLine, IsNeverScannedAsAnythingElseThanJsonSays)
{
    const std::string line = line_of(entry(0.02, 1.5, 8.0, 1.25));
    const std::string inserted = "\"0123456789+-.eE,:{} nultrue_aZ\\";
    std::size_t scanned = 0, refused = 0;
    const auto compare = [&](const std::string& text) {
        const auto fast = scan_line(text);
        if (!fast || !check_entry(*fast)) return void(++refused); // left to the JSON reader
        ++scanned;
        const auto slow = entry_of_json(text);
        ASSERT_TRUE(slow) << text;
        expect_same(*fast, *slow, text);
    };
    for (std::size_t at = 0; at < line.size(); ++at) {
        compare(line.substr(0, at));
        compare(line.substr(0, at) + line.substr(at + 1));
        for (const char c : inserted) {
            compare(line.substr(0, at) + c + line.substr(at));
            compare(line.substr(0, at) + c + line.substr(at + 1));
        }
    }
    EXPECT_GT(scanned, 1000U);
    EXPECT_GT(refused, 1000U);
}

TEST(LedgerLine, ReadsNumbersAsJsonDoesOrNotAtAll)
{
    for (const char* rate :
         {"0.02",     "2e-2",   "2E-2",  "2.0e-02",
          "02.0e-2",  ".02",    "2.e-2", "+0.02",
          "0x1p-6",   "1",      "1.0",   "nan",
          "inf",      "1e-400", "1e400", "-0.0",
          "0.0",      "1e",     "1e+",   "0.02 ",
          "\"0.02\"", "null",   "true",  "0.020000000000000000416333634234433702658861875534"}) {
        std::string line = line_of(entry(0.02, 1.5, 8.0, 1.25));
        line.replace(line.find("0.02,"), 4, rate);
        const auto either = entry_of(line), json = entry_of_json(line);
        ASSERT_EQ(either.has_value(), json.has_value()) << rate;
        if (json) expect_same(*either, *json, line);
    }
    std::string huge = line_of(entry(0.02, 1e19, std::nullopt, 1.25));
    EXPECT_TRUE(entry_of(huge));
    huge.replace(huge.find("1e+19"), 5, "10000000000000000000"); // no integer of 64 bits
    EXPECT_FALSE(entry_of(huge));
    EXPECT_FALSE(entry_of_json(huge));
}

} // namespace
} // namespace velamen::privacy
