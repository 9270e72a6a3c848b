/* SPDX-License-Identifier: Apache-2.0
 * Convolution forward: the sums of a register tile of pixels stay in registers while the weights of a row
 * pass by; each reads its pixels at its own offset. */
#include "conv_tiles.h"
#include "coppice_halo.h"

INLINE void add_weight(vec* sum, float w, const float* in, int rows, int columns, int64_t in_row,
                       int64_t in_column) {
  const vec ww = v_splat(w);
  UNROLL for (int r = 0; r < rows; ++r) {
    const float* p = in + r * in_row;
    KEEP_ADDRESS(p);
    UNROLL for (int c = 0; c < columns; ++c) UNROLL for (int j = 0; j < kPixelVectors; ++j) sum[VECTOR] +=
        ww * v_load(p + c * in_column + j * LANES);
  }
}

/* Where VECTOR lies in y. */
#define AT_Y (r * out_row + c * kSamples + j * LANES)

/* `sets` sets of sums break the chain of dependent FMAs where a tile is small. */
INLINE void run_tile(const conv_step* s, int rows, int columns, int64_t in_column) {
  const int vectors = rows * columns * kPixelVectors, sets = vectors >= 8 ? 1 : vectors == 4 ? 2 : 4;
  /* Copies: a store through out might change *s, as far as the compiler knows. */
  const float *in = s->in, *w = s->value, *bias = s->bias;
  const int32_t* offset = s->offset;
  float* const out = s->out.at;
  const int64_t in_row = s->in_row, plane = s->out.plane, out_row = s->out.row;
  const int first = s->first, last = s->last, relu = s->relu;
  const coppice_segment* const end = s->segment_end;
  for (const coppice_segment* segment = s->segment; segment < end; ++segment) {
    float* y = out + segment->row * plane;
    int32_t count = segment->count;
    vec sum[16];
    if (first) {
      const vec start = v_splat(bias ? bias[segment->row] : 0.0f);
      UNROLL for (int i = 0; i < vectors; ++i) sum[i] = start;
    } else {
      FOR_EACH_VECTOR sum[VECTOR] = v_load(y + AT_Y);
    }
    UNROLL for (int i = vectors; i < sets * vectors; ++i) sum[i] = v_zero();
    for (; count >= sets; count -= sets, offset += sets, w += sets)
      UNROLL for (int k = 0; k < sets; ++k)
          add_weight(sum + k * vectors, w[k], in + offset[k], rows, columns, in_row, in_column);
    for (; sets > 1 && count > 0; --count)
      add_weight(sum, *w++, in + *offset++, rows, columns, in_row, in_column);
    UNROLL for (int k = 1; k < sets; ++k) UNROLL for (int i = 0; i < vectors; ++i) sum[i] +=
        sum[k * vectors + i];
    if (last && relu) UNROLL for (int i = 0; i < vectors; ++i) sum[i] = v_relu(sum[i]);
    FOR_EACH_VECTOR v_store(y + AT_Y, sum[VECTOR]);
  }
}

#define DEFINE_RUN(rows, columns)                                                                      \
  NOINLINE void dense_##rows##x##columns(const conv_step* s) { run_tile(s, rows, columns, kSamples); } \
  NOINLINE void strided_##rows##x##columns(const conv_step* s) { run_tile(s, rows, columns, s->in_column); }
FOR_EACH_TILE(DEFINE_RUN)

static void conv_tile(const coppice_conv_args* a, const coppice_run_state* rs, const coppice_item* item,
                      int32_t tile) {
  static const conv_runs dense = TILE_TABLE(dense), strided = TILE_TABLE(strided);
  const coppice_conv_weights* w = (const coppice_conv_weights*)a->weights;
  const int32_t panel_rows = w->gather->panel_rows, first = item->part_begin * panel_rows;
  const int32_t end =
      item->part_end * panel_rows < w->out_channels ? item->part_end * panel_rows : w->out_channels;
  const conv_walk walk = {
      .gather = w->gather,
      .panel_begin = item->part_begin,
      .panel_end = item->part_end,
      .in = coppice_tile(&a->x, rs, tile),
      .out = conv_image_of(&a->y, rs, tile, w, w->gather),
      .bias = a->bias,
      .relu = a->activation == COPPICE_ACT_RELU,
      .runs = w->gather->in_column_step == 1 ? &dense : &strided,
  };
  conv_walk_rows(&walk, 0, w->gather->height);
  for (int32_t row = first; row < end; ++row)
    coppice_fill_halo(coppice_tile(&a->y, rs, tile) + row * walk.out.plane, w->out_height, w->out_width,
                      kSamples, a->y.halo, a->y.wrap);
}

void KERNEL(coppice_conv)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile)
    if (coppice_valid(rs, kSamples, tile) > 0) conv_tile((const coppice_conv_args*)args, rs, item, tile);
}
