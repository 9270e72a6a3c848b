/* SPDX-License-Identifier: Apache-2.0
 * The file of a packed network (.cpk), as it lies in memory or flash: docs/format.md says it byte by byte.
 * All numbers are little-endian; nothing in it is changed by running it. Programs use coppice.h instead. */
#ifndef COPPICE_CPK_H
#define COPPICE_CPK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COPPICE_CPK_MAGIC \
  "\x89"                  \
  "CPK\r\n"               \
  "\x1a\n"

enum {
  COPPICE_CPK_VERSION = 1,
  COPPICE_CPK_ALIGNMENT = 64, /* of the file in memory, of sections, of blocks of weights */
  COPPICE_CPK_SLACK = 64,     /* zeros at the end of the data section */
  COPPICE_CPK_LARGEST_AXIS = 1 << 24,
  COPPICE_CPK_WIDEST = 1024 /* tile */
};

typedef struct coppice_cpk_header {
  uint8_t magic[8];
  uint32_t version;
  uint32_t section_count; /* COPPICE_CPK_SECTIONS */
  uint64_t file_bytes;
  uint64_t checksum; /* of this header, the field being 0, and the section table behind it */
} coppice_cpk_header;

/* In this order, each once. */
typedef enum coppice_cpk_section_kind {
  COPPICE_CPK_PLANS,
  COPPICE_CPK_VALUES,
  COPPICE_CPK_STEPS,
  COPPICE_CPK_DATA,
  COPPICE_CPK_TEXT, /* JSON for people and programs; the runtime does not read it */
  COPPICE_CPK_SECTIONS
} coppice_cpk_section_kind;

typedef struct coppice_cpk_section {
  uint32_t kind, reserved;
  uint64_t offset; /* in the file, of COPPICE_CPK_ALIGNMENT */
  uint64_t bytes;  /* a multiple of 8 */
  uint64_t checksum;
} coppice_cpk_section;

/* Values and steps of one tile width. */
typedef struct coppice_cpk_plan {
  int32_t width; /* samples of a tile: 1 of the first plan, more of each other one */
  int32_t value_begin, value_end;
  int32_t step_begin, step_end;
  uint32_t reserved;
  uint64_t arena_bytes;
} coppice_cpk_plan;

typedef enum coppice_cpk_value_kind {
  COPPICE_CPK_INPUT,   /* of the caller, without halo; `place` is its number */
  COPPICE_CPK_OUTPUT,  /* the same; inputs and outputs are counted together, inputs first */
  COPPICE_CPK_CONST,   /* `place`: its offset in the data section, in 4 bytes */
  COPPICE_CPK_SCRATCH, /* `place`: its offset in the arena, in 64 bytes; others may lie there before and after
                        */
  COPPICE_CPK_STATE,   /* the same, 0 before the first run, kept from run to run */
  COPPICE_CPK_VALUE_KINDS
} coppice_cpk_value_kind;

typedef enum coppice_cpk_type { COPPICE_CPK_F32, COPPICE_CPK_I8, COPPICE_CPK_TYPES } coppice_cpk_type;

/* [channels][height + 2 halo][width + 2 halo]; see coppice_plane. */
typedef struct coppice_cpk_value {
  uint8_t kind, type, wrap, reserved;
  int32_t halo, channels, height, width;
  uint32_t place;
  float scale; /* a number is (integer - zero_point) * scale; 1 and 0 of floats */
  int32_t zero_point;
} coppice_cpk_value;

typedef enum coppice_cpk_op {
  COPPICE_CPK_LINEAR,
  COPPICE_CPK_CONV,
  COPPICE_CPK_POOL,
  COPPICE_CPK_ADD,
  COPPICE_CPK_MAP,
  COPPICE_CPK_AFFINE,
  COPPICE_CPK_NORM,
  COPPICE_CPK_COPY,
  COPPICE_CPK_CONVERT, /* between floats and integers */
  COPPICE_CPK_TURN,    /* samples one after the other become samples side by side, or the way back */
  COPPICE_CPK_OPS
} coppice_cpk_op;

/* How the weights of a step lie in the data section. Integers where COPPICE_CPK_INTEGERS is among the flags.
 */
typedef enum coppice_cpk_weights {
  COPPICE_CPK_NO_WEIGHTS,
  COPPICE_CPK_ROWS,    /* coppice_rows */
  COPPICE_CPK_BLOCKS1, /* coppice_apply.h, 16 rows by one column */
  COPPICE_CPK_BLOCKS4, /* ... by four */
  COPPICE_CPK_WEIGHTS
} coppice_cpk_weights;

typedef enum coppice_cpk_flag {
  COPPICE_CPK_DENSE = 1,    /* weights without index */
  COPPICE_CPK_INTEGERS = 2, /* weights are int8 */
  COPPICE_CPK_BIAS = 4,     /* float layers: there is one. Integer layers have one always */
  COPPICE_CPK_WRAP = 8,     /* copy */
  COPPICE_CPK_MAXIMUM = 16, /* pool */
  COPPICE_CPK_COUNT_PADDING = 32,
  COPPICE_CPK_PRODUCT = 64, /* add */
  COPPICE_CPK_FLAGS = 127
} coppice_cpk_flag;

typedef struct coppice_cpk_conv {
  int16_t kernel_y, kernel_x, stride, dilation, padding, reserved;
  int32_t group_rows, group_channels;
} coppice_cpk_conv;

typedef struct coppice_cpk_pool {
  int16_t kernel_y, kernel_x, stride_y, stride_x, padding_y, padding_x;
} coppice_cpk_pool;

typedef struct coppice_cpk_sum {
  int32_t multiplier_a, multiplier_b, offset, shift;
} coppice_cpk_sum;

typedef struct coppice_cpk_map {
  int32_t function; /* coppice_function */
  float p, q;
} coppice_cpk_map;

typedef struct coppice_cpk_copy {
  int32_t x_channel, step_c, y_channel, channels;
  int32_t top, left, step_y, step_x;
  int32_t phases;
} coppice_cpk_copy;

typedef struct coppice_cpk_step {
  uint8_t op, weights, flags, reserved;
  int32_t a, b, y; /* values; b: -1 where there is none */
  float low;       /* of floats: y is at least that. -infinity: no limit */
  int16_t low_i8, high_i8;
  uint32_t data;    /* where its arrays begin in the data section, in 4 bytes */
  uint32_t entries; /* of weights: single ones, blocks, or groups of four columns */
  union {
    int32_t words[10]; /* the rest of them is 0 */
    coppice_cpk_conv conv;
    coppice_cpk_pool pool;
    coppice_cpk_sum sum;
    coppice_cpk_map map;
    coppice_cpk_copy copy;
    float epsilon; /* norm */
  } as;
} coppice_cpk_step;

/* Of a multiple of 8 bytes: a changed word changes it, whatever else is there. Starts from 0 for a section.
 */
static inline uint64_t coppice_cpk_checksum(uint64_t hash, const uint64_t* words, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return hash;
}

#ifdef __cplusplus
}
#endif
#endif
