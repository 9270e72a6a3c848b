/* SPDX-License-Identifier: Apache-2.0
 * The same text as in plain C, for this instruction set; but sums of integers, of which a network has one for
 * each activation of a residual block, by hand: gcc takes twice the time to bring bytes to 32 bits and back.
 */
#include "coppice_planes.h"
#include "plane_dot.h"

/* What a sum of two units becomes. */
typedef struct add_constants {
  ivec by_a, by_b, offset;
  int32_t shift, low, high;
} add_constants;

INLINE void add_unit(const add_constants* k, const int8_t* a, const int8_t* b, int8_t* y) {
  ivec as[kUnitVectors], bs[kUnitVectors];
  unit_load(a, as);
  unit_load(b, bs);
  UNROLL for (int v = 0; v < kUnitVectors; ++v) as[v] =
      (as[v] * k->by_a + bs[v] * k->by_b + k->offset) >> k->shift;
  put_bytes(y, bytes_within(unit_bytes(as), k->low, k->high));
}

static void add_run_units(const coppice_plane_add_args* args, const int8_t* a, const int8_t* b, int8_t other,
                          int8_t* y, int32_t count) {
  const add_constants k = {i_splat(args->multiplier_a),
                           i_splat(args->multiplier_b),
                           i_splat(args->offset),
                           args->shift,
                           args->low_i8,
                           args->high_i8};
  int8_t last_a[kUnit] = {0}, last_b[kUnit], last_y[kUnit];
  memset(last_b, other, sizeof last_b);
  if (count < kUnit) {
    memcpy(last_a, a, (size_t)count);
    if (b) memcpy(last_b, b, (size_t)count);
    add_unit(&k, last_a, last_b, last_y);
    memcpy(y, last_y, (size_t)count);
    return;
  }
  /* The last unit overlaps the one before; first, as y may be a or b. */
  const int32_t last = count - kUnit;
  add_unit(&k, a + last, b ? b + last : last_b, last_y);
  for (int32_t i = 0; i < last; i += kUnit) add_unit(&k, a + i, b ? b + i : last_b, y + i);
  memcpy(y + last, last_y, kUnit);
}

#define ADD_RUN_I8 add_run_units
#include "../c/plane_maps.c" /* NOLINT(bugprone-suspicious-include) */
