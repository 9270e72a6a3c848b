/* SPDX-License-Identifier: Apache-2.0
 * Pooling, copies, and the norm of a whole sample. Compiled for every instruction set (planes.h). */
#include <float.h>

#include "coppice_math.h"
#include "planes.h"

/* ---- pooling */

enum {
  kPoolTogether = 64, /* outputs of a row that are reduced side by side */
  kPoolLanes = 8,     /* of a window that is wide: sums side by side, as floats may not be reordered */
  kPoolWide = 8       /* pixels */
};

typedef union pool_sums {
  float f[kPoolTogether];
  int32_t i[kPoolTogether];
} pool_sums;

/* The pixels of a window, or of windows, that exist. */
typedef struct pool_window {
  int32_t y0, y1, x0, x1;
} pool_window;

/* One way of reducing pixels to one. */
typedef struct pool_kind {
  int32_t x_size, y_size;
  void (*start)(pool_sums* sums, int32_t count);
  /* sums[i] takes x[i * stride] in. */
  void (*strided)(pool_sums* sums, int32_t first, const char* x, int32_t count, int32_t stride);
  /* sums[0] takes all of a window in. x: the first pixel of the plane. */
  void (*window)(pool_sums* sums, const char* x, int64_t pitch, pool_window w);
  void (*finish)(const coppice_plane_pool_args* args, const pool_sums* sums, int32_t i, int32_t count,
                 char* y);
} pool_kind;

/* TAKE(sum, v): what a sum becomes once it took v in. */
#define DEFINE_POOL(name, element, kind, member, first_sum, TAKE)                                            \
  static void name##_start(pool_sums* sums, int32_t count) {                                                 \
    for (int32_t i = 0; i < count; ++i) sums->member[i] = first_sum;                                         \
  }                                                                                                          \
  static void name##_strided(pool_sums* sums, int32_t first, const char* x, int32_t count, int32_t stride) { \
    const element* in = (const element*)(const void*)x;                                                      \
    kind* out = sums->member + first;                                                                        \
    if (stride == 1)                                                                                         \
      for (int32_t i = 0; i < count; ++i) out[i] = TAKE(out[i], in[i]);                                      \
    else if (stride == 2)                                                                                    \
      for (int32_t i = 0; i < count; ++i) out[i] = TAKE(out[i], in[2 * i]);                                  \
    else                                                                                                     \
      for (int32_t i = 0; i < count; ++i) out[i] = TAKE(out[i], in[(int64_t)i * stride]);                    \
  }                                                                                                          \
  static void name##_window(pool_sums* sums, const char* x, int64_t pitch, pool_window w) {                  \
    const element* in = (const element*)(const void*)x + w.y0 * pitch + w.x0;                                \
    const kind all = name##_of_window(in, pitch, w.y1 - w.y0, w.x1 - w.x0);                                  \
    sums->member[0] = TAKE(sums->member[0], all);                                                            \
  }

/* All pixels of a window; by lanes. */
#define DEFINE_OF_WINDOW(name, element, kind, first_sum, TAKE)                                   \
  static kind name##_of_window(const element* x, int64_t pitch, int32_t height, int32_t width) { \
    kind lanes[kPoolLanes], sum = first_sum;                                                     \
    for (int32_t l = 0; l < kPoolLanes; ++l) lanes[l] = first_sum;                               \
    for (int32_t y = 0; y < height; ++y, x += pitch)                                             \
      for (int32_t i = 0; i < width; i += kPoolLanes)                                            \
        for (int32_t l = 0; l < plane_least(width - i, kPoolLanes); ++l)                         \
          lanes[l] = TAKE(lanes[l], x[i + l]);                                                   \
    for (int32_t l = 0; l < kPoolLanes; ++l) sum = TAKE(sum, lanes[l]);                          \
    return sum;                                                                                  \
  }

#define MINUS_INFINITY (-FLT_MAX * 2.0f)
#define TAKE_SUM(sum, v) ((sum) + (v))
/* Once NaN, a maximum stays NaN. */
#define TAKE_MAX_F32(sum, v) coppice_select(((v) > (sum)) | ((v) != (v)), (v), (sum))
#define TAKE_MAX_I8(sum, v) ((v) > (sum) ? (v) : (sum))

