/* SPDX-License-Identifier: Apache-2.0
 * What is done to each pixel on its own. Compiled for every instruction set (planes.h). */
#include "coppice_math.h"
#include "planes.h"

static int same_pitch(const coppice_plane* a, const coppice_plane* b) {
  return coppice_plane_pitch(a) == coppice_plane_pitch(b);
}

/* ---- sums and products */

typedef struct add_walk {
  plane_runs runs;
  int64_t a_pitch, b_pitch, y_pitch;
  int spread; /* b has one pixel for each channel */
} add_walk;

static add_walk add_walk_of(const coppice_plane_add_args* args, plane_band* band) {
  const coppice_plane *a = &args->a, *b = &args->b, *y = &args->y;
  const int spread = b->height == 1 && b->width == 1 && (y->height != 1 || y->width != 1);
  add_walk walk = {plane_runs_of(band, y, same_pitch(a, y) && (spread || same_pitch(b, y))),
                   coppice_plane_pitch(a), coppice_plane_pitch(b), coppice_plane_pitch(y), spread};
  plane_join(y, !spread && plane_dense(a, y) && plane_dense(b, y), band, &walk.runs);
  return walk;
}

static void add_channel_f32(const coppice_plane_add_args* args, const add_walk* walk, const float* a,
                            const float* b, float* y) {
  const plane_runs runs = walk->runs;
  const float low = args->low;
  for (int32_t run = 0; run < runs.count; ++run) {
    const float other = *b;
#define RUN(RESULT)                                        \
  SAME_ELEMENT for (int32_t i = 0; i < runs.length; ++i) { \
    const float s = RESULT;                                \
    y[i] = s < low ? low : s;                              \
  }
    if (walk->spread && args->product)
      RUN(a[i] * other)
    else if (walk->spread)
      RUN(a[i] + other)
    else if (args->product)
      RUN(a[i] * b[i])
    else
      RUN(a[i] + b[i])
#undef RUN
    a += walk->a_pitch;
    b += walk->spread ? 0 : walk->b_pitch;
    y += walk->y_pitch;
  }
}

PLANE_KERNEL(add_f32) {
  const coppice_plane_add_args* a = (const coppice_plane_add_args*)args;
  EACH_BAND(band, item, a) {
    const add_walk walk = add_walk_of(a, &band);
    for (int32_t c = band.begin; c < band.end; ++c) {
      add_channel_f32(a, &walk, (const float*)(void*)plane_row(&a->a, rs, item, c, band.top, 4),
                      (const float*)(void*)plane_row(&a->b, rs, item, c, walk.spread ? 0 : band.top, 4),
                      (float*)(void*)plane_row(&a->y, rs, item, c, band.top, 4));
      plane_fill_halo(&a->y, plane_channel(&a->y, rs, item, c, 4), 4, &band);
    }
  }
}

/* One run of pixels. b == NULL: it is `other` everywhere. Vector units have one of their own
 * (rt/simd/plane_maps.c). */
#ifndef ADD_RUN_I8
#define ADD_RUN_I8 add_run_i8
static void add_run_i8(const coppice_plane_add_args* args, const int8_t* a, const int8_t* b, int8_t other,
                       int8_t* y, int32_t count) {
  /* Copies: a byte that is stored might be of *args, as far as the compiler knows. */
  const int32_t by_a = args->multiplier_a, by_b = args->multiplier_b, shift = args->shift;
  const int32_t low = args->low_i8, high = args->high_i8;
  const int32_t offset = args->offset + (b ? 0 : other * by_b);
#define RUN(SUM)                                     \
  SAME_ELEMENT for (int32_t i = 0; i < count; ++i) { \
    int32_t s = (SUM) >> shift;                      \
    s = s < low ? low : s;                           \
    y[i] = (int8_t)(s > high ? high : s);            \
  }
  if (b)
    RUN(a[i] * by_a + b[i] * by_b + offset)
  else
    RUN(a[i] * by_a + offset)
#undef RUN
}
#endif

