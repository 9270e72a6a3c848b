/* SPDX-License-Identifier: Apache-2.0
 * Steps with weights. Their arrays follow each other in the data section, in this order:
 *   value                 float or int8 [entries][numbers of an entry]
 *   start                 uint32 [groups of rows + 1], in entries
 *   bias                  float or int32 [rows]
 *   scale                 float [rows]: integers whose sums become floats
 *   multiplier            int32 [rows]: integers whose sums become integers
 *   column or delta       uint16 of blocks, uint8 of rows
 *   shift                 uint8 [rows], beside multiplier */
#include <string.h>

#include "coppice_kernels.h"
#include "steps.h"

enum { kRows = COPPICE_APPLY_ROWS, kMostShift = 62, kMostStride = 64, kMostProduct = 128 * 128 };

typedef struct layer {
  const coppice_cpk_step* step;
  int32_t rows, cols;
  coppice_cpk_type x_type, y_type;
  int integers;    /* x, weights and sums are */
  int to_integers; /* y is */
  int32_t groups;  /* of rows that share a start */
  const void* value;
  const uint32_t* start;
  const void* bias; /* float, or int32 */
  const float* scale;
  const int32_t* multiplier;
  const void* index; /* NULL: dense */
  const uint8_t* shift;
} layer;

/* ---- reading and checking arrays */

const void* coppice_array(coppice_builder* b, int64_t* at, int64_t count, int64_t size, int64_t align) {
  const int64_t begin = (*at + align - 1) / align * align;
  const int64_t end = (int64_t)b->image->data_bytes - COPPICE_CPK_SLACK;
  if (begin > end || count > (end - begin) / size) {
    coppice_refuse(b, "its weights do not lie in the data section");
    return NULL;
  }
  *at = begin + count * size;
  return b->image->data + begin;
}

static int has(const layer* l, int flag) { return (l->step->flags & flag) != 0; }

static int64_t entry_numbers(const layer* l) {
  if (l->step->weights == COPPICE_CPK_ROWS) return 1;
  return l->integers || l->step->weights == COPPICE_CPK_BLOCKS4 ? 4 * kRows : kRows;
}

/* What a dense layer's starts have to count in each group of rows. */
static uint32_t dense_entries(const layer* l) {
  if (l->step->weights == COPPICE_CPK_BLOCKS4) return ((uint32_t)l->cols + 3) / 4;
  return (uint32_t)l->cols;
}

static int starts_ok(coppice_builder* b, const layer* l) {
  const uint32_t most = l->step->entries;
  if (l->start[0] != 0 || l->start[l->groups] != most)
    return coppice_refuse(b, "its rows do not begin at 0 or end with the weights");
  for (int32_t g = 0; g < l->groups; ++g) {
    if (l->start[g] > l->start[g + 1]) return coppice_refuse(b, "its rows overlap");
    if (!l->index && l->start[g + 1] - l->start[g] != dense_entries(l))
      return coppice_refuse(b, "a dense row has fewer or more weights than columns");
  }
  return 1;
}

static int deltas_ok(coppice_builder* b, const layer* l) {
  const uint8_t* delta = (const uint8_t*)l->index;
  for (int32_t row = 0; row < l->rows; ++row) {
    int64_t column = 0;
    for (uint32_t e = l->start[row]; e < l->start[row + 1]; ++e) {
      if (delta[e] == 0 && e > l->start[row]) return coppice_refuse(b, "a row names a column twice");
      column += delta[e];
    }
    if (column >= l->cols) return coppice_refuse(b, "a weight lies behind the last column");
  }
  return 1;
}

static int columns_ok(coppice_builder* b, const layer* l, int64_t count, int32_t cols) {
  const uint16_t* column = (const uint16_t*)l->index;
  for (int64_t i = 0; i < count; ++i)
    if (column[i] >= cols) return coppice_refuse(b, "a block of weights lies behind the last column");
  return 1;
}

/* Products of a row of integers; a column may be named more than once. */
static int64_t products_of(const layer* l, int32_t row) {
  const int32_t group = l->step->weights == COPPICE_CPK_ROWS ? row : row / kRows;
  return ((int64_t)l->start[group + 1] - l->start[group]) * (l->step->weights == COPPICE_CPK_ROWS ? 1 : 4);
}

