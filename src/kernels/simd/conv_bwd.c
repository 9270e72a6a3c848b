/* SPDX-License-Identifier: Apache-2.0
 * Convolution backward in one pass: each gathered vector of dY feeds two FMAs, one into dX and one into the
 * gradient of its weight. The 16 sums of a weight stay in memory over all pixels and tiles, a load and a
 * store instead of a sum over lanes. */
#include "conv_tiles.h"
#include "coppice_halo.h"
#include "train_simd.h"

INLINE void visit_weight(vec* dx, const vec* x, float w, const float* in, float* lanes, int rows, int columns,
                         int64_t in_row, int with_dx) {
  const vec ww = v_splat(w);
  vec even[kPixelVectors], odd[kPixelVectors];
  UNROLL for (int j = 0; j < kPixelVectors; ++j) even[j] = v_load(lanes + j * LANES);
  UNROLL for (int r = 0; r < rows; ++r) {
    const float* p = in + r * in_row;
    KEEP_ADDRESS(p);
    UNROLL for (int c = 0; c < columns; ++c) UNROLL for (int j = 0; j < kPixelVectors; ++j) {
      const int pixel = r * columns + c, i = pixel * kPixelVectors + j;
      vec dy = v_load(p + c * kSamples + j * LANES);
      if (with_dx) {
        KEEP_VECTOR(dy);
        dx[i] += ww * dy;
      }
      if (pixel % 2 == 0)
        even[j] += x[i] * dy;
      else
        odd[j] = pixel == 1 ? x[i] * dy : odd[j] + x[i] * dy;
    }
  }
  UNROLL for (int j = 0; j < kPixelVectors; ++j) {
    /* Of two pixels odd is one product. Joined with the sum in one form only, it changes bits. */
    if (rows * columns == 2) KEEP_VECTOR(odd[j]);
    v_store(lanes + j * LANES, rows * columns > 1 ? even[j] + odd[j] : even[j]);
  }
}

/* Where VECTOR lies in an image. */
#define AT(image) (r * (image).row + c * (image).column + j * LANES)

/* Two sets of sums where a tile is small, as the chain of FMAs into dX would be the bound. */
INLINE void run_tile(const conv_step* s, int rows, int columns, int with_dx) {
  const int vectors = rows * columns * kPixelVectors, sets = with_dx && vectors < 8 ? 2 : 1;
  /* Copies: a store through out might change *s, as far as the compiler knows. */
  const float *in = s->in, *w = s->value;
  const int32_t* offset = s->offset;
  float* lanes = s->lanes;
  const conv_image out = s->out, x_image = s->x, start = s->start, mask = s->mask;
  const int64_t in_row = s->in_row;
  const int last = s->last;
  const coppice_segment* const end = s->segment_end;
  for (const coppice_segment* segment = s->segment; segment < end; ++segment) {
    float* to = with_dx ? out.at + segment->row * out.plane : NULL;
    const float* from = x_image.at + segment->row * x_image.plane;
    int32_t count = segment->count;
    vec dx[16], x[8];
    FOR_EACH_VECTOR x[VECTOR] = v_load(from + AT(x_image));
    if (with_dx) {
      const float* begin = start.at ? start.at + segment->row * start.plane : NULL;
      FOR_EACH_VECTOR dx[VECTOR] = begin ? v_load(begin + AT(start)) : v_zero();
      UNROLL for (int i = vectors; i < sets * vectors; ++i) dx[i] = v_zero();
    }
    for (; count >= sets; count -= sets, offset += sets, w += sets, lanes += sets * kSamples)
      UNROLL for (int k = 0; k < sets; ++k) visit_weight(
          dx + k * vectors, x, w[k], in + offset[k], lanes + k * kSamples, rows, columns, in_row, with_dx);
    for (; sets > 1 && count > 0; --count, lanes += kSamples)
      visit_weight(dx, x, *w++, in + *offset++, lanes, rows, columns, in_row, with_dx);
    if (!with_dx) continue;
    UNROLL for (int k = 1; k < sets; ++k) UNROLL for (int i = 0; i < vectors; ++i) dx[i] +=
        dx[k * vectors + i];
    if (last && mask.at) {
      const float* gate = mask.at + segment->row * mask.plane;
      FOR_EACH_VECTOR dx[VECTOR] = v_gate(dx[VECTOR], v_load(gate + AT(mask)));
    }
    FOR_EACH_VECTOR v_store(to + AT(out), dx[VECTOR]);
  }
}

#define DEFINE_RUN(rows, columns)                                                              \
  NOINLINE void both_##rows##x##columns(const conv_step* s) { run_tile(s, rows, columns, 1); } \
  NOINLINE void dw_##rows##x##columns(const conv_step* s) { run_tile(s, rows, columns, 0); }
FOR_EACH_TILE(DEFINE_RUN)

/* Phases of a strided grid take turns at every strip of register tiles: their pixels lie side by side in
 * memory. */
enum { kTurn = 1 << (kLogPixels - kLogWidth) };