PLANE_KERNEL(add_i8) {
  const coppice_plane_add_args* args_of = (const coppice_plane_add_args*)args;
  EACH_BAND(band, item, args_of) {
    const add_walk walk = add_walk_of(args_of, &band);
    for (int32_t c = band.begin; c < band.end; ++c) {
      const int8_t* a = (const int8_t*)plane_row(&args_of->a, rs, item, c, band.top, 1);
      const int8_t* b = (const int8_t*)plane_row(&args_of->b, rs, item, c, walk.spread ? 0 : band.top, 1);
      int8_t* y = (int8_t*)plane_row(&args_of->y, rs, item, c, band.top, 1);
      for (int32_t run = 0; run < walk.runs.count; ++run)
        ADD_RUN_I8(args_of, a + run * walk.a_pitch, walk.spread ? NULL : b + run * walk.b_pitch, *b,
                   y + run * walk.y_pitch, walk.runs.length);
      plane_fill_halo(&args_of->y, plane_channel(&args_of->y, rs, item, c, 1), 1, &band);
    }
  }
}

/* ---- functions of one pixel */

enum { kTogether = 16 };

/* Pixels by sixteens, those at the end as well: compilers round differently in loops of vectors than in what
 * they put behind them, and how a plane is cut decides which pixels are at an end. */
static void map_sixteens_f32(const coppice_plane_map_args* args, const float* x, float* y, int32_t count) {
  const float p = args->p, q = args->q;
#define CASE(name, RESULT)                                                        \
  case COPPICE_FN_##name:                                                         \
    for (int32_t at = 0; at < count; at += kTogether)                             \
      SAME_ELEMENT for (int32_t i = at; i < at + kTogether; ++i) y[i] = (RESULT); \
    break;
  switch (args->function) {
    CASE(CLIP, coppice_clamp(x[i], p, q))
    CASE(LEAKY_RELU, coppice_leaky(x[i], x[i], p))
    CASE(ELU, coppice_eluf(x[i], p))
    CASE(SIGMOID, coppice_sigmoidf(x[i]))
    CASE(TANH, coppice_tanhf(x[i]))
    CASE(SILU, coppice_siluf(x[i]))
    CASE(GELU, coppice_geluf(x[i]))
    CASE(GELU_TANH, coppice_gelu_tanhf(x[i]))
    CASE(HARD_SIGMOID, coppice_hard_sigmoidf(x[i]))
    CASE(HARD_SWISH, coppice_hard_swishf(x[i]))
    default:
      break;
  }
#undef CASE
}

static void map_run_f32(const coppice_plane_map_args* args, const float* x, float* y, int32_t count) {
  const int32_t whole = count / kTogether * kTogether;
  map_sixteens_f32(args, x, y, whole);
  if (whole == count) return;
  float end[kTogether] = {0};
  memcpy(end, x + whole, (size_t)(count - whole) * sizeof(float));
  map_sixteens_f32(args, end, end, kTogether);
  memcpy(y + whole, end, (size_t)(count - whole) * sizeof(float));
}

PLANE_KERNEL(map_f32) {
  const coppice_plane_map_args* a = (const coppice_plane_map_args*)args;
  EACH_BAND(band, item, a) {
    plane_runs runs = plane_runs_of(&band, &a->y, same_pitch(&a->x, &a->y));
    plane_join(&a->y, plane_dense(&a->x, &a->y), &band, &runs);
    for (int32_t c = band.begin; c < band.end; ++c) {
      const float* x = (const float*)(void*)plane_row(&a->x, rs, item, c, band.top, 4);
      float* y = (float*)(void*)plane_row(&a->y, rs, item, c, band.top, 4);
      for (int32_t run = 0; run < runs.count; ++run)
        map_run_f32(a, x + run * coppice_plane_pitch(&a->x), y + run * coppice_plane_pitch(&a->y),
                    runs.length);
      plane_fill_halo(&a->y, plane_channel(&a->y, rs, item, c, 4), 4, &band);
    }
  }
}

PLANE_KERNEL(map_i8) {
  const coppice_plane_map_args* a = (const coppice_plane_map_args*)args;
  EACH_BAND(band, item, a) {
    plane_runs runs = plane_runs_of(&band, &a->y, same_pitch(&a->x, &a->y));
    plane_join(&a->y, plane_dense(&a->x, &a->y), &band, &runs);
    for (int32_t c = band.begin; c < band.end; ++c) {
      const int8_t* x = (const int8_t*)plane_row(&a->x, rs, item, c, band.top, 1);
      int8_t* y = (int8_t*)plane_row(&a->y, rs, item, c, band.top, 1);
      for (int32_t run = 0; run < runs.count; ++run) {
        for (int32_t i = 0; i < runs.length; ++i) y[i] = a->table[x[i] + 128];
        x += coppice_plane_pitch(&a->x);
        y += coppice_plane_pitch(&a->y);
      }
      plane_fill_halo(&a->y, plane_channel(&a->y, rs, item, c, 1), 1, &band);
    }
  }
}

