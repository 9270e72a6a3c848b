/* SPDX-License-Identifier: Apache-2.0
 * Ops that map each element on its own. */
#include "map.h"

void KERNEL(copy)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = a[i];
  })
}

void KERNEL(relu)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = a[i] < 0.0f ? 0.0f : a[i];
  })
}

void KERNEL(relu_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[i] = b[i] > 0.0f ? a[i] : 0.0f; })
}

void KERNEL(sigmoid)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({
    (void)b;
    out[i] = coppice_sigmoidf(a[i]);
  })
}

void KERNEL(sigmoid_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  MAP({ out[i] = a[i] * b[i] * (1.0f - b[i]); })
}

void KERNEL(add)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float floor = ((const coppice_map_args*)raw)->activation ? 0.0f : -INFINITY;
  MAP({
    const float sum = a[i] + b[i];
    out[i] = sum < floor ? floor : sum;
  })
}

/* The finaliser of SplitMix64: a well mixed function of the counter, cheap enough for each element. */
static inline uint32_t mixed_bits(uint64_t counter) {
  counter = (counter ^ (counter >> 30)) * 0xbf58476d1ce4e5b9u;
  counter = (counter ^ (counter >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)(counter >> 32);
}

/* Inverted dropout: survivors are scaled by 1 / (1 - p). The mask is a function of (seed, stream, step,
 * sample, element), so the gradient draws it again instead of storing it. */
void KERNEL(dropout)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const float p = ((const coppice_map_args*)raw)->parameter;
  const uint64_t key = rs->seed * 0x9e3779b97f4a7c15u ^ ((const coppice_map_args*)raw)->stream ^
                       rs->step * 0xd1342543de82ef95u;
  const float scale = rs->training ? 1.0f / (1.0f - p) : 1.0f;
  const uint32_t bar = rs->training ? (uint32_t)(p * 4294967040.0f) : 0;
  MAP({
    (void)b;
    const uint64_t sample = (uint64_t)(rs->first_sample + tile * width + i % width);
    const uint64_t element = (uint64_t)((c * e.height + y) * e.width + i / width);
    out[i] = mixed_bits(key + (sample << 32 | element) * 0x9e3779b97f4a7c15u) >= bar ? a[i] * scale : 0.0f;
  })
}

/* Element e of the input is element e of the output; tile widths, shapes and halos may differ. */
void KERNEL(retile)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_retile_args* args = (const coppice_retile_args*)raw;
  const coppice_extent ie = args->in_extent, oe = args->out_extent;
  const int32_t from = args->in.width, to = args->out.width;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* out_tile = coppice_tile(&args->out, rs, tile);
    const int32_t columns = columns_of(rs, to, tile);
    for (int32_t s = 0; s < columns;) {
      const int32_t sample = tile * to + s, source = sample / from, column = sample % from;
      const int32_t run = from - column < columns - s ? from - column : columns - s;
      /* The last vector may reach past the tiles that exist; its columns are padding. */
      const int exists = source < coppice_tile_count(rs, from);
      float* in_tile = exists ? coppice_tile(&args->in, rs, source) : NULL;
      for (int32_t c = 0, element = 0; c < oe.channels; ++c)
        for (int32_t y = 0; y < oe.height; ++y)
          for (int32_t x = 0; x < oe.width; ++x, ++element) {
            float* out = coppice_pixel_row(&args->out, out_tile, oe, c, y) + (int64_t)x * to + s;
            if (!exists) {
              for (int32_t i = 0; i < run; ++i) out[i] = 0.0f;
              continue;
            }
            const int32_t pixels = ie.height * ie.width;
            const float* in =
                coppice_pixel_row(&args->in, in_tile, ie, element / pixels, element % pixels / ie.width) +
                (int64_t)(element % ie.width) * from + column;
            for (int32_t i = 0; i < run; ++i) out[i] = in[i];
          }
      s += run;
    }
    for (int32_t c = 0; c < oe.channels; ++c) coppice_fill_halo(&args->out, out_tile, oe, c);
  }
}

/* out(c, y, x) = in((c, y, x) * multiply + offset) / divide where that is whole and inside, else 0: strided
 * slices, padding, and the gradients of both. Only output channels [channel_begin, channel_end) are written
 * (concatenation). */
void KERNEL(window)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_window_args* args = (const coppice_window_args*)raw;
  const coppice_extent ie = args->in_extent, oe = args->out_extent;
  const int32_t width = args->out.width;
  const int32_t size[3] = {ie.channels, ie.height, ie.width};
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    float* in_tile = coppice_tile(&args->in, rs, tile);
    float* out_tile = coppice_tile(&args->out, rs, tile);
    for (int32_t c = args->channel_begin; c < args->channel_end; ++c) {
      for (int32_t y = 0; y < oe.height; ++y) {
        float* out = coppice_pixel_row(&args->out, out_tile, oe, c, y);
        for (int32_t x = 0; x < oe.width; ++x) {
          const int32_t at[3] = {c, y, x};
          int32_t from[3];
          int inside = 1;
          for (int32_t d = 0; d < 3; ++d) {
            const int32_t i = at[d] * args->multiply[d] + args->offset[d];
            from[d] = i / args->divide[d];
            inside = inside && i >= 0 && i % args->divide[d] == 0 && from[d] < size[d];
          }
          const float* in =
              inside ? coppice_pixel_row(&args->in, in_tile, ie, from[0], from[1]) + (int64_t)from[2] * width
                     : NULL;
          for (int32_t s = 0; s < width; ++s) out[(int64_t)x * width + s] = inside ? in[s] : 0.0f;
        }
      }
      coppice_fill_halo(&args->out, out_tile, oe, c);
    }
  }
}
