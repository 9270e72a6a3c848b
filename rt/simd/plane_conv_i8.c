/* SPDX-License-Identifier: Apache-2.0
 * Convolutions of one sample in integers: four columns of pixels come together once, byte by byte, and are
 * multiplied with the four weights of a row, or of each row of a block. */
#include "plane_conv.h"
#include "plane_dot.h"

/* Where the sums of a row go, and what they become. */
typedef struct row_out {
  char* at;     /* the first pixel, in y or in scratch */
  int32_t size; /* of its elements */
  int32_t count;
  int64_t room;  /* pixels from `at` on that nobody else has */
  int32_t start; /* of the sums */
  int32_t multiplier, shift, zero_point, low, high;
  float scale, low_float;
} row_out;

enum { kShortestFast = 33 };

/* From 33 on, the half that rounds has no bits in the lower half of the product: so that is never looked at.
 */
INLINE ivec requantised(ivec sum, ivec multiplier, int32_t shift, ivec zero_point) {
  return ((unit_high(sum, multiplier) + (1 << (shift - 33))) >> (shift - 32)) + zero_point;
}

/* Whether nothing is special: bytes in place, by a usual factor. */
INLINE int is_plain(const row_out* o, int32_t p, int32_t pixels) {
  return o->size == 1 && o->shift >= kShortestFast && p + pixels <= o->room;
}

/* `units` of a row that are. Bytes may be stored anywhere, as far as the compiler knows: so what the row says
 * is read before. */
INLINE void put_plain(const row_out* o, int32_t p, const ivec* sum, int units) {
  const ivec multiplier = i_splat(o->multiplier), zero_point = i_splat(o->zero_point);
  const int32_t shift = o->shift, low = o->low, high = o->high;
  int8_t* to = (int8_t*)o->at + p;
  UNROLL for (int u = 0; u < units; ++u) {
    ivec y[kUnitVectors];
    UNROLL for (int v = 0; v < kUnitVectors; ++v) y[v] =
        requantised(sum[u * kUnitVectors + v], multiplier, shift, zero_point);
    put_bytes(to + u * kUnit, bytes_within(unit_bytes(y), low, high));
  }
}

INLINE void put_floats(const row_out* o, int32_t p, const ivec* sum) {
  const vec low = v_splat(o->low_float);
  UNROLL for (int v = 0; v < kUnitVectors; ++v) v_store(
      (float*)(void*)o->at + p + v * LANES, v_at_least(__builtin_convertvector(sum[v], vec) * o->scale, low));
}

static void put_number(const row_out* o, int32_t sum, char* to) {
  if (o->size == 1) {
    *(int8_t*)to = coppice_requantise(sum, o->multiplier, o->shift, o->zero_point, o->low, o->high);
  } else {
    const float scaled = (float)sum * o->scale;
    *(float*)(void*)to = scaled < o->low_float ? o->low_float : scaled;
  }
}

/* Units that need not be plain. Their sums come in memory: were one call away from the loop that makes them,
 * they would not be in registers there. */
NOINLINE void put_any(const row_out* o, int32_t p, const int32_t* sums, int32_t units) {
  for (int32_t u = 0; u < units; ++u, p += kUnit, sums += kUnit) {
    ivec sum[kUnitVectors];
    memcpy(sum, sums, sizeof sum);
    if (is_plain(o, p, kUnit))
      put_plain(o, p, sum, 1);
    else if (o->size == 4 && p + kUnit <= o->room)
      put_floats(o, p, sum);
    else
      for (int32_t i = 0; i < kUnit && p + i < o->count; ++i)
        put_number(o, sums[i], o->at + (int64_t)(p + i) * o->size);
  }
}

INLINE void to_memory(int32_t* to, const ivec* sum, int vectors) {
  UNROLL for (int v = 0; v < vectors; ++v) {
    const ivec copy = sum[v];
    memcpy(to + v * LANES, &copy, sizeof copy);
  }
}

/* One call: what is the same for all of its rows. */
typedef struct conv_call {
  const coppice_plane_conv_i8_args* args;
  const coppice_run_state* rs;
  const coppice_item* item;
  conv_pixels pixels;
  int32_t size; /* of an element of y */
} conv_call;

