/* SPDX-License-Identifier: Apache-2.0
 * Single weights, as an image has them, are laid out for the kernels that look numbers up (coppice_lookup).
 */
#include <string.h>

#include "steps.h"

enum { kRows = COPPICE_APPLY_ROWS };

/* The steps that a group takes in each range, and all of them: weights that only bridge a gap count as well.
 */
static uint32_t count_group(const coppice_rows* f, const coppice_lookup* to, const int32_t* rows,
                            uint16_t* steps) {
  const uint8_t* delta = f->delta;
  uint32_t all = 0;
  memset(steps, 0, (size_t)to->ranges * sizeof *steps);
  for (int32_t r = 0; r < kRows && rows[r] < f->rows; ++r) {
    uint16_t count[COPPICE_LOOKUP_RANGES];
    memset(count, 0, (size_t)to->ranges * sizeof *count);
    int32_t column = 0;
    for (uint32_t e = f->start[rows[r]]; e < f->start[rows[r] + 1]; ++e)
      ++count[(column += delta[e]) >> to->bits];
    for (int32_t i = 0; i < to->ranges; ++i)
      if (count[i] > steps[i]) steps[i] = count[i];
  }
  for (int32_t i = 0; i < to->ranges; ++i) {
    steps[i] = (uint16_t)((steps[i] + to->each - 1) / to->each);
    all += steps[i];
  }
  return all;
}

/* index, value: of the group's first step, all 0. */
static void fill_group(const coppice_rows* f, const coppice_lookup* to, const int32_t* rows,
                       const uint16_t* steps, int32_t value_bytes, uint8_t* index, void* value) {
  const int32_t bits = to->bits, shift = to->each == 4 ? 2 : 0;
  uint32_t first[COPPICE_LOOKUP_RANGES], all = 0;
  for (int32_t i = 0; i < to->ranges; all += steps[i++]) first[i] = all;
  for (int32_t r = 0; r < kRows && rows[r] < f->rows; ++r) {
    uint16_t count[COPPICE_LOOKUP_RANGES];
    memset(count, 0, (size_t)to->ranges * sizeof *count);
    int32_t column = 0;
    for (uint32_t e = f->start[rows[r]]; e < f->start[rows[r] + 1]; ++e) {
      column += f->delta[e];
      const int32_t range = column >> bits, n = count[range]++;
      const int64_t step = first[range] + (uint32_t)(n >> shift);
      const int64_t place = ((step * kRows + r) << shift) + (n & (to->each - 1));
      index[place] = (uint8_t)(column - (range << bits));
      if (value_bytes == 1)
        ((int8_t*)value)[place] = ((const int8_t*)f->value)[e];
      else
        ((float*)value)[place] = ((const float*)f->value)[e];
    }
  }
}

static uint64_t key_of(const coppice_rows* f, int32_t row) {
  return (uint64_t)(f->start[row + 1] - f->start[row]) << 32 | (UINT32_MAX - (uint32_t)row);
}

/* The rows of the next group, those with the most weights first: as a group takes as many steps as its
 * longest row, rows of one length belong together. It looks for the sixteen that follow rows[15] among all,
 * as there is no memory to sort them in before the memory is known. Many rows stay as they are: that would
 * take too long. */
static void next_rows(const coppice_rows* f, int32_t group, int32_t* rows) {
  enum { kMostSorted = 8192 };
  if (f->rows > kMostSorted) {
    for (int32_t r = 0; r < kRows; ++r) rows[r] = group * kRows + r;
    return;
  }
  /* Longer rows come first, of equal ones the earlier: in this order keys descend. */
  uint64_t key[kRows], last = UINT64_MAX;
  if (group > 0) last = key_of(f, rows[kRows - 1]);
  int32_t found = 0;
  for (int32_t row = 0; row < f->rows; ++row) {
    const uint64_t mine = key_of(f, row);
    if (mine >= last || (found == kRows && mine < key[kRows - 1])) continue;
    int32_t at = found < kRows ? found++ : kRows - 1;
    for (; at > 0 && mine > key[at - 1]; --at) {
      key[at] = key[at - 1];
      rows[at] = rows[at - 1];
    }
    key[at] = mine;
    rows[at] = row;
  }
  for (; found < kRows; ++found) rows[found] = f->rows; /* none */
}

static const int32_t* row_sums(coppice_builder* b, const coppice_rows* f, const coppice_lookup* to) {
  const int32_t padded = to->groups * kRows;
  int32_t* sums = (int32_t*)coppice_keep(b, NULL, padded * (int64_t)sizeof *sums);
  for (int32_t i = 0; sums && i < padded; ++i) {
    const int32_t row = to->order[i];
    sums[i] = 0;
    for (uint32_t e = row < f->rows ? f->start[row] : 0; row < f->rows && e < f->start[row + 1]; ++e)
      sums[i] += ((const int8_t*)f->value)[e];
  }
  return sums;
}

const coppice_lookup* coppice_lookup_of(coppice_builder* b, const coppice_rows* f, int32_t bits, int32_t each,
                                        int32_t value_bytes, int32_t part_groups) {
  coppice_lookup to = {.rows = f->rows,
                       .cols = f->cols,
                       .bits = bits,
                       .each = each,
                       .groups = (f->rows + kRows - 1) / kRows,
                       .ranges = ((f->cols - 1) >> bits) + 1,
                       .part_groups = part_groups};
  int32_t* order = (int32_t*)coppice_keep(b, NULL, to.groups * (int64_t)kRows * (int64_t)sizeof *order);
  uint16_t* steps = (uint16_t*)coppice_keep(b, NULL, (int64_t)to.groups * to.ranges * (int64_t)sizeof *steps);
  uint32_t* start = (uint32_t*)coppice_keep(b, NULL, (to.groups + (int64_t)1) * (int64_t)sizeof *start);
  uint16_t counted[COPPICE_LOOKUP_RANGES];
  int32_t rows[kRows] = {0};
  int64_t all = 0;
  for (int32_t g = 0; g < to.groups; ++g) {
    next_rows(f, g, rows);
    if (start) {
      memcpy(order + (int64_t)g * kRows, rows, sizeof rows);
      start[g] = (uint32_t)all;
    }
    all += count_group(f, &to, rows, steps ? steps + (int64_t)g * to.ranges : counted);
  }
  if (start) start[to.groups] = (uint32_t)all;
  const int64_t numbers = all * kRows * each;
  uint8_t* index = (uint8_t*)coppice_keep(b, NULL, numbers);
  char* value = (char*)coppice_keep(b, NULL, numbers * value_bytes);
  if (index) {
    memset(index, 0, (size_t)numbers);
    memset(value, 0, (size_t)(numbers * value_bytes));
    for (int32_t g = 0; g < to.groups; ++g) {
      const int64_t at = (int64_t)start[g] * kRows * each;
      fill_group(f, &to, order + (int64_t)g * kRows, steps + (int64_t)g * to.ranges, value_bytes, index + at,
                 value + at * value_bytes);
    }
  }
  to.order = order;
  to.steps = steps;
  to.start = start;
  to.index = index;
  to.value = value;
  to.row_sum = each == 4 ? row_sums(b, f, &to) : NULL;
  return (const coppice_lookup*)coppice_keep(b, &to, (int64_t)sizeof to);
}
