/* SPDX-License-Identifier: Apache-2.0
 * Convolutions of one sample in floats: sums of some vectors of pixels stay in registers while the weights
 * pass by, each with a load of pixels at its own offset. Single weights have the registers of many pixels of
 * one row; blocks those of 16 rows, which share the pixels that they load. */
#include "plane_conv.h"

/* Where the sums of a row go, and what they become. */
typedef struct row_out {
  float* at;        /* the first pixel, in y or in scratch */
  const float* add; /* as `at`, or NULL */
  float scale, bias, low;
  int32_t count;
  int64_t room; /* pixels from `at` on that nobody else has */
} row_out;

INLINE vec finished(const row_out* o, vec sum, const float* add) {
  sum = sum * o->scale + o->bias;
  if (o->add) sum += v_load(add);
  return v_at_least(sum, v_splat(o->low));
}

/* The last vectors of a channel. Their sums come in memory: were one call away from the loop that makes them,
 * they would not be in registers there. */
NOINLINE void put_last(const row_out* o, int32_t p, const float* sums, int32_t n) {
  for (int32_t i = 0; i < n; ++i, p += LANES, sums += LANES) {
    const size_t bytes = (size_t)plane_least(o->count - p, LANES) * sizeof(float);
    float add[LANES] = {0}, out[LANES];
    if (o->add) memcpy(add, o->add + p, bytes);
    v_store(out, finished(o, v_load(sums), add));
    memcpy(o->at + p, out, bytes);
  }
}

/* n vectors of a row. */
INLINE void put(const row_out* o, int32_t p, const vec* sum, int n) {
  if (p + n * LANES <= o->room) {
    UNROLL for (int i = 0; i < n; ++i)
        v_store(o->at + p + i * LANES, finished(o, sum[i], o->add + (o->add ? p + i * LANES : 0)));
  } else {
    float sums[8 * LANES];
    UNROLL for (int i = 0; i < n; ++i) v_store(sums + i * LANES, sum[i]);
    put_last(o, p, sums, n);
  }
}

/* One call: what is the same for all of its rows. */
typedef struct conv_call {
  const coppice_plane_conv_f32_args* args;
  const coppice_run_state* rs;
  const coppice_item* item;
  conv_pixels pixels;
} conv_call;

INLINE conv_call conv_call_of(const coppice_plane_conv_f32_args* args, const coppice_run_state* rs,
                              const coppice_item* item, const plane_band* band) {
  conv_call call = {args, rs, item, conv_pixels_of(&args->conv, band)};
  if (args->add && coppice_plane_pitch(args->add) != call.pixels.pitch) call.pixels.direct = 0;
  return call;
}

/* slot: of 16 rows in scratch. */
static row_out row_out_of(const conv_call* call, int32_t row, int32_t slot, float scale) {
  const coppice_plane_conv_f32_args* a = call->args;
  row_out out = {NULL, NULL, scale, a->bias ? a->bias[row] : 0.0f, a->low, call->pixels.count, 0};
  if (call->pixels.direct) {
    const int32_t top = call->pixels.band.top;
    out.at = (float*)(void*)plane_row(&a->conv.y, call->rs, call->item, row, top, 4);
    out.room = call->pixels.room;
    if (a->add) out.add = (const float*)(void*)plane_row(a->add, call->rs, call->item, row, top, 4);
  } else {
    out.at = (float*)call->item->scratch + slot * conv_scratch_row(&call->pixels);
    out.room = conv_scratch_row(&call->pixels);
    out.low = -__builtin_inff();
  }
  return out;
}

/* Rows of sums in scratch become rows of y. */
static void leave_scratch(const conv_call* call, int32_t row, const float* sum) {
  const coppice_plane_conv_f32_args* a = call->args;
  const coppice_plane* plane = &a->conv.y;
  const int32_t width = plane->width, top = call->pixels.band.top;
  const float low = a->low;
  float* y = (float*)(void*)plane_row(plane, call->rs, call->item, row, top, 4);
  const float* add =
      a->add ? (const float*)(void*)plane_row(a->add, call->rs, call->item, row, top, 4) : NULL;
  for (int32_t v = top; v < call->pixels.band.bottom; ++v) {
    if (add) {
      SAME_ELEMENT for (int32_t u = 0; u < width; ++u) {
        const float s = sum[u] + add[u];
        y[u] = s < low ? low : s;
      }
      add += coppice_plane_pitch(a->add);
    } else {
      SAME_ELEMENT for (int32_t u = 0; u < width; ++u) y[u] = sum[u] < low ? low : sum[u];
    }
    sum += call->pixels.pitch;
    y += coppice_plane_pitch(plane);
  }
}