INLINE conv_call conv_call_of(const coppice_plane_conv_i8_args* args, const coppice_run_state* rs,
                              const coppice_item* item, const plane_band* band) {
  const conv_call call = {args, rs, item, conv_pixels_of(&args->conv, band), args->multiplier ? 1 : 4};
  return call;
}

/* slot: of 16 rows in scratch. start: of the sums. */
static row_out row_out_of(const conv_call* call, int32_t row, int32_t slot, int32_t start) {
  const coppice_plane_conv_i8_args* a = call->args;
  row_out out = {0};
  out.size = call->size;
  out.count = call->pixels.count;
  out.start = start;
  if (call->pixels.direct) {
    out.at = plane_row(&a->conv.y, call->rs, call->item, row, call->pixels.band.top, call->size);
    out.room = call->pixels.room;
  } else {
    out.room = conv_scratch_row(&call->pixels);
    out.at = (char*)call->item->scratch + slot * out.room * call->size;
  }
  if (a->multiplier) {
    out.multiplier = a->multiplier[row];
    out.shift = a->shift[row];
  } else {
    out.scale = a->scale[row];
  }
  out.zero_point = a->zero_point;
  out.low = a->low;
  out.high = a->high;
  out.low_float = a->low_float;
  return out;
}

static void end_row(const conv_call* call, int32_t row, const row_out* out) {
  const coppice_plane* plane = &call->args->conv.y;
  if (!call->pixels.direct) {
    const plane_band* band = &call->pixels.band;
    char* y = plane_row(plane, call->rs, call->item, row, band->top, call->size);
    for (int32_t v = 0; v < band->bottom - band->top; ++v)
      memcpy(y + v * coppice_plane_pitch(plane) * call->size, out->at + v * call->pixels.pitch * call->size,
             (size_t)plane->width * (size_t)call->size);
  }
  plane_fill_halo(plane, plane_channel(plane, call->rs, call->item, row, call->size), call->size,
                  &call->pixels.band);
}

/* ---- single weights, four of a row together */

typedef struct row_run {
  const int8_t* x;
  const int32_t* offset;
  const uint8_t* delta; /* of the row's first weight */
  const int8_t* value;
  int32_t count;
} row_run;

/* The offsets of four entries of a row, and their weights; of `left` of them, where fewer are left: the
 * others have weight 0. */
INLINE uint32_t next_four(const row_run* r, int32_t k, int32_t left, int32_t* column, int32_t* offset,
                          int dense) {
  UNROLL for (int i = 0; i < 4; ++i) {
    if (i < left) *column += dense ? 1 : r->delta[k + i];
    offset[i] = r->offset[*column];
  }
  const uint32_t four = four_weights(r->value + k);
  return left >= 4 ? four : four & ((1u << (8 * left)) - 1);
}

#if defined(COPPICE_ISA_avx512)
#define WIDES(units) ((units) / 4) /* that many pixels are taken 64 at a time */
#else
#define WIDES(units) 0
#endif

/* sum[units] += the products of four entries. */
INLINE void add_four(ivec* sum, const int8_t* x, const int32_t* o, dot_weights w, int units) {
#if defined(COPPICE_ISA_avx512)
  UNROLL for (int i = 0; i < WIDES(units); ++i) {
    const int8_t* at = x + i * kWide;
    const dot_wide pixels = dot_gather_wide(at + o[0], at + o[1], at + o[2], at + o[3]);
    dot_add_wide(sum + i * kWideVectors, &pixels, w);
  }
#endif
  UNROLL for (int i = 4 * WIDES(units); i < units; ++i) {
    const int8_t* at = x + i * kUnit;
    const dot_pixels pixels = dot_gather(at + o[0], at + o[1], at + o[2], at + o[3]);
    dot_add(sum + i * kUnitVectors, &pixels, w);
  }
}