static int rows_ok(coppice_builder* b, const layer* l) {
  for (int32_t row = 0; l->integers && row < l->rows; ++row) {
    const int64_t bias = ((const int32_t*)l->bias)[row];
    if ((bias < 0 ? -bias : bias) + products_of(l, row) * kMostProduct > INT32_MAX)
      return coppice_refuse(b, "a row's sum may not fit 32 bits");
  }
  for (int32_t row = 0; l->multiplier && row < l->rows; ++row)
    if (l->multiplier[row] < 0 || l->shift[row] < 1 || l->shift[row] > kMostShift)
      return coppice_refuse(b, "a row's multiplier or shift makes no sense");
  return 1;
}

/* The index of blocks has one column for an entry, or four for a group of single columns of integers. */
static int32_t index_per_entry(const layer* l) {
  return l->integers && l->step->weights == COPPICE_CPK_BLOCKS1 ? 4 : 1;
}

static int index_ok(coppice_builder* b, const layer* l) {
  if (!l->index) return 1;
  if (l->step->weights == COPPICE_CPK_ROWS) return deltas_ok(b, l);
  const int32_t cols = l->step->weights == COPPICE_CPK_BLOCKS4 ? (l->cols + 3) / 4 : l->cols;
  return columns_ok(b, l, (int64_t)l->step->entries * index_per_entry(l), cols);
}

/* What can be known before the arrays are looked at. */
static int kind_ok(coppice_builder* b, const layer* l) {
  const uint8_t kind = l->step->weights;
  if (kind == COPPICE_CPK_NO_WEIGHTS || kind >= COPPICE_CPK_WEIGHTS)
    return coppice_refuse(b, "its weights are of an unknown kind");
  if (l->integers && !has(l, COPPICE_CPK_INTEGERS))
    return coppice_refuse(b, "it multiplies integers with floats");
  if (l->to_integers && !l->integers) return coppice_refuse(b, "it makes integers of floats");
  if (l->cols > COPPICE_APPLY_I8_COLS && (kind != COPPICE_CPK_ROWS || l->integers))
    return coppice_refuse(b, "it has more columns than 65536");
  if (kind == COPPICE_CPK_BLOCKS4 && !l->integers && l->cols % 4 != 0)
    return coppice_refuse(b, "blocks of four columns do not divide its columns");
  if (kind == COPPICE_CPK_BLOCKS1 && l->integers && has(l, COPPICE_CPK_DENSE))
    return coppice_refuse(b, "dense integers come in groups of four columns");
  if (l->step->low_i8 < INT8_MIN || l->step->high_i8 > INT8_MAX || l->step->low_i8 > l->step->high_i8)
    return coppice_refuse(b, "its limits make no sense");
  return 1;
}

static int read_layer(coppice_builder* b, layer* l) {
  if (!kind_ok(b, l)) return 0;
  const coppice_cpk_step* step = l->step;
  const int rows_alone = step->weights == COPPICE_CPK_ROWS, weights_i8 = has(l, COPPICE_CPK_INTEGERS);
  int64_t at = (int64_t)step->data * 4;
  l->groups = rows_alone ? l->rows : (l->rows + kRows - 1) / kRows;
  l->value = coppice_array(b, &at, step->entries * entry_numbers(l), weights_i8 ? 1 : 4,
                           rows_alone ? 4 : COPPICE_CPK_ALIGNMENT);
  l->start = (const uint32_t*)coppice_array(b, &at, (int64_t)l->groups + 1, 4, 4);
  if (l->integers || has(l, COPPICE_CPK_BIAS)) l->bias = coppice_array(b, &at, l->rows, 4, 4);
  if (weights_i8 && !l->to_integers) l->scale = (const float*)coppice_array(b, &at, l->rows, 4, 4);
  if (l->to_integers) l->multiplier = (const int32_t*)coppice_array(b, &at, l->rows, 4, 4);
  if (!has(l, COPPICE_CPK_DENSE))
    l->index = rows_alone ? coppice_array(b, &at, step->entries, 1, 1)
                          : coppice_array(b, &at, (int64_t)step->entries * index_per_entry(l), 2, 2);
  if (l->to_integers) l->shift = (const uint8_t*)coppice_array(b, &at, l->rows, 1, 1);
  if (b->what) return 0;
  return !b->verify || (starts_ok(b, l) && index_ok(b, l) && rows_ok(b, l));
}

/* ---- what kernels want beyond that */

