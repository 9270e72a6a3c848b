/* SPDX-License-Identifier: Apache-2.0
 * Steps without products of matrices, and the walk over all steps. */
#include <string.h>

#include "coppice_kernels.h"
#include "steps.h"

static const coppice_cpk_value* value_of(const coppice_builder* b, int32_t value) {
  return value < 0 || value >= b->image->values_total ? NULL : b->image->values + value;
}

static coppice_cpk_type type_of(const coppice_builder* b, int32_t value) {
  const coppice_cpk_value* v = value_of(b, value);
  return v ? (coppice_cpk_type)v->type : COPPICE_CPK_F32;
}

static int same_size(const coppice_plane* a, const coppice_plane* b) {
  return a->channels == b->channels && a->height == b->height && a->width == b->width;
}

static int64_t area_of(const coppice_plane* p) { return (int64_t)p->height * p->width; }

/* Of a step that does little to each number that it reads or writes: moving one costs as much as this many
 * products of a convolution. */
static coppice_cut cut_of(const coppice_builder* b, int32_t channels, int32_t height, int64_t numbers) {
  enum { kProducts = 16 };
  return coppice_cut_of(b, channels, height, numbers * kProducts);
}

static coppice_cut cut_of_plane(const coppice_builder* b, const coppice_plane* y) {
  return cut_of(b, y->channels, y->height, y->channels * area_of(y));
}

static coppice_kernel kernel_of(coppice_cpk_type type, coppice_kernel floats, coppice_kernel integers) {
  return type == COPPICE_CPK_I8 ? integers : floats;
}

/* x and y of the same type; *type: which. */
static int both(coppice_builder* b, const coppice_cpk_step* step, coppice_cpk_type* type, coppice_plane* x,
                coppice_plane* y) {
  *type = type_of(b, step->a);
  return coppice_plane_at(b, step->a, *type, x) && coppice_plane_at(b, step->y, *type, y);
}

#define KERNEL(b, name) ((b)->kernels ? (b)->kernels->name : NULL)

int coppice_pool_step(coppice_builder* b, const coppice_cpk_step* step) {
  const coppice_cpk_pool* pool = &step->as.pool;
  const int maximum = (step->flags & COPPICE_CPK_MAXIMUM) != 0;
  const coppice_cpk_type type = type_of(b, step->a), out = maximum ? type : COPPICE_CPK_F32;
  coppice_plane x, y;
  if (!coppice_plane_at(b, step->a, type, &x) || !coppice_plane_at(b, step->y, out, &y)) return 0;
  const int16_t kernel[2] = {pool->kernel_y, pool->kernel_x}, stride[2] = {pool->stride_y, pool->stride_x},
                padding[2] = {pool->padding_y, pool->padding_x};
  const int32_t from[2] = {x.height, x.width}, to[2] = {y.height, y.width};
  for (int i = 0; i < 2; ++i) {
    if (kernel[i] < 1 || stride[i] < 1 || padding[i] < 0 || padding[i] >= kernel[i])
      return coppice_refuse(b, "its window makes no sense");
    /* The last window begins inside the picture, so that each has a pixel. */
    if ((int64_t)(to[i] - 1) * stride[i] - padding[i] >= from[i])
      return coppice_refuse(b, "its windows reach out of their planes");
  }
  if (x.channels != y.channels) return coppice_refuse(b, "it reads fewer or more channels than it writes");
  coppice_plane_pool_args args = {.x = x,
                                  .y = y,
                                  .kernel = {kernel[0], kernel[1]},
                                  .stride = {stride[0], stride[1]},
                                  .padding = {padding[0], padding[1]},
                                  .maximum = maximum,
                                  .count_padding = (step->flags & COPPICE_CPK_COUNT_PADDING) != 0,
                                  .scale = b->image->values[step->a].scale};
  const coppice_cut cut = cut_of(b, y.channels, y.height, x.channels * area_of(&x));
  args.part_channels = cut.units;
  args.part_height = cut.height;
  coppice_put_call(b, kernel_of(type, KERNEL(b, pool_f32), KERNEL(b, pool_i8)), &args, (int64_t)sizeof args,
                   cut.parts, 0);
  return 1;
}

/* Sums of integers stay within 32 bits, whatever the numbers are. */
static int sum_fits(const coppice_cpk_sum* s) {
  const int64_t a = s->multiplier_a < 0 ? -(int64_t)s->multiplier_a : s->multiplier_a,
                other = s->multiplier_b < 0 ? -(int64_t)s->multiplier_b : s->multiplier_b,
                offset = s->offset < 0 ? -(int64_t)s->offset : s->offset;
  return s->shift >= 1 && s->shift <= 30 && 128 * (a + other) + offset <= INT32_MAX;
}

