/* SPDX-License-Identifier: Apache-2.0
 * Convolution forward on blocks in plain C: the twin that every fast kernel is tested against. */
#include "coppice_halo.h"
#include "plain_kernels.h"

enum { kSamples = 16 };

/* One weight over all pixels of an output; `out` is the inner first pixel of its plane. */
static void add_weight(const coppice_conv_blocks* f, float w, const float* in, float* out, int64_t out_row) {
  for (int32_t y = 0; y < f->y_height; ++y)
    for (int32_t x = 0; x < f->y_width; ++x) {
      const float* from = in + ((int64_t)y * f->x_row_step + (int64_t)x * f->stride) * kSamples;
      float* to = out + y * out_row + (int64_t)x * kSamples;
      for (int32_t s = 0; s < kSamples; ++s) to[s] += w * from[s];
    }
}

static void conv_output(const coppice_conv_args* a, const coppice_run_state* rs, int32_t output,
                        int32_t tile) {
  const coppice_conv_blocks* f = (const coppice_conv_blocks*)a->weights;
  const int32_t halo = a->y.halo, block_row = output / f->r;
  const int64_t row = (int64_t)(f->y_width + 2 * halo) * kSamples, plane = (f->y_height + 2 * halo) * row;
  float* out = coppice_tile(&a->y, rs, tile) + output * plane;
  float* inner = out + halo * row + (int64_t)halo * kSamples;
  for (int64_t i = 0; i < plane; ++i) out[i] = a->bias ? a->bias[output] : 0.0f;
  for (int32_t k = *coppice_conv_tap_starts(f, block_row, 0);
       k < *coppice_conv_tap_starts(f, block_row + 1, 0); ++k)
    add_weight(f, f->value[(int64_t)k * f->r + output % f->r], coppice_tile(&a->x, rs, tile) + f->offset[k],
               inner, row);
  if (a->activation == COPPICE_ACT_RELU)
    for (int64_t i = 0; i < plane; ++i) out[i] = out[i] < 0 ? 0.0f : out[i];
  coppice_fill_halo(out, f->y_height, f->y_width, kSamples, halo, a->y.wrap);
}

void coppice_conv_blocks_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_conv_args* a = (const coppice_conv_args*)args;
  const coppice_conv_blocks* f = (const coppice_conv_blocks*)a->weights;
  const int32_t step = f->part_block_rows * f->r;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
    for (int32_t o = item->part_begin * step; o < item->part_end * step && o < f->rows; ++o)
      if (coppice_valid(rs, kSamples, tile) > 0) conv_output(a, rs, o, tile);
}
