/* SPDX-License-Identifier: Apache-2.0
 * Steps of an image become calls in two walks that share their code: the first verifies them and counts bytes
 * (image.c), the second, which cannot fail, fills a session's memory (session.c). */
#ifndef COPPICE_STEPS_H
#define COPPICE_STEPS_H

#include "coppice.h"
#include "coppice_cpk.h"
#include "coppice_planes.h"

typedef struct coppice_builder {
  const coppice_image* image;
  const coppice_plane_kernels* kernels; /* NULL while only verifying */
  coppice_kernel apply_f32, apply_i8;
  int32_t threads;
  int verify;          /* whether what arrays say is checked */
  char* memory;        /* of the session; NULL: counts only */
  char* arena;         /* activations; NULL: counts only */
  int64_t used;        /* bytes of memory */
  int64_t scratch;     /* bytes that the most demanding call wants */
  coppice_call* calls; /* one for each step */
  const char* what;    /* the first problem, or NULL */
  const char* part;    /* where that is */
  int32_t index;
} coppice_builder;

/* Says what is wrong, if nothing was before. Always 0. */
int coppice_refuse(coppice_builder* b, const char* what);

/* Memory for a copy of `bytes` bytes, or for bytes yet to be filled if `from` is NULL, at a multiple of 64.
 * NULL while only counting. */
void* coppice_keep(coppice_builder* b, const void* from, int64_t bytes);

/* The value as planes. 0: there is no such value, or it is of the other type. */
int coppice_plane_at(coppice_builder* b, int32_t value, coppice_cpk_type type, coppice_plane* out);

/* The same, of a value without halo whose numbers follow each other: *count of them. */
int coppice_vector_at(coppice_builder* b, int32_t value, coppice_cpk_type type, coppice_vector* out,
                      int64_t* count);

/* Whether kernels may read COPPICE_PLANE_SLACK bytes behind the value: not behind those of the caller. */
int coppice_has_slack(const coppice_builder* b, int32_t value);

/* Puts the call of the step at hand. */
void coppice_put_call(coppice_builder* b, coppice_kernel kernel, const void* args, int64_t args_bytes,
                      int32_t parts, int64_t scratch);

/* How a step is shared out: a part takes `units` channels, or rows of weights, and of these `height` rows of
 * pixels; 0: all of them. */
typedef struct coppice_cut {
  int32_t units, height, parts;
} coppice_cut;

/* So that all threads have a part of `units` units, which have `height` rows of pixels that may be cut, or 1.
 * Steps of few products (weights times positions) stay whole. */
coppice_cut coppice_cut_of(const coppice_builder* b, int32_t units, int32_t height, int64_t products);

/* Each verifies a step, and puts its call. 0: refused. */
int coppice_linear_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_conv_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_pool_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_add_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_map_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_affine_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_norm_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_copy_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_convert_step(coppice_builder* b, const coppice_cpk_step* step);
int coppice_turn_step(coppice_builder* b, const coppice_cpk_step* step);

/* `count` elements of `size` bytes of the data section, from *at on, which moves behind them. NULL: they are
 * not all there. align: of the elements. */
const void* coppice_array(coppice_builder* b, int64_t* at, int64_t count, int64_t size, int64_t align);

/* The layer in the session's memory, laid out anew; its delta is there. value_bytes: 4 of floats, 1 of int8.
 */
const coppice_lookup* coppice_lookup_of(coppice_builder* b, const coppice_rows* f, int32_t bits, int32_t each,
                                        int32_t value_bytes, int32_t part_groups);

/* All steps; 0: one was refused, and b says why. */
int coppice_build_steps(coppice_builder* b);

#endif
