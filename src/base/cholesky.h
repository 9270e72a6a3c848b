// SPDX-License-Identifier: Apache-2.0
// Symmetric positive definite matrices in double, row-major [n][n].
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace coppice {

// The upper U with U^T U = A^-1, zero below the diagonal. Only the lower half of A is read. Fails where A is
// not positive definite, as rounding sees it. 2 n^3 / 3 multiplications.
Result<std::vector<double>> upper_factor_of_inverse(std::vector<double> a, int64_t n);

}  // namespace coppice
