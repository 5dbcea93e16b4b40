// SPDX-License-Identifier: GPL-3.0-or-later
//
// The same properties for many more plans; minutes.

#include "tests/engine/privacy/properties/properties.h"

namespace velamen::privacy {
namespace {

TEST(PldProperties, HoldFor10000Plans)
{
    RandomPlans plan(31);
    for (int i = 0; i < 10'000 && !testing::Test::HasFailure(); ++i) {
        plan.next();
        SCOPED_TRACE(testing::Message() << i << ": " << plan);
        check_pld(plan, i);
    }
}

TEST(PldProperties, CalibratedNoiseIsTheLeastFor300Plans)
{
    RandomPlans plan(32);
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
        plan.next();
        SCOPED_TRACE(testing::Message() << i << ": " << plan);
        check_calibration(plan);
    }
}

} // namespace
} // namespace velamen::privacy
