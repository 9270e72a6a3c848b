/* SPDX-License-Identifier: Apache-2.0
 * Activations and their gradients: a = dy, and b = y or x, as the op's file says. Each is finite for any
 * finite input, also where an exponential would overflow, and passes NaN on. */
#include "map.h"

/* A NaN stays. */
static inline float at_least(float x, float low) { return coppice_select(x < low, low, x); }

/* v, times the slope where `at` is not above 0. */
static inline float leaky(float at, float v, float slope) { return coppice_select(at > 0.0f, v, slope * v); }

void KERNEL(tanh)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = coppice_tanhf(a[i]);
  })
}

void KERNEL(tanh_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[i] = a[i] * (1.0f - b[i] * b[i]); })
}

/* Below this silu is 0 in all digits that matter, and e^-x still far from overflow. */
#define SILU_END (-80.0f)

void KERNEL(silu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    const float x = at_least(a[i], SILU_END);
    out[i] = x / (1.0f + coppice_expf(-x));
  })
}

/* s * (1 + x * (1 - s)), s = sigmoid(x) and 1 - s = e^-x * s, which loses no digits where s is nearly 1. */
void KERNEL(silu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    const float x = coppice_clamp(b[i], SILU_END, -SILU_END);
    const float power = coppice_expf(-x);
    const float s = 1.0f / (1.0f + power);
    out[i] = a[i] * (s * (1.0f + x * (power * s)));
  })
}

/* The probability that a normal number is below x. */
static inline float normal_below(float x) { return 0.5f + 0.5f * coppice_erff(x * 0.70710678f); }

void KERNEL(gelu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    const float x = at_least(a[i], -6.0f);
    out[i] = x * normal_below(x);
  })
}

void KERNEL(gelu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    const float x = coppice_clamp(b[i], -10.0f, 10.0f);
    const float density = 0.39894228f * coppice_expf(-0.5f * x * x);
    out[i] = a[i] * (normal_below(x) + x * density);
  })
}

/* 0.5 * (1 + tanh(u)) = 1 / (1 + e^-2u), u = sqrt(2 / pi) * (x + 0.044715 x^3): as silu with 2u in its
 * exponent. */
#define GELU_LINEAR 1.5957691216f /* 2 sqrt(2 / pi) */
#define GELU_CUBIC 0.0713548163f  /* times 0.044715 */
#define GELU_END (-10.0f)

void KERNEL(gelu_tanh)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    const float x = at_least(a[i], GELU_END);
    out[i] = x / (1.0f + coppice_expf(-x * (GELU_LINEAR + GELU_CUBIC * (x * x))));
  })
}

void KERNEL(gelu_tanh_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    const float x = coppice_clamp(b[i], GELU_END, -GELU_END);
    const float square = x * x;
    const float power = coppice_expf(-x * (GELU_LINEAR + GELU_CUBIC * square));
    const float s = 1.0f / (1.0f + power);
    out[i] = a[i] * (s * (1.0f + x * (GELU_LINEAR + 3.0f * GELU_CUBIC * square) * (power * s)));
  })
}

void KERNEL(leaky_relu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float slope = ((const coppice_map_args*)raw)->parameter;
  MAP({
    (void)b;
    out[i] = leaky(a[i], a[i], slope);
  })
}

void KERNEL(leaky_relu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float slope = ((const coppice_map_args*)raw)->parameter;
  MAP({ out[i] = leaky(b[i], a[i], slope); })
}

/* e^x - 1 is tanh(x / 2) * (e^x + 1), which loses no digits where e^x is nearly 1. */
void KERNEL(elu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float alpha = ((const coppice_map_args*)raw)->parameter;
  MAP({
    (void)b;
    const float x = a[i];
    out[i] = coppice_select(x > 0.0f, x, alpha * (coppice_tanhf(0.5f * x) * (coppice_expf(x) + 1.0f)));
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

/* relu6(x + 3) / 6 */
static inline float hard_gate(float x) { return coppice_clamp(x + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f); }

void KERNEL(hard_sigmoid)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = hard_gate(a[i]);
  })
}

void KERNEL(hard_sigmoid_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[i] = coppice_select((b[i] <= 0.0f) | (b[i] >= 1.0f), 0.0f, a[i] * (1.0f / 6.0f)); })
}

void KERNEL(hard_swish)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    /* Minus infinity times a gate of 0 would be NaN. */
    out[i] = at_least(a[i], -3.0f) * hard_gate(a[i]);
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
    out[i] = leaky(a[i], a[i], slope);
  })
}

void KERNEL(prelu_dx)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float* slopes = ((const coppice_map_args*)raw)->slopes;
  const int32_t step = ((const coppice_map_args*)raw)->slope_step;
  MAP_CHANNELS(SLOPE, { out[i] = leaky(b[i], a[i], slope); })
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