INLINE void end_row(const conv_call* call, int32_t row, const row_out* out) {
  if (!call->pixels.direct) leave_scratch(call, row, out->at);
  const coppice_plane* y = &call->args->conv.y;
  plane_fill_halo(y, plane_channel(y, call->rs, call->item, row, 4), 4, &call->pixels.band);
}

/* ---- single weights */

enum { kRowVectors = 8 }; /* of pixels, whose sums stay in registers */

typedef struct row_run {
  const float* x;
  const int32_t* offset;
  const uint8_t* delta; /* of the row's first weight */
  const void* value;
  int32_t count;
} row_run;

INLINE float row_weight(const row_run* r, int32_t k, int integers) {
  return integers ? (float)((const int8_t*)r->value)[k] : ((const float*)r->value)[k];
}

/* sum[n] += weight k, of the column after `column`. */
INLINE int32_t add_weight(const row_run* r, const float* x, int32_t k, int32_t column, vec* sum, int n,
                          int dense, int integers) {
  column += dense ? 1 : r->delta[k];
  const float* at = x + r->offset[column];
  const vec w = v_splat(row_weight(r, k, integers));
  UNROLL for (int i = 0; i < n; ++i) sum[i] += w * v_load(at + i * LANES);
  return column;
}

/* Sums of `n` vectors from pixel p on. Few of them are summed in several sets, as each addition waits for the
 * one before. */
INLINE void row_chunk(const row_run* run, const row_out* out, int32_t p, int n, int dense, int integers) {
  const int sets = n == 1 ? 4 : n <= 3 ? 2 : 1;
  const row_run r = *run; /* no store changes it */
  const float* x = r.x + p;
  int32_t column = dense ? -1 : 0, k = 0;
  vec sum[kRowVectors];
  UNROLL for (int i = 0; i < sets * n; ++i) sum[i] = v_zero();
  for (; k + sets <= r.count; k += sets)
    UNROLL for (int s = 0; s < sets; ++s) column =
        add_weight(&r, x, k + s, column, sum + s * n, n, dense, integers);
  for (; sets > 1 && k < r.count; ++k) column = add_weight(&r, x, k, column, sum, n, dense, integers);
  UNROLL for (int i = n; i < sets * n; ++i) sum[i % n] += sum[i];
  put(out, p, sum, n);
}

typedef void (*row_chunk_function)(const row_run* r, const row_out* out, int32_t p);

#define DEFINE_CHUNKS(n)                                                         \
  NOINLINE void single_##n(const row_run* r, const row_out* out, int32_t p) {    \
    row_chunk(r, out, p, n, 0, 0);                                               \
  }                                                                              \
  NOINLINE void dense_##n(const row_run* r, const row_out* out, int32_t p) {     \
    row_chunk(r, out, p, n, 1, 0);                                               \
  }                                                                              \
  NOINLINE void single_i8_##n(const row_run* r, const row_out* out, int32_t p) { \
    row_chunk(r, out, p, n, 0, 1);                                               \
  }                                                                              \
  NOINLINE void dense_i8_##n(const row_run* r, const row_out* out, int32_t p) {  \
    row_chunk(r, out, p, n, 1, 1);                                               \
  }
DEFINE_CHUNKS(1)
DEFINE_CHUNKS(2)
DEFINE_CHUNKS(3)
DEFINE_CHUNKS(4)
DEFINE_CHUNKS(5)
DEFINE_CHUNKS(6)
DEFINE_CHUNKS(7)
DEFINE_CHUNKS(8)

