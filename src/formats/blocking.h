// SPDX-License-Identifier: Apache-2.0
// Into how many column blocks and row panels a matrix is cut. Pure functions of shape, density and cache
// sizes, never of the number of threads: the order of every sum follows from them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sparse/format.h"

namespace coppice {

// Equal parts of at most `most`, as few as possible. Returns the size of a part (the last one may be
// smaller).
inline int32_t even_part(int64_t total, int64_t most) {
  const int64_t parts = (total + most - 1) / most;
  return static_cast<int32_t>((total + parts - 1) / parts);
}

// Columns whose activations of one tile fill two thirds of the L1, so that the gathered rows hit it while
// weights, indices and sums stream past.
inline int64_t columns_in_l1(const Tiling& tiling) {
  return std::max<int64_t>(16, tiling.l1_bytes * 2 / 3 / (4 * tiling.width));
}

// The most columns of a block that a 16-bit count and index can say.
constexpr int64_t kMaxBlockColumns = 32768;

// A column block that holds `wanted` weights of a row (or block row): the sums of a row are loaded and stored
// once per block, so a thin pattern takes wider blocks, up to a quarter of the L2.
inline int32_t column_block(int64_t cols, double density, double wanted, const Tiling& tiling) {
  const int64_t widest = std::clamp<int64_t>(tiling.l2_bytes / 4 / (4 * tiling.width), 16, kMaxBlockColumns);
  int64_t most = std::min(columns_in_l1(tiling), widest);
  while (2 * most <= widest && static_cast<double>(most) * density < wanted) most *= 2;
  return even_part(cols, most);
}

// Rows of a panel: a quarter of the matrix, so that a few threads find parts, yet enough that lengths repeat
// within a panel and that the activations of a column block are not reloaded too often; the sums of one tile
// and panel fill at most a quarter of the L2. A multiple of 16.
inline int32_t row_panel(int64_t rows, const Tiling& tiling) {
  const int64_t most = std::clamp<int64_t>(tiling.l2_bytes / 4 / (4 * tiling.width), 256, 32768);
  const int64_t wanted = std::clamp<int64_t>((rows + 3) / 4, 256, most);
  return (even_part(rows, wanted) + 15) / 16 * 16;
}

}  // namespace coppice
