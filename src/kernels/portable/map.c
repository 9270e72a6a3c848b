/* SPDX-License-Identifier: Apache-2.0
 * Ops that map each element on its own. */
#include "portable.h"

/* Runs BODY for every element: a, b and out point at it, row and column say where it is. */
#define MAP(BODY)                                                                            \
  const coppice_map_args* args = (const coppice_map_args*)raw;                               \
  const int32_t width = args->out.width;                                                     \
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {                     \
    const int32_t columns = columns_of(rs, width, tile);                                     \
    const float* a_tile = coppice_tile(&args->a, rs, tile);                                  \
    const float* b_tile = args->b.width ? coppice_tile(&args->b, rs, tile) : a_tile;         \
    float* out_tile = coppice_tile(&args->out, rs, tile);                                    \
    for (int32_t row = 0; row < args->rows; ++row) {                                         \
      const float* a = a_tile + (int64_t)row * width;                                        \
      const float* b = b_tile + (int64_t)row * width;                                        \
      float* out = out_tile + (int64_t)row * width;                                          \
      for (int32_t s = 0; s < columns; ++s) BODY                                             \
    }                                                                                        \
  }

void KERNEL(relu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[s] = a[s] > 0.0f ? a[s] : 0.0f;
  })
}

void KERNEL(relu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[s] = b[s] > 0.0f ? a[s] : 0.0f; })
}

void KERNEL(sigmoid)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[s] = 1.0f / (1.0f + coppice_expf(-a[s]));
  })
}

void KERNEL(sigmoid_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[s] = a[s] * b[s] * (1.0f - b[s]); })
}

void KERNEL(add)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[s] = a[s] + b[s]; })
}

/* The finaliser of SplitMix64: a well mixed function of the counter, cheap enough for each element. */
static inline uint32_t mixed_bits(uint64_t counter) {
  counter = (counter ^ (counter >> 30)) * 0xbf58476d1ce4e5b9u;
  counter = (counter ^ (counter >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)(counter >> 32);
}

/* Inverted dropout: survivors are scaled by 1 / (1 - p). The mask is a function of (seed, stream, step, sample, row), so the
 * gradient draws it again instead of storing it. */
void KERNEL(dropout)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float p = ((const coppice_map_args*)raw)->parameter;
  const uint64_t key = rs->seed * 0x9e3779b97f4a7c15u ^ ((const coppice_map_args*)raw)->stream ^
                       rs->step * 0xd1342543de82ef95u;
  const float scale = rs->training ? 1.0f / (1.0f - p) : 1.0f;
  const uint32_t bar = rs->training ? (uint32_t)(p * 4294967040.0f) : 0;
  MAP({
    (void)b;
    const uint64_t sample = (uint64_t)(tile * width + s);
    const uint64_t counter = key + (sample << 32 | (uint64_t)(uint32_t)row) * 0x9e3779b97f4a7c15u;
    out[s] = mixed_bits(counter) >= bar ? a[s] * scale : 0.0f;
  })
}

void KERNEL(retile)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_retile_args* args = (const coppice_retile_args*)raw;
  const int32_t from = args->in.width, to = args->out.width;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* out = coppice_tile(&args->out, rs, tile);
    const int32_t columns = columns_of(rs, to, tile);
    for (int32_t s = 0; s < columns;) {
      const int32_t sample = tile * to + s, source = sample / from, column = sample % from;
      const int32_t run = from - column < columns - s ? from - column : columns - s;
      /* The last vector may reach past the tiles that exist; its columns are padding. */
      const int exists = source < coppice_tile_count(rs, from);
      const float* in = exists ? coppice_tile(&args->in, rs, source) + column : NULL;
      for (int32_t row = 0; row < args->rows; ++row)
        for (int32_t i = 0; i < run; ++i)
          out[(int64_t)row * to + s + i] = exists ? in[(int64_t)row * from + i] : 0.0f;
      s += run;
    }
  }
}
