// SPDX-License-Identifier: Apache-2.0
#include "base/cholesky.h"

#include <algorithm>
#include <cmath>

namespace coppice {

// With A reversed in rows and columns, J A J = L L^T, the inverse is A^-1 = (J L^-1 J)^T (J L^-1 J), and
// J L^-1 J is upper: so one factorisation and the inverse of a triangle do.
Result<std::vector<double>> upper_factor_of_inverse(std::vector<double> a, int64_t n) {
  const auto size = static_cast<size_t>(n * n);
  std::vector<double> lower(size);
  const auto at = [n](std::vector<double>& m, int64_t i) { return m.data() + i * n; };
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j <= i; ++j) at(lower, i)[j] = at(a, n - 1 - j)[n - 1 - i];
  std::vector<double>().swap(a);
  // Row by row: each number needs the rows above, whose elements lie one after the other.
  for (int64_t i = 0; i < n; ++i) {
    double* row = at(lower, i);
    for (int64_t j = 0; j <= i; ++j) {
      const double* other = at(lower, j);
      double sum = row[j];
      for (int64_t k = 0; k < j; ++k) sum -= row[k] * other[k];
      if (j < i) {
        row[j] = sum / other[j];
        continue;
      }
      if (!(sum > 0) || !std::isfinite(sum)) return invalid("the matrix is not positive definite");
      row[i] = std::sqrt(sum);
    }
  }
  std::vector<double> inverse(size);
  // L X = 1 for all columns of X together, from the top.
  for (int64_t i = 0; i < n; ++i) {
    double* x = at(inverse, i);
    x[i] = 1;
    for (int64_t k = 0; k < i; ++k) {
      const double factor = at(lower, i)[k];
      const double* above = at(inverse, k);
      for (int64_t j = 0; j <= k; ++j) x[j] -= factor * above[j];
    }
    const double scale = 1 / at(lower, i)[i];
    for (int64_t j = 0; j <= i; ++j) x[j] *= scale;
  }
  std::vector<double>& upper = lower;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) at(upper, i)[j] = j < i ? 0.0 : at(inverse, n - 1 - i)[n - 1 - j];
  return std::move(upper);
}

}  // namespace coppice