#if defined(COPPICE_ISA_avx512)
INLINE void put_plain_wides(const row_out* o, int32_t p, const ivec* sum, int wides) {
  const ivec multiplier = i_splat(o->multiplier), zero_point = i_splat(o->zero_point);
  const int32_t shift = o->shift, low = o->low, high = o->high;
  int8_t* to = (int8_t*)o->at + p;
  UNROLL for (int i = 0; i < wides; ++i) {
    ivec y[kWideVectors];
    UNROLL for (int v = 0; v < kWideVectors; ++v) y[v] =
        requantised(sum[i * kWideVectors + v], multiplier, shift, zero_point);
    put_wide_bytes(to + i * kWide, y, low, high);
  }
}
#endif

INLINE void put_units(const row_out* out, int32_t p, ivec* sum, int units) {
  if (is_plain(out, p, units * kUnit)) {
#if defined(COPPICE_ISA_avx512)
    put_plain_wides(out, p, sum, WIDES(units));
#endif
    put_plain(out, p + 4 * WIDES(units) * kUnit, sum + 4 * WIDES(units) * kUnitVectors,
              units - 4 * WIDES(units));
    return;
  }
#if defined(COPPICE_ISA_avx512)
  UNROLL for (int i = 0; i < WIDES(units); ++i) wide_in_order(sum + i * kWideVectors);
#endif
  int32_t sums[8 * kUnit];
  to_memory(sums, sum, units * kUnitVectors);
  put_any(out, p, sums, units);
}

/* `units` of 16 pixels from p on. */
INLINE void row_units(const row_run* run, const row_out* out, int32_t p, int units, int dense) {
  const row_run r = *run; /* no store changes it */
  const int8_t* x = r.x + p;
  int32_t column = dense ? -1 : 0, k = 0, offset[4];
  ivec sum[LANES == 4 ? 16 : 8];
  UNROLL for (int i = 0; i < units * kUnitVectors; ++i) sum[i] = i_splat(out->start);
  for (; k + 4 <= r.count; k += 4) {
    const uint32_t four = next_four(&r, k, 4, &column, offset, dense);
    add_four(sum, x, offset, dot_weights_of(four), units);
  }
  if (k < r.count) {
    const uint32_t four = next_four(&r, k, r.count - k, &column, offset, dense);
    add_four(sum, x, offset, dot_weights_of(four), units);
  }
  put_units(out, p, sum, units);
}

typedef void (*row_function)(const row_run* r, const row_out* out, int32_t p);

#define DEFINE_UNITS(units)                                                       \
  NOINLINE void single_##units(const row_run* r, const row_out* out, int32_t p) { \
    row_units(r, out, p, units, 0);                                               \
  }                                                                               \
  NOINLINE void dense_##units(const row_run* r, const row_out* out, int32_t p) {  \
    row_units(r, out, p, units, 1);                                               \
  }
