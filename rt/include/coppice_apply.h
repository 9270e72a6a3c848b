/* SPDX-License-Identifier: Apache-2.0
 * Linear layers of one sample: y = act(W x + bias), x and y plain vectors. 16 outputs share a column (c = 1)
 * or four neighbouring ones (c = 4, dense layers too), so a load of weights feeds 16 sums and no sum over
 * lanes is left. In 32-bit floats, or in 8-bit integers, whose answers are the same bits on every machine. */
#ifndef COPPICE_APPLY_H
#define COPPICE_APPLY_H

#include "coppice_program.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { COPPICE_APPLY_ROWS = 16 }; /* of a block */

/* base == NULL: rs->inputs[input]. The tiles of an item are samples, stride bytes apart. */
typedef struct coppice_vector {
  void* base;
  int64_t stride;
  int32_t input;
} coppice_vector;

static inline void* coppice_vector_of(const coppice_vector* vector, const coppice_run_state* rs,
                                      int32_t sample) {
  char* base = (char*)(vector->base ? vector->base : rs->inputs[vector->input]);
  return base + (int64_t)sample * vector->stride;
}

/* c divides cols. Rows past the last one have weight 0. Parts: ranges of part_block_rows block rows. */
typedef struct coppice_apply_f32 {
  int32_t rows, cols, c;
  int32_t block_rows; /* ceil(rows / 16) */
  int32_t part_block_rows;
  const int32_t* start;   /* [block_rows + 1], counts blocks */
  const uint16_t* column; /* [blocks], counts c columns. NULL: dense, every block row has all of them */
  const float* value;     /* [blocks][c][16]; 64-byte aligned */
  const int8_t* value_i8; /* instead of value, where that is NULL: each to be multiplied with scale[row] */
  const float* scale;     /* [rows] of value_i8 */
} coppice_apply_f32;

/* Weights in groups of four columns: those of a block (c = 4; x is readable, and the weight 0, up to a
 * multiple of four columns), or of four blocks of a block row (c = 1, never dense), where the last group of a
 * block row is filled up with weights 0 of column 0. At most COPPICE_APPLY_I8_COLS columns, so that no sum
 * overflows. */
typedef struct coppice_apply_i8 {
  int32_t rows, cols, c;
  int32_t block_rows;
  int32_t part_block_rows;
  const int32_t* start;   /* [block_rows + 1], counts groups */
  const uint16_t* column; /* c = 1: [groups][4] columns; c = 4: [groups], counts four columns. NULL: dense */
  const int8_t* value;    /* [groups][16][4]; 64-byte aligned */
  const int32_t* row_sum; /* [block_rows * 16], of the row's weights */
  const int32_t* bias;    /* [block_rows * 16], what the sums start from: in units of (scale of x) * (scale of
                             the row), the zero point of x taken off */
} coppice_apply_i8;

enum { COPPICE_APPLY_I8_COLS = 1 << 16 };

typedef struct coppice_apply_f32_args {
  const coppice_apply_f32* weights;
  const float* bias;   /* [rows], or NULL */
  coppice_vector x, y; /* float [cols], [rows] */
  float low;           /* y = max(sum, low): 0 is relu, -infinity nothing. A NaN passes */
} coppice_apply_f32_args;

/* A sum becomes one of
 *   int8:  y = clamp(zero_point + ((sum * multiplier[row] + 2^(shift[row] - 1)) >> shift[row]), low, high)
 *   float: y = max((float)sum * scale[row], low_float)
 * where multiplier is in [0, 2^31), shift in [1, 62], `sum * multiplier` has 64 bits and the shift rounds
 * towards minus infinity. Relu is low = zero_point, low_float = 0. The float of a sum and its product are
 * rounded to the nearest even, one after the other. */
typedef struct coppice_apply_i8_args {
  const coppice_apply_i8* weights;
  coppice_vector x, y;               /* int8 [cols rounded up to 4, where c is 4]; int8 or float [rows] */
  const int32_t *multiplier, *shift; /* [block_rows * 16]; NULL: y is float */
  int32_t zero_point, low, high;
  const float* scale; /* [block_rows * 16] */
  float low_float;
} coppice_apply_i8_args;

/* The first of these two. */
static inline int8_t coppice_requantise(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero_point,
                                        int32_t low, int32_t high) {
  const int64_t scaled = ((int64_t)sum * multiplier + ((int64_t)1 << (shift - 1))) >> shift;
  const int64_t y = scaled + zero_point;
  return (int8_t)(y < low ? low : y > high ? high : y);
}

/* Bytes of scratch that apply_i8 wants: x in a form that suits the machine. */
static inline int64_t coppice_apply_i8_scratch(int32_t cols) { return (int64_t)(cols + 16) * 4; }

#ifdef __cplusplus
}
#endif
#endif