int coppice_add_step(coppice_builder* b, const coppice_cpk_step* step) {
  const coppice_cpk_sum* sum = &step->as.sum;
  const int product = (step->flags & COPPICE_CPK_PRODUCT) != 0;
  coppice_cpk_type type;
  coppice_plane a, y, other;
  if (!both(b, step, &type, &a, &y) || !coppice_plane_at(b, step->b, type, &other)) return 0;
  const int spread = type == COPPICE_CPK_F32 && other.channels == y.channels && area_of(&other) == 1;
  if (!same_size(&a, &y) || (!same_size(&other, &y) && !spread))
    return coppice_refuse(b, "what it joins is of different sizes");
  if (type == COPPICE_CPK_I8 && (product || !sum_fits(sum) || step->low_i8 < INT8_MIN ||
                                 step->high_i8 > INT8_MAX || step->low_i8 > step->high_i8))
    return coppice_refuse(b, "its multipliers, shift or limits make no sense");
  const coppice_cut cut = cut_of_plane(b, &y);
  coppice_plane_add_args args = {a,
                                 other,
                                 y,
                                 product,
                                 step->low,
                                 sum->multiplier_a,
                                 sum->multiplier_b,
                                 sum->offset,
                                 sum->shift,
                                 step->low_i8,
                                 step->high_i8,
                                 cut.units,
                                 cut.height};
  coppice_put_call(b, kernel_of(type, KERNEL(b, add_f32), KERNEL(b, add_i8)), &args, (int64_t)sizeof args,
                   cut.parts, 0);
  return 1;
}

int coppice_map_step(coppice_builder* b, const coppice_cpk_step* step) {
  const coppice_cpk_map* map = &step->as.map;
  coppice_cpk_type type;
  coppice_plane x, y;
  if (!both(b, step, &type, &x, &y)) return 0;
  if (!same_size(&x, &y)) return coppice_refuse(b, "it reads and writes different sizes");
  const coppice_cut cut = cut_of_plane(b, &y);
  coppice_plane_map_args args = {x, y, map->function, map->p, map->q, NULL, cut.units, cut.height};
  int64_t at = (int64_t)step->data * 4;
  if (type == COPPICE_CPK_I8) {
    args.table = (const int8_t*)coppice_array(b, &at, 256, 1, 1);
    if (!args.table) return 0;
  } else if (map->function < 0 || map->function >= COPPICE_FN_COUNT) {
    return coppice_refuse(b, "its function is unknown");
  }
  coppice_put_call(b, kernel_of(type, KERNEL(b, map_f32), KERNEL(b, map_i8)), &args, (int64_t)sizeof args,
                   cut.parts, 0);
  return 1;
}

/* Arrays: scale, shift and slope, each float [channels]. */
int coppice_affine_step(coppice_builder* b, const coppice_cpk_step* step) {
  coppice_plane x, y;
  if (!coppice_plane_at(b, step->a, COPPICE_CPK_F32, &x) ||
      !coppice_plane_at(b, step->y, COPPICE_CPK_F32, &y))
    return 0;
  if (!same_size(&x, &y)) return coppice_refuse(b, "it reads and writes different sizes");
  int64_t at = (int64_t)step->data * 4;
  const float* scale = (const float*)coppice_array(b, &at, x.channels, 4, 4);
  const float* shift = (const float*)coppice_array(b, &at, x.channels, 4, 4);
  const float* slope = (const float*)coppice_array(b, &at, x.channels, 4, 4);
  if (b->what) return 0;
  const coppice_cut cut = cut_of_plane(b, &y);
  const coppice_plane_affine_args args = {x, y, scale, shift, slope, step->low, cut.units, cut.height};
  coppice_put_call(b, KERNEL(b, affine), &args, (int64_t)sizeof args, cut.parts, 0);
  return 1;
}

/* Arrays: scale and shift, each float [numbers]. */
int coppice_norm_step(coppice_builder* b, const coppice_cpk_step* step) {
  coppice_plane x, y;
  if (!coppice_plane_at(b, step->a, COPPICE_CPK_F32, &x) ||
      !coppice_plane_at(b, step->y, COPPICE_CPK_F32, &y))
    return 0;
  if (!same_size(&x, &y)) return coppice_refuse(b, "it reads and writes different sizes");
  if (!(step->as.epsilon > 0.0f)) return coppice_refuse(b, "its epsilon is not above 0");
  const int64_t numbers = x.channels * area_of(&x);
  int64_t at = (int64_t)step->data * 4;
  const float* scale = (const float*)coppice_array(b, &at, numbers, 4, 4);
  const float* shift = (const float*)coppice_array(b, &at, numbers, 4, 4);
  if (b->what) return 0;
  const coppice_plane_norm_args args = {x, y, scale, shift, step->as.epsilon};
  coppice_put_call(b, KERNEL(b, norm), &args, (int64_t)sizeof args, 1, 0);
  return 1;
}