static void backward_tile(const coppice_conv_bwd_args* a, const coppice_run_state* rs, int32_t begin,
                          int32_t end, int32_t tile, float* lanes) {
  static const conv_runs both = TILE_TABLE(both), dw = TILE_TABLE(dw);
  const coppice_conv_weights* w = a->weights;
  const int32_t height = w->gather[0].height; /* no phase has more rows than the first */
  const int32_t turn = w->gathers > 1 ? kTurn : height;
  for (int32_t y = 0; y < height; y += turn)
    for (int32_t i = 0; i < w->gathers; ++i) {
      const coppice_gather* g = w->gather + i;
      const conv_walk walk = {
          .gather = g,
          .panel_begin = begin,
          .panel_end = end,
          .in = coppice_tile(&a->dy, rs, tile),
          .out = conv_image_of(&a->dx, rs, tile, w, g),
          .x = conv_image_of(&a->x, rs, tile, w, g),
          .addend = conv_image_of(&a->addend, rs, tile, w, g),
          .mask = conv_image_of(&a->mask, rs, tile, w, g),
          .lanes = lanes,
          .first_weight = a->part_start[begin],
          .runs = a->dx.width ? &both : &dw,
      };
      conv_walk_rows(&walk, y, y + turn < g->height ? y + turn : g->height);
    }
  if (!a->dx.width) return;
  const int64_t plane =
      (int64_t)(w->out_height + 2 * a->dx.halo) * (w->out_width + 2 * a->dx.halo) * kSamples;
  const int32_t panel_rows = w->gather->panel_rows;
  for (int32_t row = begin * panel_rows; row < end * panel_rows && row < w->out_channels; ++row)
    coppice_fill_halo(coppice_tile(&a->dx, rs, tile) + row * plane, w->out_height, w->out_width, kSamples,
                      a->dx.halo, a->dx.wrap);
}

/* The 16 sums of a weight, folded to one vector. */
INLINE vec folded(const float* lanes) {
  vec sum = v_load(lanes);
  UNROLL for (int j = 1; j < kPixelVectors; ++j) sum += v_load(lanes + j * LANES);
  return sum;
}

/* gradient may be the start of lanes: a weight's sum is written where lanes have been read already. */
static void reduce_lanes(const float* lanes, int32_t weights, float* gradient, int add) {
  for (; weights >= 4; weights -= 4, lanes += 4 * kSamples, gradient += 4) {
    const vec4 sums = v_sums(folded(lanes), folded(lanes + kSamples), folded(lanes + 2 * kSamples),
                             folded(lanes + 3 * kSamples));
    v_store4(gradient, add ? v_load4(gradient) + sums : sums);
  }
  for (; weights > 0; --weights, lanes += kSamples, ++gradient) {
    const float sum = v_sum(folded(lanes));
    *gradient = add ? *gradient + sum : sum;
  }
}

/* Tiles whose gradients are one sum. */
static void backward_tiles(const coppice_conv_bwd_args* a, const coppice_run_state* rs,
                           const coppice_item* item, int32_t tile_begin, int32_t tile_end, float* gradient,
                           int add) {
  float* lanes = (float*)item->scratch;
  for (int32_t panel = item->part_begin, end; panel < item->part_end; panel = end) {
    const int32_t begin = a->part_start[panel];
    for (end = panel + 1; end < item->part_end && a->part_start[end + 1] - begin <= COPPICE_CONV_TOGETHER;)
      ++end;
    const int32_t weights = a->part_start[end] - begin;
    memset(lanes, 0, (size_t)weights * kSamples * sizeof(float));
    for (int32_t tile = tile_begin; tile < tile_end; ++tile)
      if (coppice_valid(rs, kSamples, tile) > 0) backward_tile(a, rs, panel, end, tile, lanes);
    reduce_lanes(lanes, weights, gradient ? gradient + begin : lanes, add);
  }
}

void KERNEL(coppice_conv_bwd)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_conv_bwd_args* a = (const coppice_conv_bwd_args*)args;
  if (!a->tile_gradients.width) {
    backward_tiles(a, rs, item, item->tile_begin, item->tile_end, a->gradient, a->gradient && rs->accumulate);
    return;
  }
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
    backward_tiles(a, rs, item, tile, tile + 1, coppice_tile(&a->tile_gradients, rs, tile), 0);
}

void KERNEL(coppice_tile_sum)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_tile_sum_args* a = (const coppice_tile_sum_args*)args;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = a->part_start[part], weights = a->part_start[part + 1] - begin;
    float* gradient = a->gradient ? a->gradient + begin : (float*)item->scratch;
    if (!(a->gradient && rs->accumulate)) memset(gradient, 0, (size_t)weights * sizeof(float));
    for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
      const float* from = coppice_tile(&a->tiles, rs, tile) + begin;
      int32_t i = 0;
      for (; i + LANES <= weights; i += LANES) v_store(gradient + i, v_load(gradient + i) + v_load(from + i));
      for (; i < weights; ++i) gradient[i] += from[i];
    }
  }
}