/* [rows rounded up to 16] integers out of those of the file. */
static const int32_t* widened(coppice_builder* b, const layer* l, const void* from, int64_t bytes_each,
                              int32_t rest) {
  const int32_t padded = (l->rows + kRows - 1) / kRows * kRows;
  int32_t* to = (int32_t*)coppice_keep(b, NULL, padded * (int64_t)sizeof *to);
  for (int32_t row = 0; to && row < padded; ++row) {
    if (row >= l->rows)
      to[row] = rest;
    else
      to[row] = bytes_each == 1 ? ((const uint8_t*)from)[row] : ((const int32_t*)from)[row];
  }
  return to;
}

static const float* widened_scale(coppice_builder* b, const layer* l) {
  const int32_t padded = (l->rows + kRows - 1) / kRows * kRows;
  float* to = (float*)coppice_keep(b, NULL, padded * (int64_t)sizeof *to);
  for (int32_t row = 0; to && row < padded; ++row) to[row] = row < l->rows ? l->scale[row] : 1.0f;
  return to;
}

static const int32_t* row_sums(coppice_builder* b, const layer* l) {
  int32_t* sums = (int32_t*)coppice_keep(b, NULL, l->groups * (int64_t)kRows * (int64_t)sizeof *sums);
  if (!sums) return NULL;
  const int8_t* value = (const int8_t*)l->value;
  for (int32_t g = 0; g < l->groups; ++g)
    for (int32_t r = 0; r < kRows; ++r) {
      int32_t sum = 0;
      for (uint32_t e = l->start[g]; e < l->start[g + 1]; ++e)
        for (int32_t c = 0; c < 4; ++c) sum += value[((int64_t)e * kRows + r) * 4 + c];
      sums[g * kRows + r] = sum;
    }
  return sums;
}

static int64_t weights_in(const layer* l) { return l->step->entries * entry_numbers(l); }

static coppice_rows rows_of(const layer* l, int32_t part) {
  const coppice_rows rows = {l->rows, l->cols, part, l->start, (const uint8_t*)l->index, l->value};
  return rows;
}

/* The struct that the kernel reads, in the session's memory. part: how many groups of rows a part takes. */
static const void* weights_of(coppice_builder* b, const layer* l, int32_t part) {
  const int32_t c = l->step->weights == COPPICE_CPK_BLOCKS1 ? 1 : 4;
  if (l->step->weights == COPPICE_CPK_ROWS) {
    const coppice_rows rows = rows_of(l, part);
    return coppice_keep(b, &rows, (int64_t)sizeof rows);
  }
  if (l->integers) {
    const coppice_apply_i8 blocks = {l->rows,
                                     l->cols,
                                     c,
                                     l->groups,
                                     part,
                                     (const int32_t*)l->start,
                                     (const uint16_t*)l->index,
                                     (const int8_t*)l->value,
                                     row_sums(b, l),
                                     widened(b, l, l->bias, 4, 0)};
    return coppice_keep(b, &blocks, (int64_t)sizeof blocks);
  }
  const int quantised = has(l, COPPICE_CPK_INTEGERS);
  const coppice_apply_f32 blocks = {l->rows,
                                    l->cols,
                                    c,
                                    l->groups,
                                    part,
                                    (const int32_t*)l->start,
                                    (const uint16_t*)l->index,
                                    quantised ? NULL : (const float*)l->value,
                                    quantised ? (const int8_t*)l->value : NULL,
                                    quantised ? l->scale : NULL};
  return coppice_keep(b, &blocks, (int64_t)sizeof blocks);
}

/* What integer kernels do with their sums. */
typedef struct endings {
  const int32_t *multiplier, *shift;
  const float* scale;
  int32_t zero_point;
} endings;

static endings endings_of(coppice_builder* b, const layer* l) {
  endings out = {0};
  if (l->to_integers) {
    out.multiplier = widened(b, l, l->multiplier, 4, 0);
    out.shift = widened(b, l, l->shift, 1, 1);
    out.zero_point = b->image->values[l->step->y].zero_point;
  } else {
    out.scale = widened_scale(b, l);
  }
  return out;
}

static int types_of(coppice_builder* b, const coppice_cpk_step* step, layer* l) {
  const coppice_image* image = b->image;
  if (step->a < 0 || step->a >= image->values_total || step->y < 0 || step->y >= image->values_total)
    return coppice_refuse(b, "it names a value that is not there");
  l->step = step;
  l->x_type = (coppice_cpk_type)image->values[step->a].type;
  l->y_type = (coppice_cpk_type)image->values[step->y].type;
  l->integers = l->x_type == COPPICE_CPK_I8;
  l->to_integers = l->y_type == COPPICE_CPK_I8;
  return 1;
}

/* ---- linear layers */