#define CHUNKS_OF(name) \
  { name##_1, name##_2, name##_3, name##_4, name##_5, name##_6, name##_7, name##_8 }

/* Rows that read the same planes: the pixels of a chunk stay in the L1 until all have had them. Chunks are of
 * nearly the same size. */
static void run_rows(const row_chunk_function* of_size, const row_run* runs, const row_out* out,
                     int32_t rows) {
  const int32_t vectors = (out->count + LANES - 1) / LANES;
  const int32_t chunks = (vectors + kRowVectors - 1) / kRowVectors;
  for (int32_t i = 0, done = 0; i < chunks; ++i) {
    const int32_t n = (vectors - done + chunks - i - 1) / (chunks - i);
    for (int32_t r = 0; r < rows; ++r) of_size[n - 1](runs + r, out + r, done * LANES);
    done += n;
  }
}

static row_run row_run_of(const conv_call* call, const coppice_rows* f, int32_t row, int integers) {
  const uint32_t start = f->start[row];
  const row_run run = {
      (const float*)(const void*)conv_group(&call->args->conv, &call->pixels, call->rs, call->item, row, 4),
      call->args->conv.offset, f->delta ? f->delta + start : NULL,
      (const char*)f->value + (int64_t)start * (integers ? 1 : 4), (int32_t)(f->start[row + 1] - start)};
  return run;
}

PLANE_KERNEL(conv_rows_f32) {
  static const row_chunk_function kFunctions[2][2][kRowVectors] = {{CHUNKS_OF(single), CHUNKS_OF(single_i8)},
                                                                   {CHUNKS_OF(dense), CHUNKS_OF(dense_i8)}};
  const coppice_plane_conv_f32_args* a = (const coppice_plane_conv_f32_args*)args;
  const coppice_rows* f = (const coppice_rows*)a->weights;
  PLANE_BANDS(band, item, f->part_rows, f->rows, a->conv.part_height, a->conv.y.height) {
    const conv_call call = conv_call_of(a, rs, item, &band);
    for (int32_t row = band.begin; row < band.end;) {
      const int32_t rows = conv_rows_together(&a->conv, row, band.end);
      row_run runs[COPPICE_APPLY_ROWS];
      row_out out[COPPICE_APPLY_ROWS];
      for (int32_t r = 0; r < rows; ++r) {
        runs[r] = row_run_of(&call, f, row + r, a->scale != NULL);
        out[r] = row_out_of(&call, row + r, r, a->scale ? a->scale[row + r] : 1.0f);
      }
      run_rows(kFunctions[f->delta == NULL][a->scale != NULL], runs, out, rows);
      for (int32_t r = 0; r < rows; ++r) end_row(&call, row + r, out + r);
      row += rows;
    }
  }
}

/* ---- blocks of 16 rows */

/* Of registers. A broadcast takes as long as a load of pixels and feeds as many products as there are
 * vectors, so few rows and many vectors are best. */
enum { kTileRows = 4, kTileVectors = LANES == 8 ? 3 : 6 };

typedef struct block_run {
  const float* x;
  const int32_t* offset;
  const coppice_apply_f32* f;
  int32_t begin, end; /* blocks */
  const row_out* out; /* [rows] */
  int32_t rows;       /* that exist */
} block_run;

/* The weights of kTileRows rows and one column, as floats. */
INLINE const float* tile_weights(const coppice_apply_f32* f, int64_t at, float* made, int integers) {
  if (!integers) return f->value + at;
  for (int r = 0; r < kTileRows; ++r) made[r] = (float)f->value_i8[at + r];
  return made;
}

/* The sums of a tile, the first of whose rows is out[0]. Where it is whole, what the rows have in common is
 * asked once. */
INLINE void put_tile(const row_out* out, int32_t rows, int32_t p, const vec* sum, int n, int integers) {
  if (rows >= kTileRows && p + n * LANES <= out->room && !out->add && !integers) {
    const vec low = v_splat(out->low);
    UNROLL for (int r = 0; r < kTileRows; ++r) {
      float* to = out[r].at + p;
      UNROLL for (int i = 0; i < n; ++i)
          v_store(to + i * LANES, v_at_least(sum[r * n + i] + out[r].bias, low));
    }
    return;
  }
  UNROLL for (int r = 0; r < kTileRows; ++r) {
    if (r < rows) put(out + r, p, sum + r * n, n);
  }
}

/* Rows [row, row + kTileRows) of a block row, n vectors of pixels from p on. */
INLINE void block_tile(const block_run* b, int32_t row, int32_t p, int n, int c, int integers) {
  vec sum[kTileRows * kTileVectors];
  UNROLL for (int r = 0; r < kTileRows; ++r) UNROLL for (int i = 0; i < n; ++i) sum[r * n + i] = v_zero();
  const float* x = b->x + p;
  const int32_t begin = b->begin, end = b->end;
  const uint16_t* column = b->f->column;
  int64_t at = (int64_t)begin * c * COPPICE_APPLY_ROWS + row;
  for (int32_t k = begin; k < end; ++k) {
    const int32_t* offset = b->offset + (column ? column[k] : k - begin) * c;
    for (int j = 0; j < c; ++j, at += COPPICE_APPLY_ROWS) {
      float made[kTileRows];
      const float* w = tile_weights(b->f, at, made, integers);
      const float* from = x + offset[j];
      vec xs[kTileVectors];
      UNROLL for (int i = 0; i < n; ++i) xs[i] = v_load(from + i * LANES);
      UNROLL for (int r = 0; r < kTileRows; ++r) {
        const vec ws = v_splat(w[r]);
        UNROLL for (int i = 0; i < n; ++i) sum[r * n + i] += ws * xs[i];
      }
    }
  }
  put_tile(b->out + row, b->rows - row, p, sum, n, integers);
}

typedef void (*block_tile_function)(const block_run* b, int32_t row, int32_t p, int c);

#define DEFINE_TILES(n)                                                          \
  NOINLINE void tile_##n(const block_run* b, int32_t row, int32_t p, int c) {    \
    if (c == 1)                                                                  \
      block_tile(b, row, p, n, 1, 0);                                            \
    else                                                                         \
      block_tile(b, row, p, n, 4, 0);                                            \
  }                                                                              \
  NOINLINE void tile_i8_##n(const block_run* b, int32_t row, int32_t p, int c) { \
    block_tile(b, row, p, n, c, 1);                                              \
  }
