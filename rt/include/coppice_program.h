/* SPDX-License-Identifier: Apache-2.0
 * A program: the calls of one step, cut into phases. The step loop (rt/c/run.c) runs it; src/exec builds it
 * for training, the image loader for inference.
 *
 * A value lies in batch tiles: [tiles][features...][S], S samples innermost. A phase is a set of groups
 * without dependencies between each other; a group is a run of calls done for each of its items; the end of a
 * phase is a barrier. An item is a batch tile, a part of the work of a call (a range of rows, a block of
 * weights), or both. */
#ifndef COPPICE_PROGRAM_H
#define COPPICE_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { COPPICE_MAX_INPUTS = 8 };

/* What changes from step to step. Read-only while a program runs. */
typedef struct coppice_run_state {
  int32_t samples;      /* valid samples in the batch (or micro-batch) at hand, at least 1 */
  int32_t first_sample; /* place of sample 0 in the whole batch: above 0 in second and later micro-batches */
  int32_t training;     /* 1: training mode (dropout draws, batch norm uses the batch); 0: evaluation */
  int32_t accumulate;   /* 1: stored gradients are added to (second and later micro-batches) */
  float loss_scale;     /* factor of every per-sample loss gradient: 1 / samples of the whole batch */
  float gradient_scale; /* factor of every stored gradient before the optimizer (clipping); 1 = none */
  float learning_rate;
  float moment1_correction;         /* Adam: 1 / (1 - beta1^t), t counted from 1 */
  float moment2_correction;         /* Adam: 1 / (1 - beta2^t) */
  int32_t slot;                     /* thread that does the item at hand; set by the step loop */
  uint64_t seed, step;              /* key of the random numbers that kernels draw */
  void* inputs[COPPICE_MAX_INPUTS]; /* the batch: base of each input value, tiled as the plan says */
  const float* sample_weights;      /* factor of each sample's loss, tiled as the target; NULL: all 1 */
} coppice_run_state;

/* A tiled value. base == NULL means rs->inputs[input]. Rows are S floats apart, tiles tile_stride floats. A
 * value that lives only while one item is done lies once for each thread instead: tile_stride is 0, and the
 * slots of the threads are slot_stride floats apart (else that is 0).
 * A value with spatial axes is [channels][height + 2 halo][width + 2 halo][S]: `halo` pixels around each
 * plane, so that a convolution reads past the edge without asking. Whoever writes the value fills them: with
 * zeros, or, if `wrap`, with the pixels of the opposite edge. */
typedef struct coppice_tiled {
  float* base;
  int64_t tile_stride;
  int32_t width; /* S: 64, 32 or 16 in training, 1 at inference */
  int32_t input;
  int32_t halo, wrap;
  int64_t slot_stride;
} coppice_tiled;

/* What one invocation of a kernel has to do. Tiles and parts are half-open ranges. */
typedef struct coppice_item {
  int32_t tile_begin, tile_end;
  int32_t part_begin, part_end;
  void* scratch; /* of this thread; as large as the call asked for, 64-byte aligned; kept within a group's
                    item */
} coppice_item;

typedef void (*coppice_kernel)(const void* args, const coppice_run_state* rs, const coppice_item* item);

typedef struct coppice_call {
  coppice_kernel kernel;
  const void* args;
  int32_t parts; /* into which its work can be cut; an item that is a tile does all of them */
} coppice_call;

typedef enum coppice_item_kind {
  COPPICE_ITEM_TILE,      /* one batch tile, all parts */
  COPPICE_ITEM_PART,      /* one part, all tiles */
  COPPICE_ITEM_TILE_PART, /* one part of one tile */
} coppice_item_kind;

typedef struct coppice_group {
  int32_t call_begin, call_end;
  int32_t kind;  /* coppice_item_kind */
  int32_t width; /* S of its tiles; the tiles of a step are ceil(samples / S) */
  int32_t parts; /* of every call in the group; counts where items are parts */
} coppice_group;

typedef struct coppice_phase {
  int32_t group_begin, group_end;
} coppice_phase;

typedef struct coppice_program {
  const coppice_call* calls;
  const coppice_group* groups;
  const coppice_phase* phases;
  int32_t phase_count;
} coppice_program;

/* Runs fn(fn_ctx, item, thread) for every item in [0, items), in any order, thread in [0, threads); returns
 * when all are done. On one thread it is a plain loop. */
typedef void (*coppice_par_for)(void* ctx, int32_t items,
                                void (*fn)(void* fn_ctx, int32_t item, int32_t thread), void* fn_ctx);

/* Runs all phases in order. scratch: scratch_stride bytes for each thread, 64-byte aligned. Never fails: what
 * could was verified when the program was built. */
void coppice_run_program(const coppice_program* program, const coppice_run_state* rs, coppice_par_for par_for,
                         void* par_ctx, void* scratch, size_t scratch_stride);

static inline int32_t coppice_tile_count(const coppice_run_state* rs, int32_t width) {
  return (rs->samples + width - 1) / width;
}

/* Samples of tile t that are real; the columns after them are padding: finite, and zero in gradients. */
static inline int32_t coppice_valid(const coppice_run_state* rs, int32_t width, int32_t tile) {
  const int32_t left = rs->samples - tile * width;
  return left < 0 ? 0 : (left < width ? left : width);
}

/* Columns of tile t that kernels compute: the valid ones rounded up to 16, at most S. */
static inline int32_t coppice_columns(const coppice_run_state* rs, int32_t width, int32_t tile) {
  const int32_t columns = (coppice_valid(rs, width, tile) + 15) / 16 * 16;
  return columns < width ? columns : width;
}

static inline float* coppice_tile(const coppice_tiled* value, const coppice_run_state* rs, int32_t tile) {
  float* base = value->base ? value->base : (float*)rs->inputs[value->input];
  return base + (int64_t)tile * value->tile_stride + rs->slot * value->slot_stride;
}

#ifdef __cplusplus
}
#endif
#endif