/* Whether there is a kernel that looks up what single weights multiply, and it is worth it: rows have a
 * weight in every fourth range at least; and it wants twice the bytes, so floats that do not lie in a cache
 * gain nothing. */
static int looks_up(const layer* l, coppice_kernel kernel, int32_t bits) {
  enum { kMostFloats = 1 << 18 };
  if (!kernel || l->step->weights != COPPICE_CPK_ROWS || !l->index) return 0;
  const int64_t ranges = (((int64_t)l->cols - 1) >> bits) + 1, entries = l->step->entries;
  return ranges <= COPPICE_LOOKUP_RANGES && 4 * entries >= ranges * l->rows &&
         (has(l, COPPICE_CPK_INTEGERS) || entries <= kMostFloats);
}

static void put_linear_f32(coppice_builder* b, const layer* l, coppice_vector x, coppice_vector y) {
  const float* bias = (const float*)l->bias;
  const coppice_kernel lookup = b->kernels ? b->kernels->lookup_f32 : NULL;
  const int32_t bits = lookup ? b->kernels->lookup_f32_bits : 0;
  if (looks_up(l, lookup, bits)) {
    const coppice_cut cut = coppice_cut_of(b, (l->rows + kRows - 1) / kRows, 1, weights_in(l));
    const coppice_rows rows = rows_of(l, 1);
    const coppice_lookup_f32_args args = {coppice_lookup_of(b, &rows, bits, 1, l->scale ? 1 : 4, cut.units),
                                          l->scale,
                                          bias,
                                          x,
                                          y,
                                          l->step->low};
    coppice_put_call(b, lookup, &args, (int64_t)sizeof args, cut.parts, 0);
    return;
  }
  const coppice_cut cut = coppice_cut_of(b, l->groups, 1, weights_in(l));
  const void* weights = weights_of(b, l, cut.units);
  if (l->step->weights == COPPICE_CPK_ROWS) {
    const coppice_rows_f32_args args = {weights, l->scale, bias, x, y, l->step->low};
    coppice_put_call(b, b->kernels ? b->kernels->rows_f32 : NULL, &args, (int64_t)sizeof args, cut.parts, 0);
    return;
  }
  const coppice_apply_f32_args args = {weights, bias, x, y, l->step->low};
  coppice_put_call(b, b->apply_f32, &args, (int64_t)sizeof args, cut.parts, 0);
}

/* [rows rounded up to 16] numbers of 32 bits in the order of the groups; NULL stays NULL. */
static const void* in_order(coppice_builder* b, const layer* l, const coppice_lookup* f, const void* from) {
  const int32_t padded = (l->rows + kRows - 1) / kRows * kRows;
  char* to = (char*)coppice_keep(b, NULL, padded * (int64_t)4);
  for (int32_t i = 0; to && from && i < padded; ++i) {
    const int32_t row = f->order[i] < l->rows ? f->order[i] : l->rows - 1;
    memcpy(to + 4 * (int64_t)i, (const char*)from + 4 * (int64_t)row, 4);
  }
  return from ? to : NULL;
}

static void put_lookup_i8(coppice_builder* b, const layer* l, const coppice_apply_i8_args* as) {
  const coppice_cut cut = coppice_cut_of(b, (l->rows + kRows - 1) / kRows, 1, weights_in(l));
  const coppice_rows rows = rows_of(l, 1);
  const coppice_lookup* weights = coppice_lookup_of(b, &rows, b->kernels->lookup_i8_bits, 4, 1, cut.units);
  coppice_lookup_i8_args args = {weights, (const int32_t*)in_order(b, l, weights, l->bias), *as};
  args.as.multiplier = (const int32_t*)in_order(b, l, weights, as->multiplier);
  args.as.shift = (const int32_t*)in_order(b, l, weights, as->shift);
  args.as.scale = (const float*)in_order(b, l, weights, as->scale);
  coppice_put_call(b, b->kernels->lookup_i8, &args, (int64_t)sizeof args, cut.parts, l->cols + 255);
}