PLANE_KERNEL(affine) {
  const coppice_plane_affine_args* a = (const coppice_plane_affine_args*)args;
  EACH_BAND(band, item, a) {
    const plane_runs runs = plane_runs_of(&band, &a->y, same_pitch(&a->x, &a->y));
    const float low = a->low;
    for (int32_t c = band.begin; c < band.end; ++c) {
      const float* x = (const float*)(void*)plane_row(&a->x, rs, item, c, band.top, 4);
      float* y = (float*)(void*)plane_row(&a->y, rs, item, c, band.top, 4);
      /* Multiplying by 1 and adding 0 change nothing that matters. */
      const float slope = a->slope ? a->slope[c] : 1.0f, scale = a->scale ? a->scale[c] : 1.0f;
      const float shift = a->shift ? a->shift[c] : 0.0f;
      for (int32_t run = 0; run < runs.count; ++run) {
        SAME_ELEMENT for (int32_t i = 0; i < runs.length; ++i) {
          const float s = scale * coppice_select(x[i] < 0.0f, x[i] * slope, x[i]) + shift;
          y[i] = s < low ? low : s;
        }
        x += coppice_plane_pitch(&a->x);
        y += coppice_plane_pitch(&a->y);
      }
      plane_fill_halo(&a->y, plane_channel(&a->y, rs, item, c, 4), 4, &band);
    }
  }
}

/* ---- between floats and integers */

/* Adding it to a float within 2^22 of 0 rounds to an integer, halves to even, and leaves that in the lowest
 * bits. */
#define ROUNDER 12582912.0f

static void quantise_run(const float* x, int8_t* y, int32_t count, float by, int32_t zero_point) {
  const float low = (float)(-128 - zero_point), high = (float)(127 - zero_point);
  for (int32_t i = 0; i < count; ++i) {
    union {
      float f;
      int32_t i;
    } rounded;
    float v = x[i] * by;
    v = coppice_select(v == v, v, 0.0f);
    /* Between product and sum, so that no compiler joins them to one that rounds once. */
    rounded.f = coppice_clamp(v, low, high) + ROUNDER;
    y[i] = (int8_t)(rounded.i - 0x4b400000 + zero_point);
  }
}

PLANE_KERNEL(quantise) {
  const coppice_plane_quantise_args* a = (const coppice_plane_quantise_args*)args;
  EACH_BAND(band, item, a) {
    plane_runs runs = plane_runs_of(&band, &a->y, same_pitch(&a->x, &a->y));
    plane_join(&a->y, plane_dense(&a->x, &a->y), &band, &runs);
    for (int32_t c = band.begin; c < band.end; ++c) {
      const float* x = (const float*)(void*)plane_row(&a->x, rs, item, c, band.top, 4);
      int8_t* y = (int8_t*)plane_row(&a->y, rs, item, c, band.top, 1);
      for (int32_t run = 0; run < runs.count; ++run)
        quantise_run(x + run * coppice_plane_pitch(&a->x), y + run * coppice_plane_pitch(&a->y), runs.length,
                     a->inverse_scale, a->zero_point);
      plane_fill_halo(&a->y, plane_channel(&a->y, rs, item, c, 1), 1, &band);
    }
  }
}

PLANE_KERNEL(dequantise) {
  const coppice_plane_quantise_args* a = (const coppice_plane_quantise_args*)args;
  EACH_BAND(band, item, a) {
    plane_runs runs = plane_runs_of(&band, &a->y, same_pitch(&a->x, &a->y));
    plane_join(&a->y, plane_dense(&a->x, &a->y), &band, &runs);
    const float scale = a->scale;
    const int32_t zero_point = a->zero_point;
    for (int32_t c = band.begin; c < band.end; ++c) {
      const int8_t* x = (const int8_t*)plane_row(&a->x, rs, item, c, band.top, 1);
      float* y = (float*)(void*)plane_row(&a->y, rs, item, c, band.top, 4);
      for (int32_t run = 0; run < runs.count; ++run) {
        for (int32_t i = 0; i < runs.length; ++i) y[i] = (float)(x[i] - zero_point) * scale;
        x += coppice_plane_pitch(&a->x);
        y += coppice_plane_pitch(&a->y);
      }
      plane_fill_halo(&a->y, plane_channel(&a->y, rs, item, c, 4), 4, &band);
    }
  }
}
