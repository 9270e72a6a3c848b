/* SPDX-License-Identifier: Apache-2.0
 * C API of the Coppice runtime: runs packed networks (.cpk). The runtime is C11 without a C library beyond
 * memcpy and memset: it never allocates, locks, prints or exits. Functions may be called from any thread; a
 * session belongs to one caller at a time.
 *
 *   coppice_image image;
 *   coppice_problem problem;
 *   if (coppice_image_open(&image, bytes, size, &problem) != COPPICE_OK) puts(problem.what);
 *   coppice_options options = {.threads = 1, .kernels = &coppice_kernels_c};
 *   size_t need = coppice_session_bytes(&image, &options);
 *   coppice_session* session = coppice_session_create(&image, &options, memory, need);
 *   const void* inputs[] = {picture};
 *   void* outputs[] = {scores};
 *   coppice_run(session, inputs, outputs);
 */
#ifndef COPPICE_H
#define COPPICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COPPICE_VERSION_MAJOR 0
#define COPPICE_VERSION_MINOR 1
#define COPPICE_VERSION_PATCH 0
#define COPPICE_VERSION_STRING "0.1.0"

typedef enum coppice_status {
  COPPICE_OK = 0,
  COPPICE_INVALID = 1,     /* the bytes contradict themselves */
  COPPICE_UNSUPPORTED = 2, /* made by a newer version */
} coppice_status;

/* Why an image was refused. */
typedef struct coppice_problem {
  const char* what; /* a sentence without a place, such as "the section is longer than the file" */
  const char* part; /* "header", "section", "plan", "value" or "step" */
  int32_t index;    /* of that part, from 0 */
} coppice_problem;

/* A verified image, seen as one of its plans. Plain data that points into the bytes; its fields are the
 * library's. */
typedef struct coppice_image {
  const unsigned char* bytes;
  const struct coppice_cpk_plan* plans;
  const struct coppice_cpk_plan* plan; /* whose values and steps follow */
  const struct coppice_cpk_value* values;
  const struct coppice_cpk_step* steps;
  const unsigned char* data;
  const char* text;
  uint64_t data_bytes, text_bytes;
  int32_t plans_total, values_total, steps_total, inputs, outputs;
} coppice_image;

/* Checks `size` bytes once and for all; whatever they are, nothing outside them is read. They have to stay,
 * unchanged, as long as the image or a session of it is used, and begin at a multiple of 64. problem may be
 * NULL. What is opened runs single samples. */
coppice_status coppice_image_open(coppice_image* image, const void* bytes, size_t size,
                                  coppice_problem* problem);

/* From now on the image stands for runs of `width` samples at once; COPPICE_UNSUPPORTED, and nothing changes,
 * if it was not packed for that many (`coppice pack --batch`). Sessions that exist stay as they are. */
coppice_status coppice_image_choose(coppice_image* image, int32_t width);

/* An input or output of the network, of one sample: [channels][height][width] floats or 8-bit integers; a
 * flat one is channels x 1 x 1. A number is (integer - zero_point) * scale. */
typedef struct coppice_tensor {
  int32_t channels, height, width;
  int32_t integers; /* 1: int8_t, 0: float */
  float scale;
  int32_t zero_point;
} coppice_tensor;

coppice_tensor coppice_input(const coppice_image* image, int32_t index);  /* index < image->inputs */
coppice_tensor coppice_output(const coppice_image* image, int32_t index); /* index < image->outputs */

/* The kernels of an instruction set. coppice_kernels_c is there always; host/kernels.h knows the best one. */
struct coppice_kernel_table;

typedef struct coppice_options {
  const struct coppice_kernel_table* kernels;
  int32_t threads; /* at least 1 */
  /* Runs fn for each item on up to `threads` threads and returns when all are done (coppice_program.h). NULL,
   * with one thread: the items one after the other. How denormal numbers count is up to it: the pool of
   * host/threads.h takes them for 0, on any number of threads. */
  void (*par_for)(void* ctx, int32_t items, void (*fn)(void* fn_ctx, int32_t item, int32_t thread),
                  void* fn_ctx);
  void* par_ctx;
} coppice_options;

typedef struct coppice_session coppice_session;

/* All memory that a session takes: activations, scratch of each thread, and what it knows about its steps. */
size_t coppice_session_bytes(const coppice_image* image, const coppice_options* options);

/* Of these, activations. */
size_t coppice_arena_bytes(const coppice_image* image);

/* Makes a session in memory of the caller, which begins at a multiple of 64 and lives as long as the session.
 * NULL if there are fewer bytes than coppice_session_bytes() says, or options that mean nothing. */
coppice_session* coppice_session_create(const coppice_image* image, const coppice_options* options,
                                        void* memory, size_t bytes);

/* One sample, or as many as were chosen, one after the other: inputs[i] and outputs[i] are as
 * coppice_input(i) and coppice_output(i) say. The answer depends neither on the number of threads nor on what
 * ran before, unless the network keeps a state; of floats its last bits may depend on how many samples run at
 * once. */
void coppice_run(coppice_session* session, const void* const* inputs, void* const* outputs);

/* One step of it (step < image->steps_total) on this thread, to see which ones take the time. */
void coppice_run_step(coppice_session* session, int32_t step, const void* const* inputs,
                      void* const* outputs);

#ifdef __cplusplus
}
#endif
#endif
