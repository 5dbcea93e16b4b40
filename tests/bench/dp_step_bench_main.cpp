// SPDX-License-Identifier: GPL-3.0-or-later
//
// dp_step_bench CONFIG [BATCH [REPEATS]]: prints the JSON of one benchmark.

#include <cstdio>
#include <cstdlib>

#include "tests/bench/dp_step_bench.h"

int main(int count, char** words)
{
    const auto result = velamen::bench::dp_step(count > 1 ? words[1] : "mnist",
                                                count > 2 ? std::atoll(words[2]) : 0,
                                                count > 3 ? std::atoi(words[3]) : 5);
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().message.c_str());
        return 1;
    }
    std::puts(result->dump().c_str());
    return 0;
}