static void put_linear_i8(coppice_builder* b, const layer* l, coppice_vector x, coppice_vector y) {
  const endings end = endings_of(b, l);
  const coppice_cpk_step* step = l->step;
  coppice_apply_i8_args args = {
      NULL,          x,         y,        end.multiplier, end.shift, end.zero_point, step->low_i8,
      step->high_i8, end.scale, step->low};
  if (b->kernels && looks_up(l, b->kernels->lookup_i8, b->kernels->lookup_i8_bits)) {
    put_lookup_i8(b, l, &args);
    return;
  }
  const coppice_cut cut = coppice_cut_of(b, l->groups, 1, weights_in(l));
  const void* weights = weights_of(b, l, cut.units);
  if (step->weights == COPPICE_CPK_ROWS) {
    const coppice_rows_i8_args rows = {
        weights,      (const int32_t*)l->bias, x,         y,        end.multiplier, end.shift, end.zero_point,
        step->low_i8, step->high_i8,           end.scale, step->low};
    coppice_put_call(b, b->kernels ? b->kernels->rows_i8 : NULL, &rows, (int64_t)sizeof rows, cut.parts, 0);
    return;
  }
  args.weights = weights;
  coppice_put_call(b, b->apply_i8, &args, (int64_t)sizeof args, cut.parts, coppice_apply_i8_scratch(l->cols));
}

int coppice_linear_step(coppice_builder* b, const coppice_cpk_step* step) {
  layer l = {0};
  coppice_vector x, y;
  int64_t cols, rows;
  if (!types_of(b, step, &l) || !coppice_vector_at(b, step->a, l.x_type, &x, &cols) ||
      !coppice_vector_at(b, step->y, l.y_type, &y, &rows))
    return 0;
  if (cols > COPPICE_CPK_LARGEST_AXIS || rows > COPPICE_CPK_LARGEST_AXIS)
    return coppice_refuse(b, "it is too large");
  l.cols = (int32_t)cols;
  l.rows = (int32_t)rows;
  if (l.integers && cols % 4 != 0 && !coppice_has_slack(b, step->a))
    return coppice_refuse(b, "integers of the caller cannot be read up to a multiple of four");
  if (!read_layer(b, &l)) return 0;
  if (l.integers)
    put_linear_i8(b, &l, x, y);
  else
    put_linear_f32(b, &l, x, y);
  return 1;
}

/* ---- convolutions */

/* The planes are there, and a window of every output lies inside them. */
static int conv_fits(coppice_builder* b, const coppice_cpk_conv* c, const coppice_plane* x,
                     const coppice_plane* y) {
  if (c->kernel_y < 1 || c->kernel_x < 1 || c->stride < 1 || c->dilation < 1 || c->padding < 0 ||
      c->group_rows < 1 || c->group_channels < 1 || c->stride > kMostStride)
    return coppice_refuse(b, "its window makes no sense");
  const int64_t phases = (int64_t)c->stride * c->stride, groups = y->channels / c->group_rows;
  if (groups * c->group_rows != y->channels || groups * c->group_channels != x->channels ||
      c->group_channels % phases != 0)
    return coppice_refuse(b, "its groups do not divide its channels");
  if (c->padding > x->halo || (c->stride > 1 && c->padding != 0))
    return coppice_refuse(b, "its padding is not in the halo");
  const int64_t reach_y = (int64_t)(c->kernel_y - 1) * c->dilation,
                reach_x = (int64_t)(c->kernel_x - 1) * c->dilation;
  const int64_t free = x->halo + (int64_t)c->padding;
  if (y->height + reach_y / c->stride > x->height + free || y->width + reach_x / c->stride > x->width + free)
    return coppice_refuse(b, "its windows reach out of their planes");
  return 1;
}

/* Offsets of the columns from the first plane of the group; integers come in groups of four columns, of which
 * the last may go on with weights 0. */
static const int32_t* offsets_of(coppice_builder* b, const coppice_cpk_conv* c, const coppice_plane* x,
                                 int32_t cols) {
  const int32_t padded = (cols + 3) / 4 * 4;
  int32_t* offset = (int32_t*)coppice_keep(b, NULL, padded * (int64_t)sizeof *offset);
  if (!offset) return NULL;
  for (int32_t k = cols; k < padded; ++k) offset[k] = 0;
  const int64_t pitch = coppice_plane_pitch(x), area = coppice_plane_area(x);
  const int64_t first = (x->halo - c->padding) * (pitch + 1);
  const int32_t taps = c->kernel_y * c->kernel_x, phases = c->stride * c->stride;
  for (int32_t k = 0; k < cols; ++k) {
    const int32_t tap = k % taps, at_y = tap / c->kernel_x * c->dilation,
                  at_x = tap % c->kernel_x * c->dilation;
    const int64_t plane = (int64_t)(k / taps) * phases + at_y % c->stride * c->stride + at_x % c->stride;
    offset[k] = (int32_t)(first + plane * area + at_y / c->stride * pitch + at_x / c->stride);
  }
  return offset;
}

