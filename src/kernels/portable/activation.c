/* SPDX-License-Identifier: Apache-2.0
 * Activations and their gradients: a = dy, and b = y or x, as the op's file says. Those of one
 * sample (rt/c/plane_maps.c) share the formulas of coppice_math.h. Gradients are finite for any finite input,
 * too, and pass NaN on. */
#include "map.h"

void KERNEL(tanh)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = coppice_tanhf(a[i]);
  })
}

void KERNEL(tanh_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[i] = a[i] * (1.0f - b[i] * b[i]); })
}

void KERNEL(silu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = coppice_siluf(a[i]);
  })
}

/* s * (1 + x * (1 - s)), s = sigmoid(x) and 1 - s = e^-x * s, which loses no digits where s is nearly 1. */
void KERNEL(silu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    const float x = coppice_clamp(b[i], COPPICE_SILU_END, -COPPICE_SILU_END);
    const float power = coppice_expf(-x);
    const float s = 1.0f / (1.0f + power);
    out[i] = a[i] * (s * (1.0f + x * (power * s)));
  })
}

void KERNEL(gelu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = coppice_geluf(a[i]);
  })
}

void KERNEL(gelu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    const float x = coppice_clamp(b[i], -10.0f, 10.0f);
    const float density = 0.39894228f * coppice_expf(-0.5f * x * x);
    out[i] = a[i] * (coppice_normal_below(x) + x * density);
  })
}

void KERNEL(gelu_tanh)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = coppice_gelu_tanhf(a[i]);
  })
}

void KERNEL(gelu_tanh_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    const float x = coppice_clamp(b[i], COPPICE_GELU_END, -COPPICE_GELU_END);
    const float square = x * x;
    const float power = coppice_expf(-x * (COPPICE_GELU_LINEAR + COPPICE_GELU_CUBIC * square));
    const float s = 1.0f / (1.0f + power);
    out[i] =
        a[i] * (s * (1.0f + x * (COPPICE_GELU_LINEAR + 3.0f * COPPICE_GELU_CUBIC * square) * (power * s)));
  })
}

void KERNEL(leaky_relu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float slope = ((const coppice_map_args*)raw)->parameter;
  MAP({
    (void)b;
    out[i] = coppice_leaky(a[i], a[i], slope);
  })
}

void KERNEL(leaky_relu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float slope = ((const coppice_map_args*)raw)->parameter;
  MAP({ out[i] = coppice_leaky(b[i], a[i], slope); })
}

void KERNEL(elu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float alpha = ((const coppice_map_args*)raw)->parameter;
  MAP({
    (void)b;
    out[i] = coppice_eluf(a[i], alpha);
  })
}

void KERNEL(elu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float alpha = ((const coppice_map_args*)raw)->parameter;
  MAP({ out[i] = a[i] * coppice_select(b[i] > 0.0f, 1.0f, alpha * coppice_expf(b[i])); })
}

void KERNEL(clip)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float low = ((const coppice_map_args*)raw)->low, high = ((const coppice_map_args*)raw)->high;
  MAP({
    (void)b;
    out[i] = coppice_clamp(a[i], low, high);
  })
}

void KERNEL(clip_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float low = ((const coppice_map_args*)raw)->low, high = ((const coppice_map_args*)raw)->high;
  MAP({ out[i] = coppice_select((b[i] <= low) | (b[i] >= high), 0.0f, a[i]); })
}

/* A number below 2^22 is rounded, halves to even, by what a float has room for beside 1.5 * 2^23. */
#define ROUND_SHIFT 12582912.0f

void KERNEL(fake_quantise)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float low = ((const coppice_map_args*)raw)->low, high = ((const coppice_map_args*)raw)->high;
  const float scale = ((const coppice_map_args*)raw)->parameter;
  MAP({
    (void)b;
    const float steps = coppice_clamp(a[i] / scale, low, high);
    out[i] = scale * ((steps + ROUND_SHIFT) - ROUND_SHIFT);
  })
}

void KERNEL(fake_quantise_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float low = ((const coppice_map_args*)raw)->low, high = ((const coppice_map_args*)raw)->high;
  const float scale = ((const coppice_map_args*)raw)->parameter;
  MAP({
    const float steps = b[i] / scale;
    out[i] = coppice_select((steps < low) | (steps > high), 0.0f, a[i]);
  })
}

void KERNEL(hard_sigmoid)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = coppice_hard_sigmoidf(a[i]);
  })
}

void KERNEL(hard_sigmoid_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[i] = coppice_select((b[i] <= 0.0f) | (b[i] >= 1.0f), 0.0f, a[i] * (1.0f / 6.0f)); })
}

void KERNEL(hard_swish)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = coppice_hard_swishf(a[i]);
  })
}

void KERNEL(hard_swish_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    const float inner = a[i] * (b[i] * (1.0f / 3.0f) + 0.5f);
    const float below = coppice_select(b[i] < -3.0f, 0.0f, inner);
    out[i] = coppice_select(b[i] > 3.0f, a[i], below);
  })
}

/* Products grow with depth, and padding columns are no data that a loss keeps small: they become 0. */
void KERNEL(mul)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    const int32_t column = i & (width - 1); /* the width is a power of two */
    out[i] = coppice_select(column < coppice_valid(rs, width, tile), a[i] * b[i], 0.0f);
  })
}

/* ---- prelu: the slope below 0 is trained */

#define SLOPE const float slope = slopes[(int64_t)c * step];

void KERNEL(prelu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float* slopes = ((const coppice_map_args*)raw)->slopes;
  const int32_t step = ((const coppice_map_args*)raw)->slope_step;
  MAP_CHANNELS(SLOPE, {
    (void)b;
    out[i] = coppice_leaky(a[i], a[i], slope);
  })
}

void KERNEL(prelu_dx)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float* slopes = ((const coppice_map_args*)raw)->slopes;
  const int32_t step = ((const coppice_map_args*)raw)->slope_step;
  MAP_CHANNELS(SLOPE, { out[i] = coppice_leaky(b[i], a[i], slope); })
}

/* sums[c] = sum of x * dy over the tile where x is not above 0; dy is 0 in padding columns. */
void KERNEL(prelu_sums)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_prelu_sums_args* args = (const coppice_prelu_sums_args*)raw;
  const coppice_extent e = args->extent;
  const int32_t width = args->x.width;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t count = e.height * e.width == 1 ? columns_of(rs, width, tile) : e.width * width;
    float* x_tile = coppice_tile(&args->x, rs, tile);
    float* dy_tile = coppice_tile(&args->dy, rs, tile);
    float* sums = coppice_tile(&args->sums, rs, tile);
    float lanes[16] = {0};
    for (int32_t c = 0; c < e.channels; ++c) {
      for (int32_t y = 0; y < e.height; ++y) {
        const float* x = coppice_pixel_row(&args->x, x_tile, e, c, y);
        const float* dy = coppice_pixel_row(&args->dy, dy_tile, e, c, y);
        for (int32_t i = 0; i < count; i += 16)
          for (int32_t s = 0; s < 16; ++s)
            lanes[s] += coppice_select(x[i + s] > 0.0f, 0.0f, x[i + s] * dy[i + s]);
      }
      if (args->slopes == 1 && c + 1 < e.channels) continue;
      sums[args->slopes == 1 ? 0 : c] = lane_sum(lanes);
      for (int32_t s = 0; s < 16; ++s) lanes[s] = 0.0f;
    }
  }
}