DEFINE_OF_WINDOW(max_f32, float, float, MINUS_INFINITY, TAKE_MAX_F32)
DEFINE_OF_WINDOW(max_i8, int8_t, int32_t, -128, TAKE_MAX_I8)
/* Vector units have ones of their own (rt/simd/plane_moves.c). */
#ifndef MEAN_OF_WINDOW
DEFINE_OF_WINDOW(mean_f32, float, float, 0.0f, TAKE_SUM)
DEFINE_OF_WINDOW(mean_i8, int8_t, int32_t, 0, TAKE_SUM)
#endif
DEFINE_POOL(mean_f32, float, float, f, 0.0f, TAKE_SUM)
DEFINE_POOL(max_f32, float, float, f, MINUS_INFINITY, TAKE_MAX_F32)
DEFINE_POOL(mean_i8, int8_t, int32_t, i, 0, TAKE_SUM)
DEFINE_POOL(max_i8, int8_t, int32_t, i, -128, TAKE_MAX_I8)

static float divisor_of(const coppice_plane_pool_args* args, int32_t count) {
  return (float)(args->count_padding ? args->kernel[0] * args->kernel[1] : count);
}

static void mean_f32_finish(const coppice_plane_pool_args* args, const pool_sums* sums, int32_t i,
                            int32_t count, char* y) {
  *(float*)(void*)y = sums->f[i] / divisor_of(args, count);
}
static void max_f32_finish(const coppice_plane_pool_args* args, const pool_sums* sums, int32_t i,
                           int32_t count, char* y) {
  (void)args;
  (void)count;
  *(float*)(void*)y = sums->f[i];
}
static void mean_i8_finish(const coppice_plane_pool_args* args, const pool_sums* sums, int32_t i,
                           int32_t count, char* y) {
  *(float*)(void*)y = (float)(sums->i[i] - count * args->x.fill) * args->scale / divisor_of(args, count);
}
static void max_i8_finish(const coppice_plane_pool_args* args, const pool_sums* sums, int32_t i,
                          int32_t count, char* y) {
  (void)args;
  (void)count;
  *(int8_t*)y = (int8_t)sums->i[i];
}

/* The window of one axis, clipped. */
static void clip_window(int32_t at, int32_t kernel, int32_t size, int32_t* begin, int32_t* end) {
  *begin = plane_most(at, 0);
  *end = plane_most(plane_least(at + kernel, size), *begin);
}

static int32_t floor_divided(int32_t a, int32_t by) { return a >= 0 ? a / by : -((by - 1 - a) / by); }

/* Outputs [first, first + count) of a row, whose windows have the rows [w.y0, w.y1). */
static void reduce_side_by_side(const coppice_plane_pool_args* args, const pool_kind* kind, const char* x,
                                pool_window w, int32_t first, int32_t count, pool_sums* sums) {
  const int32_t stride = args->stride[1];
  const int64_t pitch = coppice_plane_pitch(&args->x);
  for (int32_t y = w.y0; y < w.y1; ++y)
    for (int32_t j = 0; j < args->kernel[1]; ++j) {
      const int32_t at = j - args->padding[1]; /* output u reads pixel u * stride + at */
      const int32_t begin = plane_most(-floor_divided(at, stride), first);
      const int32_t end = plane_least(floor_divided(args->x.width - 1 - at, stride) + 1, first + count);
      if (begin < end)
        kind->strided(sums, begin - first, x + (y * pitch + (int64_t)begin * stride + at) * kind->x_size,
                      end - begin, stride);
    }
}

static void pool_row(const coppice_plane_pool_args* args, const pool_kind* kind, const char* x, int32_t v,
                     char* y) {
  const int wide = args->kernel[1] >= kPoolWide;
  pool_window w;
  clip_window(v * args->stride[0] - args->padding[0], args->kernel[0], args->x.height, &w.y0, &w.y1);
  for (int32_t first = 0; first < args->y.width; first += wide ? 1 : kPoolTogether) {
    const int32_t count = wide ? 1 : plane_least(args->y.width - first, kPoolTogether);
    pool_sums sums;
    kind->start(&sums, count);
    if (!wide) reduce_side_by_side(args, kind, x, w, first, count, &sums);
    for (int32_t i = 0; i < count; ++i) {
      const int32_t u = first + i;
      clip_window(u * args->stride[1] - args->padding[1], args->kernel[1], args->x.width, &w.x0, &w.x1);
      if (wide) kind->window(&sums, x, coppice_plane_pitch(&args->x), w);
      kind->finish(args, &sums, i, (w.y1 - w.y0) * (w.x1 - w.x0), y + (int64_t)u * kind->y_size);
    }
  }
}

