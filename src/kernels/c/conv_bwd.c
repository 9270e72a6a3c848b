/* SPDX-License-Identifier: Apache-2.0
 * Convolution backward in plain C: dX and the gradient of the live weights, weight by weight. */
#include "coppice_halo.h"
#include "kernels/c/plain.h"

enum { kSamples = 16 };

/* A value with the shape of dx, at the first row of a panel of one tile. */
typedef struct planes {
  float* base; /* NULL: not there */
  int64_t plane, row;
  int32_t halo;
} planes;

static planes planes_of(const coppice_conv_weights* w, const coppice_tiled* value,
                        const coppice_run_state* rs, int32_t first_row, int32_t tile) {
  if (!value->width) return (planes){NULL, 0, 0, 0};
  const int64_t row = (int64_t)(w->out_width + 2 * value->halo) * kSamples;
  const int64_t plane = (w->out_height + 2 * value->halo) * row;
  return (planes){coppice_tile(value, rs, tile) + first_row * plane, plane, row, value->halo};
}

static float* pixel(const planes* p, int32_t row, int32_t y, int32_t x) {
  return p->base + row * p->plane + (y + p->halo) * p->row + (int64_t)(x + p->halo) * kSamples;
}

/* One weight over all pixels of its gather: adds to dx and returns its gradient. */
static float visit_weight(const coppice_gather* g, int32_t row, float w, const float* dy, const planes* x,
                          const planes* dx) {
  float lanes[kSamples] = {0}, sum = 0;
  for (int32_t py = 0; py < g->height; ++py)
    for (int32_t px = 0; px < g->width; ++px) {
      const int32_t out_y = py * g->out_step + g->out_y, out_x = px * g->out_step + g->out_x;
      const float* from = dy + ((int64_t)py * g->in_row_step + (int64_t)px * g->in_column_step) * kSamples;
      const float* in = pixel(x, row, out_y, out_x);
      for (int32_t s = 0; s < kSamples; ++s) lanes[s] += in[s] * from[s];
      if (!dx->base) continue;
      float* to = pixel(dx, row, out_y, out_x);
      for (int32_t s = 0; s < kSamples; ++s) to[s] += w * from[s];
    }
  for (int32_t s = 0; s < kSamples; ++s) sum += lanes[s];
  return sum;
}

static void begin_planes(const coppice_conv_weights* w, const planes* dx, const planes* addend,
                         int32_t rows) {
  for (int32_t row = 0; dx->base && row < rows; ++row)
    for (int32_t y = 0; y < w->out_height; ++y)
      for (int32_t i = 0; i < w->out_width * kSamples; ++i)
        pixel(dx, row, y, 0)[i] = addend->base ? pixel(addend, row, y, 0)[i] : 0;
}

static void end_planes(const coppice_conv_weights* w, const planes* dx, const planes* mask, int32_t rows,
                       int32_t wrap) {
  for (int32_t row = 0; row < rows; ++row) {
    for (int32_t y = 0; mask->base && y < w->out_height; ++y)
      for (int32_t i = 0; i < w->out_width * kSamples; ++i)
        if (!(pixel(mask, row, y, 0)[i] > 0)) pixel(dx, row, y, 0)[i] = 0;
    coppice_fill_halo(dx->base + row * dx->plane, w->out_height, w->out_width, kSamples, dx->halo, wrap);
  }
}

static void panel_tile(const coppice_conv_bwd_args* a, const coppice_run_state* rs, int32_t panel,
                       int32_t tile, float* gradient, int add) {
  const coppice_conv_weights* w = a->weights;
  const int32_t panel_rows = w->gather->panel_rows, first = panel * panel_rows;
  const int32_t rows = first + panel_rows < w->out_channels ? panel_rows : w->out_channels - first;
  const float* dy = coppice_tile(&a->dy, rs, tile);
  const planes x = planes_of(w, &a->x, rs, first, tile), dx = planes_of(w, &a->dx, rs, first, tile);
  const planes addend = planes_of(w, &a->addend, rs, first, tile);
  const planes mask = planes_of(w, &a->mask, rs, first, tile);
  begin_planes(w, &dx, &addend, rows);
  for (int32_t i = 0; i < w->gathers; ++i) {
    const coppice_gather* g = w->gather + i;
    const int32_t begin = panel * (g->blocks + 1), end = begin + g->blocks;
    int32_t k = g->weight_start[begin];
    for (int32_t s = g->segment_start[begin]; s < g->segment_start[end]; ++s)
      for (const int32_t last = k + g->segments[s].count; k < last; ++k, ++gradient) {
        const float sum = visit_weight(g, g->segments[s].row, g->value[k], dy + g->offset[k], &x, &dx);
        *gradient = add ? *gradient + sum : sum;
      }
  }
  if (dx.base) end_planes(w, &dx, &mask, rows, a->dx.wrap);
}

void coppice_conv_bwd_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_conv_bwd_args* a = (const coppice_conv_bwd_args*)args;
  for (int32_t panel = item->part_begin; panel < item->part_end; ++panel)
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
      if (coppice_valid(rs, kSamples, tile) == 0) continue;
      float* gradient = a->gradient ? a->gradient + a->part_start[panel] : (float*)item->scratch;
      if (a->tile_gradients.width)
        panel_tile(a, rs, panel, tile, coppice_tile(&a->tile_gradients, rs, tile) + a->part_start[panel], 0);
      else
        panel_tile(a, rs, panel, tile, gradient, (a->gradient && rs->accumulate) || tile > item->tile_begin);
    }
}

void coppice_tile_sum_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_tile_sum_args* a = (const coppice_tile_sum_args*)args;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = a->part_start[part];
    float* gradient = a->gradient ? a->gradient + begin : (float*)item->scratch;
    for (int32_t i = begin; i < a->part_start[part + 1]; ++i, ++gradient) {
      float sum = a->gradient && rs->accumulate ? *gradient : 0;
      for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
        sum += coppice_tile(&a->tiles, rs, tile)[i];
      *gradient = sum;
    }
  }
}