DEFINE_UNITS(1)
DEFINE_UNITS(2)
DEFINE_UNITS(4)
#if LANES == 16
DEFINE_UNITS(8)
enum { kLargest = 3 };
#define SIZES_OF(name) \
  { name##_1, name##_2, name##_4, name##_8 }
#else
enum { kLargest = 2 };
#define SIZES_OF(name) \
  { name##_1, name##_2, name##_4 }
#endif

/* Rows that read the same planes: a chunk of pixels serves all of them before the next. The largest chunk is
 * taken that is filled to more than three quarters; chunk i has 2^i units. */
static void run_rows(const row_function* of_size, const row_run* runs, const row_out* out, int32_t rows,
                     int32_t count) {
  for (int32_t p = 0; p < count;) {
    int32_t size = kLargest;
    while (size > 0 && count - p <= (kUnit << size) / 4 * 3) --size;
    for (int32_t r = 0; r < rows; ++r) of_size[size](runs + r, out + r, p);
    p += kUnit << size;
  }
}

static row_run row_run_of(const conv_call* call, const coppice_rows* f, int32_t row) {
  const uint32_t start = f->start[row];
  const row_run run = {
      (const int8_t*)conv_group(&call->args->conv, &call->pixels, call->rs, call->item, row, 1),
      call->args->conv.offset, f->delta ? f->delta + start : NULL, (const int8_t*)f->value + start,
      (int32_t)(f->start[row + 1] - start)};
  return run;
}

/* The sums start from here, as what is added to pixels is taken off. Whole sums fit, and on the way there
 * they may wrap around. */
INLINE int32_t start_of(int32_t bias, int32_t row_sum) {
  return (int32_t)((uint32_t)bias - kUnitOffset * (uint32_t)row_sum);
}

static int32_t row_sum_of(const row_run* run) {
  int32_t sum = 0;
  for (int32_t k = 0; kUnitOffset != 0 && k < run->count; ++k) sum += run->value[k];
  return sum;
}

PLANE_KERNEL(conv_rows_i8) {
  static const row_function kFunctions[2][kLargest + 1] = {SIZES_OF(single), SIZES_OF(dense)};
  const coppice_plane_conv_i8_args* a = (const coppice_plane_conv_i8_args*)args;
  const coppice_rows* f = (const coppice_rows*)a->weights;
  PLANE_BANDS(band, item, f->part_rows, f->rows, a->conv.part_height, a->conv.y.height) {
    const conv_call call = conv_call_of(a, rs, item, &band);
    for (int32_t row = band.begin; row < band.end;) {
      const int32_t rows = conv_rows_together(&a->conv, row, band.end);
      row_run runs[COPPICE_APPLY_ROWS];
      row_out out[COPPICE_APPLY_ROWS];
      for (int32_t r = 0; r < rows; ++r) {
        runs[r] = row_run_of(&call, f, row + r);
        out[r] = row_out_of(&call, row + r, r, start_of(a->bias[row + r], row_sum_of(runs + r)));
      }
      run_rows(kFunctions[f->delta == NULL], runs, out, rows, call.pixels.count);
      for (int32_t r = 0; r < rows; ++r) end_row(&call, row + r, out + r);
      row += rows;
    }
  }
}

/* ---- blocks of 16 rows */

/* Of registers. Bringing columns together is done again for each so many rows: for all at once where a run of
 * pixels has one unit only, as that takes longer than the products of a few rows. */
enum { kTileUnits = LANES == 16 ? 3 : 1, kTileNumbers = 8 * kTileUnits * kUnit };
#define TILE_ROWS(units) (LANES == 16 ? ((units) == 1 ? 16 : 8) : 4)

typedef struct block_run {
  const int8_t* x;
  const int32_t* offset;
  const coppice_apply_i8* f;
  int32_t begin, end; /* groups */
  const row_out* out; /* [rows] */
  int32_t rows;       /* that exist */
} block_run;

/* The offsets of a group's columns; past the last column is the first, with weight 0. */
INLINE void group_offsets(const block_run* b, int32_t g, int32_t* offset, int c) {
  if (c == 1) {
    UNROLL for (int i = 0; i < 4; ++i) offset[i] = b->offset[b->f->column[4 * (int64_t)g + i]];
    return;
  }
  const int32_t first = (b->f->column ? b->f->column[g] : g - b->begin) * 4;
  UNROLL for (int i = 0; i < 4; ++i) offset[i] = b->offset[first + i < b->f->cols ? first + i : 0];
}

/* The sums of a tile, the first of whose rows is out[0]. */
INLINE void put_tile(const row_out* out, int32_t rows, int32_t p, const ivec* sum, int units) {
  const int row_vectors = units * kUnitVectors, tile_rows = TILE_ROWS(units);
  int plain = rows >= tile_rows;
  for (int r = 0; plain && r < tile_rows; ++r) plain = is_plain(out + r, p, units * kUnit);
  if (plain) {
    UNROLL for (int r = 0; r < tile_rows; ++r) put_plain(out + r, p, sum + r * row_vectors, units);
    return;
  }
  int32_t sums[kTileNumbers];
  UNROLL for (int r = 0; r < tile_rows; ++r)
      to_memory(sums + r * units * kUnit, sum + r * row_vectors, row_vectors);
  for (int r = 0; r < tile_rows && r < rows; ++r) put_any(out + r, p, sums + r * units * kUnit, units);
}

/* Rows of a block row from `row` on, `units` of 16 pixels from p on. */
INLINE void block_tile(const block_run* b, int32_t row, int32_t p, int units, int c) {
  const int row_vectors = units * kUnitVectors, tile_rows = TILE_ROWS(units);
  const block_run run = *b;
  const int8_t* x = run.x + p;
  const int8_t* w = run.f->value + ((int64_t)run.begin * COPPICE_APPLY_ROWS + row) * 4;
  ivec sum[kTileNumbers / LANES];
  UNROLL for (int r = 0; r < tile_rows; ++r) {
    const ivec start = i_splat(row + r < run.rows ? run.out[row + r].start : 0);
    UNROLL for (int i = 0; i < row_vectors; ++i) sum[r * row_vectors + i] = start;
  }
  for (int32_t g = run.begin; g < run.end; ++g, w += COPPICE_APPLY_ROWS * 4) {
    int32_t o[4];
    dot_pixels pixels[kTileUnits];
    group_offsets(&run, g, o, c);
    UNROLL for (int u = 0; u < units; ++u) {
      const int8_t* at = x + u * kUnit;
      pixels[u] = dot_gather(at + o[0], at + o[1], at + o[2], at + o[3]);
    }
    UNROLL for (int r = 0; r < tile_rows; ++r) {
      const dot_weights ws = dot_weights_of(four_weights(w + r * 4));
      UNROLL for (int u = 0; u < units; ++u)
          dot_add(sum + r * row_vectors + u * kUnitVectors, pixels + u, ws);
    }
  }
  put_tile(run.out + row, run.rows - row, p, sum, units);
}

typedef void (*block_function)(const block_run* b, int32_t row, int32_t p, int c);

#define DEFINE_TILES(units)                                                       \
  NOINLINE void tile_##units(const block_run* b, int32_t row, int32_t p, int c) { \
    if (c == 1)                                                                   \
      block_tile(b, row, p, units, 1);                                            \
    else                                                                          \
      block_tile(b, row, p, units, 4);                                            \
  }
DEFINE_TILES(1)
#if LANES == 16
DEFINE_TILES(2)
DEFINE_TILES(3)
#define TILES \
  { tile_1, tile_2, tile_3 }
#else
#define TILES \
  { tile_1 }
#endif

static void run_block_row(const block_run* b, int c) {
  static const block_function kOfSize[kTileUnits] = TILES;
  const int32_t units = (b->out->count + kUnit - 1) / kUnit;
  const int32_t chunks = (units + kTileUnits - 1) / kTileUnits;
  for (int32_t i = 0, done = 0; i < chunks; ++i) {
    const int32_t n = (units - done + chunks - i - 1) / (chunks - i);
    for (int32_t row = 0; row < b->rows; row += TILE_ROWS(n)) kOfSize[n - 1](b, row, done * kUnit, c);
    done += n;
  }
}

PLANE_KERNEL(conv_blocks_i8) {
  const coppice_plane_conv_i8_args* a = (const coppice_plane_conv_i8_args*)args;
  const coppice_apply_i8* f = (const coppice_apply_i8*)a->weights;
  PLANE_BANDS(band, item, f->part_block_rows, f->block_rows, a->conv.part_height, a->conv.y.height) {
    const conv_call call = conv_call_of(a, rs, item, &band);
    for (int32_t block_row = band.begin; block_row < band.end; ++block_row) {
      const int32_t row = block_row * COPPICE_APPLY_ROWS,
                    rows = plane_least(f->rows - row, COPPICE_APPLY_ROWS);
      row_out out[COPPICE_APPLY_ROWS];
      for (int32_t r = 0; r < rows; ++r)
        out[r] = row_out_of(&call, row + r, r, start_of(f->bias[row + r], f->row_sum[row + r]));
      const block_run run = {(const int8_t*)conv_group(&a->conv, &call.pixels, rs, item, row, 1),
                             a->conv.offset,
                             f,
                             f->start[block_row],
                             f->start[block_row + 1],
                             out,
                             rows};
      run_block_row(&run, f->c);
      for (int32_t r = 0; r < rows; ++r) end_row(&call, row + r, out + r);
    }
  }
}
