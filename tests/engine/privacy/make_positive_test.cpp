// SPDX-License-Identifier: GPL-3.0-or-later
//
// The nearest positive semi-definite matrix. Oracle: matrices made of known eigenvectors.

#include "engine/privacy/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace velamen::privacy {
namespace {

using Doubles = std::vector<double>;

void expect_near(const Doubles& values, const Doubles& expected, double tolerance)
{
    ASSERT_EQ(values.size(), expected.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        ASSERT_NEAR(values[i], expected[i], tolerance) << i;
}

/// An orthonormal basis, by Gram and Schmidt.
std::vector<Doubles> random_basis(std::mt19937& random, std::size_t n)
{
    std::normal_distribution<double> normal;
    std::vector<Doubles> basis;
    while (basis.size() < n) {
        Doubles v(n);
        for (double& value : v)
            value = normal(random);
        for (int twice = 0; twice < 2; ++twice)
            for (const Doubles& known : basis) {
                const double along = std::inner_product(v.begin(), v.end(), known.begin(), 0.0);
                for (std::size_t i = 0; i < n; ++i)
                    v[i] -= along * known[i];
            }
        const double norm = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
        for (double& value : v)
            value /= norm;
        basis.push_back(std::move(v));
    }
    return basis;
}

TEST(MakePositive, DropsTheEigenvaluesBelowZero)
{
    std::mt19937 random(6);
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    for (const std::size_t n : {1U, 2U, 3U, 10U, 61U})
        for (const double size : {1e-300, 1.0, 1e299}) {
            const auto basis = random_basis(random, n);
            Doubles matrix(n * n), expected(n * n);
            for (std::size_t k = 0; k < n; ++k) {
                // Also equal and zero ones.
                const double value = k % 5 == 3 ? -0.5 : k % 5 == 4 ? 0.0 : uniform(random);
                for (std::size_t i = 0; i < n; ++i)
                    for (std::size_t j = 0; j < n; ++j) {
                        const double part = value * basis[k][i] * basis[k][j];
                        matrix[i * n + j] += part * size;
                        expected[i * n + j] += std::max(value, 0.0) * basis[k][i] * basis[k][j];
                    }
            }
            ASSERT_TRUE(make_positive(matrix, static_cast<std::int64_t>(n)));
            for (double& value : matrix)
                value /= size;
            expect_near(matrix, expected, 1e-13);
        }
}

TEST(MakePositive, LeavesPositiveMatricesAsTheyAre)
{
    Doubles matrix{2.0, 1.0, 7.0, 3.0}; // of which 7 is not read
    ASSERT_TRUE(make_positive(matrix, 2));
    EXPECT_EQ(matrix, (Doubles{2.0, 1.0, 1.0, 3.0}));
    matrix = Doubles(9, 0.0);
    ASSERT_TRUE(make_positive(matrix, 3));
    EXPECT_EQ(matrix, Doubles(9, 0.0));
    matrix = {1.0, 2.0, 2.0, 1.0}; // eigenvalues 3 and -1
    ASSERT_TRUE(make_positive(matrix, 2));
    expect_near(matrix, {1.5, 1.5, 1.5, 1.5}, 1e-15);
}

TEST(MakePositive, RefusesWhatIsNoMatrix)
{
    Doubles four{1.0, 0.0, 0.0, 1.0};
    for (const std::int64_t d : {0L, -2L, 1L, 3L, 513L, std::numeric_limits<long>::max()})
        EXPECT_EQ(make_positive(four, d).error().code, ErrorCode::InvalidArgument) << d;
    for (const double bad : {std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN(), -1.1e300}) {
        Doubles matrix = four;
        matrix[1] = bad;
        EXPECT_EQ(make_positive(matrix, 2).error().code, ErrorCode::InvalidArgument);
        matrix = four;
        matrix[2] = bad; // not read
        EXPECT_TRUE(make_positive(matrix, 2));
    }
}

} // namespace
} // namespace velamen::privacy