DEFINE_TILES(1)
DEFINE_TILES(2)
DEFINE_TILES(3)
#if LANES != 8
DEFINE_TILES(4)
DEFINE_TILES(5)
DEFINE_TILES(6)
#define TILES_OF(name) \
  { name##_1, name##_2, name##_3, name##_4, name##_5, name##_6 }
#else
#define TILES_OF(name) \
  { name##_1, name##_2, name##_3 }
#endif

static void run_block_row(const block_run* b, int c, int integers) {
  static const block_tile_function kFunctions[2][kTileVectors] = {TILES_OF(tile), TILES_OF(tile_i8)};
  const int32_t vectors = (b->out->count + LANES - 1) / LANES;
  const int32_t chunks = (vectors + kTileVectors - 1) / kTileVectors;
  for (int32_t i = 0, done = 0; i < chunks; ++i) {
    const int32_t n = (vectors - done + chunks - i - 1) / (chunks - i);
    for (int32_t row = 0; row < b->rows; row += kTileRows)
      kFunctions[integers][n - 1](b, row, done * LANES, c);
    done += n;
  }
}

PLANE_KERNEL(conv_blocks_f32) {
  const coppice_plane_conv_f32_args* a = (const coppice_plane_conv_f32_args*)args;
  const coppice_apply_f32* f = (const coppice_apply_f32*)a->weights;
  PLANE_BANDS(band, item, f->part_block_rows, f->block_rows, a->conv.part_height, a->conv.y.height) {
    const conv_call call = conv_call_of(a, rs, item, &band);
    for (int32_t block_row = band.begin; block_row < band.end; ++block_row) {
      const int32_t row = block_row * COPPICE_APPLY_ROWS,
                    rows = plane_least(f->rows - row, COPPICE_APPLY_ROWS);
      row_out out[COPPICE_APPLY_ROWS];
      for (int32_t r = 0; r < rows; ++r)
        out[r] = row_out_of(&call, row + r, r, f->value_i8 ? f->scale[row + r] : 1.0f);
      const block_run run = {(const float*)(const void*)conv_group(&a->conv, &call.pixels, rs, item, row, 4),
                             a->conv.offset,
                             f,
                             f->start[block_row],
                             f->start[block_row + 1],
                             out,
                             rows};
      run_block_row(&run, f->c, f->value_i8 != NULL);
      for (int32_t r = 0; r < rows; ++r) end_row(&call, row + r, out + r);
    }
  }
}