/* How a convolution is shared out. Each thread that has some rows of pixels reads all weights, so many
 * weights are better shared out themselves. */
static coppice_cut conv_cut(const coppice_builder* b, const layer* l, const coppice_plane* x,
                            const coppice_plane* y) {
  enum { kManyWeights = 1 << 18 /* bytes: a quarter of an L2 */ };
  const int64_t weights = weights_in(l), bytes = weights * (has(l, COPPICE_CPK_INTEGERS) ? 1 : 4);
  const int64_t products = weights * y->height * y->width;
  coppice_cut cut = coppice_cut_of(b, l->groups, y->height, products);
  const int32_t last = cut.height ? y->height - (cut.parts - 1) * cut.height : 0;
  const int few = l->step->weights == COPPICE_CPK_ROWS && !l->integers &&
                  (last - 1) * coppice_plane_pitch(x) + y->width < COPPICE_PLANE_LEAST_BAND;
  if (cut.height && (few || (bytes > kManyWeights && l->groups >= b->threads)))
    cut = coppice_cut_of(b, l->groups, 1, products);
  return cut;
}

static int put_conv(coppice_builder* b, const layer* l, const coppice_plane* x, const coppice_plane* y) {
  const coppice_cpk_step* step = l->step;
  const int rows_alone = step->weights == COPPICE_CPK_ROWS;
  const coppice_cut cut = conv_cut(b, l, x, y);
  const coppice_plane_conv conv = {offsets_of(b, &step->as.conv, x, l->cols),
                                   *x,
                                   *y,
                                   step->as.conv.group_rows,
                                   step->as.conv.group_channels,
                                   cut.height};
  const void* weights = weights_of(b, l, cut.units);
  const int64_t scratch = coppice_plane_conv_scratch(&conv);
  if (l->integers) {
    const endings end = endings_of(b, l);
    const coppice_plane_conv_i8_args args = {
        conv,           weights,       rows_alone ? (const int32_t*)l->bias : NULL,
        end.multiplier, end.shift,     end.zero_point,
        step->low_i8,   step->high_i8, end.scale,
        step->low};
    coppice_put_call(b,
                     !b->kernels  ? NULL
                     : rows_alone ? b->kernels->conv_rows_i8
                                  : b->kernels->conv_blocks_i8,
                     &args, (int64_t)sizeof args, cut.parts, scratch);
    return 1;
  }
  const coppice_plane* add = NULL;
  if (step->b >= 0) {
    coppice_plane other;
    if (!coppice_plane_at(b, step->b, COPPICE_CPK_F32, &other)) return 0;
    if (other.channels != y->channels || other.height != y->height || other.width != y->width)
      return coppice_refuse(b, "what it adds is of another size");
    add = (const coppice_plane*)coppice_keep(b, &other, (int64_t)sizeof other);
  }
  const coppice_plane_conv_f32_args args = {
      conv, weights, rows_alone ? l->scale : NULL, (const float*)l->bias, add, step->low};
  coppice_put_call(b,
                   !b->kernels  ? NULL
                   : rows_alone ? b->kernels->conv_rows_f32
                                : b->kernels->conv_blocks_f32,
                   &args, (int64_t)sizeof args, cut.parts, scratch);
  return 1;
}

int coppice_conv_step(coppice_builder* b, const coppice_cpk_step* step) {
  layer l = {0};
  coppice_plane x, y;
  if (!types_of(b, step, &l) || !coppice_plane_at(b, step->a, l.x_type, &x) ||
      !coppice_plane_at(b, step->y, l.y_type, &y))
    return 0;
  if (!coppice_has_slack(b, step->a))
    return coppice_refuse(b, "a convolution cannot read what the caller brings");
  if (!conv_fits(b, &step->as.conv, &x, &y)) return 0;
  if (l.integers && step->b >= 0) return coppice_refuse(b, "a convolution of integers adds nothing");
  const coppice_cpk_conv* c = &step->as.conv;
  const int64_t cols = (int64_t)(c->group_channels / (c->stride * c->stride)) * c->kernel_y * c->kernel_x;
  if (cols > COPPICE_CPK_LARGEST_AXIS) return coppice_refuse(b, "it is too large");
  if (step->weights != COPPICE_CPK_ROWS && c->group_rows != y.channels && c->group_rows % kRows != 0)
    return coppice_refuse(b, "16 rows would read more than one group of channels");
  l.rows = y.channels;
  l.cols = (int32_t)cols;
  return read_layer(b, &l) && put_conv(b, &l, &x, &y);
}