/* Coordinates, which kernels compute in 32 bits, stay small; pixels that are not there are filled. */
int coppice_copy_step(coppice_builder* b, const coppice_cpk_step* step) {
  enum { kFar = 1 << 28, kMostStep = 64 };
  const coppice_cpk_copy* c = &step->as.copy;
  coppice_cpk_type type;
  coppice_plane x, y;
  if (!both(b, step, &type, &x, &y)) return 0;
  if (c->phases < 1 || c->phases > kMostStep || c->step_c < 1 || c->step_c > COPPICE_CPK_LARGEST_AXIS ||
      c->step_y < 1 || c->step_y > kMostStep || c->step_x < 1 || c->step_x > kMostStep || c->channels < 1 ||
      c->top < -kFar || c->top > kFar || c->left < -kFar || c->left > kFar)
    return coppice_refuse(b, "its window makes no sense");
  const int64_t written = (int64_t)c->channels * c->phases * c->phases;
  if (c->x_channel < 0 || c->x_channel + (int64_t)(c->channels - 1) * c->step_c >= x.channels ||
      c->y_channel < 0 || c->y_channel + written > y.channels)
    return coppice_refuse(b, "it copies channels that are not there");
  const coppice_cut cut = cut_of(b, c->channels, y.height, written * area_of(&y));
  coppice_plane_copy_args args = {
      x,         y,         c->x_channel, c->step_c, c->y_channel, c->channels,
      c->top,    c->left,   c->step_y,    c->step_x, c->phases,    (step->flags & COPPICE_CPK_WRAP) != 0,
      cut.units, cut.height};
  coppice_put_call(b, kernel_of(type, KERNEL(b, copy_f32), KERNEL(b, copy_i8)), &args, (int64_t)sizeof args,
                   cut.parts, 0);
  return 1;
}

int coppice_convert_step(coppice_builder* b, const coppice_cpk_step* step) {
  const coppice_cpk_type from = type_of(b, step->a),
                         to = from == COPPICE_CPK_I8 ? COPPICE_CPK_F32 : COPPICE_CPK_I8;
  coppice_plane x, y;
  if (!coppice_plane_at(b, step->a, from, &x) || !coppice_plane_at(b, step->y, to, &y)) return 0;
  if (!same_size(&x, &y)) return coppice_refuse(b, "it reads and writes different sizes");
  const coppice_cpk_value* integers = b->image->values + (from == COPPICE_CPK_I8 ? step->a : step->y);
  const coppice_cut cut = cut_of_plane(b, &y);
  const coppice_plane_quantise_args args = {
      x, y, integers->scale, 1.0f / integers->scale, integers->zero_point, cut.units, cut.height};
  coppice_put_call(b, from == COPPICE_CPK_I8 ? KERNEL(b, dequantise) : KERNEL(b, quantise), &args,
                   (int64_t)sizeof args, cut.parts, 0);
  return 1;
}

int coppice_turn_step(coppice_builder* b, const coppice_cpk_step* step) {
  coppice_plane x, y;
  if (!coppice_plane_at(b, step->a, COPPICE_CPK_F32, &x) ||
      !coppice_plane_at(b, step->y, COPPICE_CPK_F32, &y))
    return 0;
  if (x.channels != y.width || x.width != y.channels || x.height != 1 || y.height != 1 || x.halo != 0 ||
      y.halo != 0)
    return coppice_refuse(b, "it turns a value into one of another size");
  const coppice_cut cut = cut_of(b, y.channels, 1, y.channels * area_of(&y));
  const coppice_plane_turn_args args = {x, y, cut.units};
  coppice_put_call(b, KERNEL(b, turn), &args, (int64_t)sizeof args, cut.parts, 0);
  return 1;
}

static int build_step(coppice_builder* b, const coppice_cpk_step* step) {
  const coppice_cpk_value* y = value_of(b, step->y);
  if (!y) return coppice_refuse(b, "it names a value that is not there");
  if (y->kind == COPPICE_CPK_INPUT || y->kind == COPPICE_CPK_CONST)
    return coppice_refuse(b, "it would change an input or a constant");
  if (step->flags > COPPICE_CPK_FLAGS || step->reserved != 0)
    return coppice_refuse(b, "it has flags that are unknown");
  switch (step->op) {
    case COPPICE_CPK_LINEAR:
      return coppice_linear_step(b, step);
    case COPPICE_CPK_CONV:
      return coppice_conv_step(b, step);
    case COPPICE_CPK_POOL:
      return coppice_pool_step(b, step);
    case COPPICE_CPK_ADD:
      return coppice_add_step(b, step);
    case COPPICE_CPK_MAP:
      return coppice_map_step(b, step);
    case COPPICE_CPK_AFFINE:
      return coppice_affine_step(b, step);
    case COPPICE_CPK_NORM:
      return coppice_norm_step(b, step);
    case COPPICE_CPK_COPY:
      return coppice_copy_step(b, step);
    case COPPICE_CPK_CONVERT:
      return coppice_convert_step(b, step);
    case COPPICE_CPK_TURN:
      return coppice_turn_step(b, step);
    default:
      return coppice_refuse(b, "its op is unknown");
  }
}

int coppice_build_steps(coppice_builder* b) {
  const int32_t count = b->image->steps_total;
  b->part = "step";
  for (b->index = 0; b->index < count; ++b->index)
    if (!build_step(b, b->image->steps + b->index)) return 0;
  return 1;
}
