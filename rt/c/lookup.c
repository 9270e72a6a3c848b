/* SPDX-License-Identifier: Apache-2.0
 * Single weights, as an image has them, are laid out for the kernels that look numbers up (coppice_lookup).
 */
#include <string.h>

#include "steps.h"

enum { kRows = COPPICE_APPLY_ROWS };

/* Where a row is. */
typedef struct cursor {
  uint32_t entry, end;
  int32_t column; /* of the entry */
} cursor;

static cursor cursor_of(const coppice_rows* f, int32_t row) {
  cursor at = {0, 0, 0};
  if (row >= f->rows) return at;
  at.entry = f->start[row];
  at.end = f->start[row + 1];
  if (at.entry < at.end) at.column = f->delta[at.entry];
  return at;
}

static void go_on(const coppice_rows* f, cursor* at) {
  if (++at->entry < at->end) at->column += f->delta[at->entry];
}

/* What a group of rows needs in a range: moves its cursors behind the range and returns the steps. Entries
 * that only bridge a gap come along, as weights 0. index, value: of the first step, or NULL. */
static int32_t take_range(const coppice_rows* f, const coppice_lookup* to, cursor* at, int32_t first,
                          int32_t value_bytes, uint8_t* index, void* value) {
  const int8_t* bytes = (const int8_t*)f->value;
  const float* floats = (const float*)f->value;
  const int32_t shift = to->each == 4 ? 2 : 0, end = first + to->range;
  int32_t most = 0;
  for (int32_t r = 0; r < kRows; ++r) {
    cursor c = at[r];
    int32_t count = 0;
    for (; c.entry < c.end && c.column < end; go_on(f, &c)) {
      if (index) {
        const int32_t place = ((((count >> shift) * kRows) + r) << shift) + (count & (to->each - 1));
        index[place] = (uint8_t)(c.column - first);
        if (value_bytes == 1)
          ((int8_t*)value)[place] = bytes[c.entry];
        else
          ((float*)value)[place] = floats[c.entry];
      }
      ++count;
    }
    at[r] = c;
    most = count > most ? count : most;
  }
  return (most + to->each - 1) >> shift;
}

static uint32_t take_group(const coppice_rows* f, const coppice_lookup* to, const int32_t* rows,
                           int32_t value_bytes, uint16_t* steps, uint8_t* index, char* value) {
  cursor at[kRows];
  const int64_t step = (int64_t)kRows * to->each;
  uint32_t all = 0;
  for (int32_t r = 0; r < kRows; ++r) at[r] = cursor_of(f, rows[r]);
  for (int32_t range = 0; range < to->ranges; ++range) {
    const int32_t taken =
        take_range(f, to, at, range * to->range, value_bytes, index ? index + all * step : NULL,
                   index ? value + all * step * value_bytes : NULL);
    if (steps) steps[range] = (uint16_t)taken;
    all += (uint32_t)taken;
  }
  return all;
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

const coppice_lookup* coppice_lookup_of(coppice_builder* b, const coppice_rows* f, int32_t range,
                                        int32_t each, int32_t value_bytes, int32_t part_groups) {
  coppice_lookup to = {.rows = f->rows,
                       .cols = f->cols,
                       .range = range,
                       .each = each,
                       .groups = (f->rows + kRows - 1) / kRows,
                       .ranges = (f->cols + range - 1) / range,
                       .part_groups = part_groups};
  int32_t* order = (int32_t*)coppice_keep(b, NULL, to.groups * (int64_t)kRows * (int64_t)sizeof *order);
  uint16_t* steps = (uint16_t*)coppice_keep(b, NULL, (int64_t)to.groups * to.ranges * (int64_t)sizeof *steps);
  uint32_t* start = (uint32_t*)coppice_keep(b, NULL, (to.groups + (int64_t)1) * (int64_t)sizeof *start);
  int32_t rows[kRows] = {0};
  int64_t all = 0;
  for (int32_t g = 0; g < to.groups; ++g) {
    next_rows(f, g, rows);
    if (start) {
      memcpy(order + (int64_t)g * kRows, rows, sizeof rows);
      start[g] = (uint32_t)all;
    }
    all += take_group(f, &to, rows, value_bytes, steps ? steps + (int64_t)g * to.ranges : NULL, NULL, NULL);
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
      take_group(f, &to, order + (int64_t)g * kRows, value_bytes, NULL, index + at, value + at * value_bytes);
    }
  }
  to.order = order;
  to.steps = steps;
  to.start = start;
  to.index = index;
  to.value = value;
  to.row_sum = value_bytes == 1 ? row_sums(b, f, &to) : NULL;
  return (const coppice_lookup*)coppice_keep(b, &to, (int64_t)sizeof to);
}