static void pool(const coppice_plane_pool_args* args, const pool_kind* kind, const coppice_run_state* rs,
                 const coppice_item* item) {
  EACH_BAND(band, item, args)
  for (int32_t c = band.begin; c < band.end; ++c) {
    const char* x = plane_pixels(&args->x, rs, item, c, kind->x_size);
    for (int32_t v = band.top; v < band.bottom; ++v)
      pool_row(args, kind, x, v, plane_row(&args->y, rs, item, c, v, kind->y_size));
    plane_fill_halo(&args->y, plane_channel(&args->y, rs, item, c, kind->y_size), kind->y_size, &band);
  }
}

#define POOL_KIND(name, x_size, y_size) \
  { x_size, y_size, name##_start, name##_strided, name##_window, name##_finish }

PLANE_KERNEL(pool_f32) {
  static const pool_kind kMean = POOL_KIND(mean_f32, 4, 4), kMaximum = POOL_KIND(max_f32, 4, 4);
  const coppice_plane_pool_args* a = (const coppice_plane_pool_args*)args;
  pool(a, a->maximum ? &kMaximum : &kMean, rs, item);
}

PLANE_KERNEL(pool_i8) {
  static const pool_kind kMean = POOL_KIND(mean_i8, 1, 4), kMaximum = POOL_KIND(max_i8, 1, 1);
  const coppice_plane_pool_args* a = (const coppice_plane_pool_args*)args;
  pool(a, a->maximum ? &kMaximum : &kMean, rs, item);
}

/* ---- copies */

/* Every second element, and rows dealt out into even and odd ones: no byte is read behind the last of them.
 * Vector units have ones of their own (rt/simd/plane_moves.c). */
#ifndef EVERY_SECOND
#define EVERY_SECOND
static void every_second_4(uint32_t* to, const uint32_t* from, int32_t count) {
  for (int32_t i = 0; i < count; ++i) to[i] = from[2 * i];
}
static void every_second_1(char* to, const char* from, int32_t count) {
  for (int32_t i = 0; i < count; ++i) to[i] = from[2 * i];
}
static void deal_4(uint32_t* even, uint32_t* odd, const uint32_t* from, int32_t count) {
  every_second_4(even, from, count);
  every_second_4(odd, from + 1, count);
}
static void deal_1(char* even, char* odd, const char* from, int32_t count) {
  every_second_1(even, from, count);
  every_second_1(odd, from + 1, count);
}
#endif

static inline void deal(char* even, char* odd, const char* from, int32_t count, int32_t size) {
  if (size == 4)
    deal_4((uint32_t*)(void*)even, (uint32_t*)(void*)odd, (const uint32_t*)(const void*)from, count);
  else
    deal_1(even, odd, from, count);
}

/* Every step-th element. */
static void copy_elements(char* to, const char* from, int32_t count, int32_t step, int32_t size) {
  if (step == 1) {
    memcpy(to, from, (size_t)count * (size_t)size);
  } else if (size == 4) {
    const uint32_t* in = (const uint32_t*)(const void*)from;
    uint32_t* out = (uint32_t*)(void*)to;
    if (step == 2)
      every_second_4(out, in, count);
    else
      for (int32_t i = 0; i < count; ++i) out[i] = in[(int64_t)i * step];
  } else if (step == 2) {
    every_second_1(to, from, count);
  } else {
    for (int32_t i = 0; i < count; ++i) to[i] = from[(int64_t)i * step];
  }
}

/* Elements [begin, end) of a row of y, none of which x has: element i is that at + i * step of a row of x
 * that wraps around, or, if row is NULL, the fill. */
static void copy_outside(const coppice_plane_copy_args* args, char* to, const char* row, int32_t at,
                         int32_t begin, int32_t end, int32_t size) {
  if (row) {
    for (int32_t i = begin; i < end; ++i)
      memcpy(to + (int64_t)i * size,
             row + (int64_t)coppice_wrapped(at + i * args->step_x, args->x.width) * size, (size_t)size);
  } else if (end - begin > 1) {
    memset(to + (int64_t)begin * size, size == 1 ? args->y.fill : 0, (size_t)(end - begin) * (size_t)size);
  } else if (begin < end) { /* mostly it is one */
    if (size == 1)
      to[begin] = (char)args->y.fill;
    else
      ((uint32_t*)(void*)to)[begin] = 0;
  }
}

/* Of each row of a plane of y: elements [begin, end) are in x. */
typedef struct copy_span {
  int32_t begin, end;
} copy_span;

/* How far around its pixels x has what y is filled with. */
static inline int32_t copy_rim(const coppice_plane_copy_args* args, int32_t size) {
  const coppice_plane* x = &args->x;
  return args->wrap || x->wrap || (size == 1 && x->fill != args->y.fill) ? 0 : x->halo;
}

static inline copy_span copy_span_of(const coppice_plane_copy_args* args, int32_t rim, int32_t j) {
  const int32_t at = args->left + j + rim, step = args->step_x, width = args->y.width;
  const int32_t end =
      plane_most(plane_least(floor_divided(args->x.width + 2 * rim - 1 - at, step) + 1, width), 0);
  const copy_span span = {plane_least(plane_most(-floor_divided(at, step), 0), end), end};
  return span;
}

/* Phases (i, j) and, if `both`, (i, j + 1) of a channel. */
static inline void copy_plane(const coppice_plane_copy_args* args, const coppice_run_state* rs,
                              const coppice_item* item, const plane_band* band, int32_t c, int32_t i,
                              int32_t j, int both, int32_t size) {
  const int32_t channel = args->y_channel + (c * args->phases + i) * args->phases + j;
  const int64_t x_pitch = coppice_plane_pitch(&args->x) * size,
                y_pitch = coppice_plane_pitch(&args->y) * size,
                next_phase = coppice_plane_area(&args->y) * size;
  const char* x = plane_pixels(&args->x, rs, item, args->x_channel + c * args->step_c, size);
  char* y = plane_row(&args->y, rs, item, channel, band->top, size);
  /* All rows have the same span: dividing for each would take longer than copying. */
  const int32_t rim = copy_rim(args, size), at = args->left + j, step = args->step_x, width = args->y.width;
  const copy_span span = copy_span_of(args, rim, j);
  for (int32_t v = band->top; v < band->bottom; ++v, y += y_pitch) {
    const int32_t row = args->top + v * args->step_y + i;
    const int32_t from = args->wrap ? coppice_wrapped(row, args->x.height) : row;
    if (from < -rim || from >= args->x.height + rim) {
      copy_outside(args, y, NULL, at, 0, width, size);
      if (both) copy_outside(args, y + next_phase, NULL, at, 0, width, size);
      continue;
    }
    const char* in = x + from * x_pitch;
    if (both) {
      deal(y, y + next_phase, in + (int64_t)at * size, width, size);
      continue;
    }
    if (span.begin < span.end)
      copy_elements(y + (int64_t)span.begin * size, in + ((int64_t)at + (int64_t)span.begin * step) * size,
                    span.end - span.begin, step, size);
    copy_outside(args, y, args->wrap ? in : NULL, at, 0, span.begin, size);
    copy_outside(args, y, args->wrap ? in : NULL, at, span.end, width, size);
  }
  for (int32_t p = 0; p <= both; ++p)
    plane_fill_halo(&args->y, plane_channel(&args->y, rs, item, channel + p, size), size, band);
}

/* Whether rows are cut into even and odd elements, all of which x has. */
static inline int copies_both(const coppice_plane_copy_args* args, int32_t size) {
  const int32_t rim = copy_rim(args, size);
  const copy_span even = copy_span_of(args, rim, 0), odd = copy_span_of(args, rim, 1);
  return args->phases == 2 && args->step_x == 2 && even.begin == 0 && even.end == args->y.width &&
         odd.begin == 0 && odd.end == args->y.width;
}

static inline void copy(const coppice_plane_copy_args* args, const coppice_run_state* rs,
                        const coppice_item* item, int32_t size) {
  const int both = copies_both(args, size);
  PLANE_BANDS(band, item, args->part_channels, args->channels, args->part_height, args->y.height)
  for (int32_t c = band.begin; c < band.end; ++c)
    for (int32_t i = 0; i < args->phases; ++i)
      for (int32_t j = 0; j < args->phases; j += 1 + both)
        copy_plane(args, rs, item, &band, c, i, j, both, size);
}

PLANE_KERNEL(copy_f32) { copy((const coppice_plane_copy_args*)args, rs, item, 4); }
PLANE_KERNEL(copy_i8) { copy((const coppice_plane_copy_args*)args, rs, item, 1); }

/* ---- samples side by side */

#ifndef TURN_TOGETHER
enum { kTurnTogether = 1 };
/* `kTurnTogether` numbers of as many rows at x become rows at y. */
static inline void turn_together(const float* x, int64_t x_row, float* y, int64_t y_row) {
  (void)x_row;
  (void)y_row;
  *y = *x;
}
#endif

PLANE_KERNEL(turn) {
  const coppice_plane_turn_args* a = (const coppice_plane_turn_args*)args;
  const plane_range range = plane_parts(item, a->part_channels, a->y.channels);
  const float* x = (const float*)(void*)plane_pixels(&a->x, rs, item, 0, 4);
  float* y = (float*)(void*)plane_pixels(&a->y, rs, item, 0, 4);
  const int64_t x_row = a->x.width, y_row = a->y.width;
  int32_t c = range.begin;
  for (; c + kTurnTogether <= range.end; c += kTurnTogether) {
    int32_t i = 0;
    for (; i + kTurnTogether <= a->y.width; i += kTurnTogether)
      turn_together(x + i * x_row + c, x_row, y + c * y_row + i, y_row);
    for (; i < a->y.width; ++i)
      for (int32_t k = 0; k < kTurnTogether; ++k) y[(c + k) * y_row + i] = x[i * x_row + c + k];
  }
  for (; c < range.end; ++c)
    for (int32_t i = 0; i < a->y.width; ++i) y[c * y_row + i] = x[i * x_row + c];
}

/* ---- the norm of a sample */

enum { kNormLanes = 16 };

/* Sums of x - shift and of its square over all pixels: a row at a time in floats, so that long sums lose
 * nothing. */
static void sums_around(const coppice_plane_norm_args* args, const coppice_run_state* rs,
                        const coppice_item* item, float shift, double* sum, double* square) {
  *sum = *square = 0.0;
  for (int32_t c = 0; c < args->x.channels; ++c) {
    const float* x = (const float*)(void*)plane_pixels(&args->x, rs, item, c, 4);
    for (int32_t v = 0; v < args->x.height; ++v, x += coppice_plane_pitch(&args->x)) {
      float ones[kNormLanes] = {0}, squares[kNormLanes] = {0};
      int32_t i = 0;
      for (; i + kNormLanes <= args->x.width; i += kNormLanes)
        for (int32_t l = 0; l < kNormLanes; ++l) {
          const float d = x[i + l] - shift;
          ones[l] += d;
          squares[l] += d * d;
        }
      for (int32_t l = 0; i + l < args->x.width; ++l) {
        const float d = x[i + l] - shift;
        ones[l] += d;
        squares[l] += d * d;
      }
      for (int32_t l = 0; l < kNormLanes; ++l) {
        *sum += (double)ones[l];
        *square += (double)squares[l];
      }
    }
  }
}

/* 1 / sqrt(v) for v > 0, by Newton's steps from the estimate that halving the exponent gives. */
static double inverse_root(double v) {
  union {
    double f;
    uint64_t i;
  } r;
  r.f = v;
  r.i = 0x5fe6eb50c7b537a9u - (r.i >> 1);
  for (int32_t i = 0; i < 5; ++i) r.f = r.f * (1.5 - 0.5 * v * r.f * r.f);
  return r.f;
}

/* The sums around the mean give the variance without cancellation, and by how much the mean is off, which is
 * kept beside it. As in training. */
PLANE_KERNEL(norm) {
  const coppice_plane_norm_args* a = (const coppice_plane_norm_args*)args;
  const double n = (double)a->x.channels * a->x.height * a->x.width;
  double sum, square;
  if (item->part_begin >= item->part_end) return;
  sums_around(a, rs, item, 0.0f, &sum, &square);
  const float mean = (float)(sum / n);
  sums_around(a, rs, item, mean, &sum, &square);
  const float lost = (float)(sum / n);
  const double variance = square / n - (double)lost * (double)lost;
  const float inverse = (float)inverse_root((variance < 0.0 ? 0.0 : variance) + (double)a->epsilon);
  const float *scale = a->scale, *shift = a->shift;
  const plane_band all = {0, a->y.channels, 0, a->y.height, 1};
  for (int32_t c = 0; c < a->y.channels; ++c) {
    const float* x = (const float*)(void*)plane_pixels(&a->x, rs, item, c, 4);
    float* y = (float*)(void*)plane_pixels(&a->y, rs, item, c, 4);
    for (int32_t v = 0; v < a->y.height; ++v) {
      SAME_ELEMENT for (int32_t i = 0; i < a->y.width; ++i) y[i] =
          ((x[i] - mean) - lost) * inverse * scale[i] + shift[i];
      x += coppice_plane_pitch(&a->x);
      y += coppice_plane_pitch(&a->y);
      scale += a->y.width;
      shift += a->y.width;
    }
    plane_fill_halo(&a->y, plane_channel(&a->y, rs, item, c, 4), 4, &all);
  }
}
