/* SPDX-License-Identifier: Apache-2.0
 * Convolution forward in plain C: the twin that every fast kernel is tested against. */
#include "coppice_halo.h"
#include "plain_kernels.h"

enum { kSamples = 16 };

/* One weight over all pixels of its gather; `out` is the inner first pixel of its row. */
static void add_weight(const coppice_gather* g, float w, const float* in, float* out, int64_t out_row) {
  for (int32_t y = 0; y < g->height; ++y)
    for (int32_t x = 0; x < g->width; ++x) {
      const float* from = in + ((int64_t)y * g->in_row_step + (int64_t)x * g->in_column_step) * kSamples;
      float* to =
          out + (int64_t)(y * g->out_step + g->out_y) * out_row + (x * g->out_step + g->out_x) * kSamples;
      for (int32_t s = 0; s < kSamples; ++s) to[s] += w * from[s];
    }
}

static void add_panel(const coppice_gather* g, int32_t panel, const float* in, float* out, int64_t out_plane,
                      int64_t out_row) {
  const int32_t first = panel * (g->blocks + 1), last = first + g->blocks;
  int32_t k = g->weight_start[first];
  for (int32_t s = g->segment_start[first]; s < g->segment_start[last]; ++s) {
    float* plane = out + (int64_t)g->segments[s].row * out_plane;
    for (const int32_t end = k + g->segments[s].count; k < end; ++k)
      add_weight(g, g->value[k], in + g->offset[k], plane, out_row);
  }
}

static void conv_panel(const coppice_conv_args* a, const coppice_run_state* rs, int32_t panel, int32_t tile) {
  const coppice_conv_weights* w = (const coppice_conv_weights*)a->weights;
  const int32_t halo = a->y.halo;
  const int64_t row = (int64_t)(w->out_width + 2 * halo) * kSamples, plane = (w->out_height + 2 * halo) * row;
  const int32_t first = panel * w->gather->panel_rows;
  const int32_t end =
      first + w->gather->panel_rows < w->out_channels ? first + w->gather->panel_rows : w->out_channels;
  float* out = coppice_tile(&a->y, rs, tile) + first * plane;
  float* inner = out + halo * row + (int64_t)halo * kSamples;
  for (int32_t c = first; c < end; ++c)
    for (int64_t i = 0; i < plane; ++i) out[(c - first) * plane + i] = a->bias ? a->bias[c] : 0.0f;
  for (int32_t g = 0; g < w->gathers; ++g)
    add_panel(w->gather + g, panel, coppice_tile(&a->x, rs, tile), inner, plane, row);
  for (int32_t c = first; c < end; ++c, out += plane) {
    if (a->activation == COPPICE_ACT_RELU)
      for (int64_t i = 0; i < plane; ++i) out[i] = out[i] < 0 ? 0.0f : out[i];
    coppice_fill_halo(out, w->out_height, w->out_width, kSamples, halo, a->y.wrap);
  }
}

void coppice_conv_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  for (int32_t panel = item->part_begin; panel < item->part_end; ++panel)
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
      if (coppice_valid(rs, kSamples, tile) > 0) conv_panel((const coppice_conv_args*)args, rs, panel, tile);
}
