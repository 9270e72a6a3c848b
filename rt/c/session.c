/* SPDX-License-Identifier: Apache-2.0
 * A session: the calls of an image's steps, with their arguments, activations and scratch in memory of the
 * caller. */
#include <string.h>

#include "coppice_kernels.h"
#include "steps.h"

struct coppice_session {
  coppice_program program;
  coppice_run_state state;
  int32_t inputs, outputs;
  coppice_par_for par_for;
  void* par_ctx;
  void* scratch;
  int64_t scratch_stride;
};

static int64_t rounded(int64_t bytes) {
  return (bytes + COPPICE_CPK_ALIGNMENT - 1) / COPPICE_CPK_ALIGNMENT * COPPICE_CPK_ALIGNMENT;
}

int coppice_refuse(coppice_builder* b, const char* what) {
  if (!b->what) b->what = what;
  return 0;
}

void* coppice_keep(coppice_builder* b, const void* from, int64_t bytes) {
  char* at = b->memory ? b->memory + b->used : NULL;
  b->used += rounded(bytes);
  if (at && from) memcpy(at, from, (size_t)bytes);
  return at;
}

static int known_value(coppice_builder* b, int32_t value, coppice_cpk_type type) {
  if (value < 0 || value >= b->image->values_total)
    return coppice_refuse(b, "it names a value that is not there");
  if (b->image->values[value].type != type)
    return coppice_refuse(b, "a value has floats where integers are wanted, or integers for floats");
  return 1;
}

int coppice_plane_at(coppice_builder* b, int32_t value, coppice_cpk_type type, coppice_plane* out) {
  if (!known_value(b, value, type)) return 0;
  const coppice_cpk_value* v = b->image->values + value;
  coppice_vector at = {NULL, 0, (int32_t)v->place};
  if (v->kind == COPPICE_CPK_CONST)
    at.base = (void*)(uintptr_t)(b->image->data + (uint64_t)v->place * 4); /* no step writes it */
  else if (v->kind == COPPICE_CPK_SCRATCH || v->kind == COPPICE_CPK_STATE)
    at.base = b->arena ? b->arena + (uint64_t)v->place * COPPICE_CPK_ALIGNMENT : NULL;
  *out = (coppice_plane){
      at, v->channels, v->height, v->width, v->halo, v->wrap, type == COPPICE_CPK_I8 ? v->zero_point : 0};
  return 1;
}

int coppice_vector_at(coppice_builder* b, int32_t value, coppice_cpk_type type, coppice_vector* out,
                      int64_t* count) {
  coppice_plane plane;
  if (!coppice_plane_at(b, value, type, &plane)) return 0;
  if (plane.halo != 0) return coppice_refuse(b, "a linear layer cannot read or write a value with a halo");
  *out = plane.at;
  *count = (int64_t)plane.channels * plane.height * plane.width;
  return 1;
}

int coppice_has_slack(const coppice_builder* b, int32_t value) {
  const uint8_t kind = b->image->values[value].kind;
  return kind != COPPICE_CPK_INPUT && kind != COPPICE_CPK_OUTPUT;
}

void coppice_put_call(coppice_builder* b, coppice_kernel kernel, const void* args, int64_t args_bytes,
                      int32_t parts, int64_t scratch) {
  const void* kept = coppice_keep(b, args, args_bytes);
  if (rounded(scratch) > b->scratch) b->scratch = rounded(scratch);
  if (b->calls) b->calls[b->index] = (coppice_call){kernel, kept, parts};
}

static int32_t ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

/* Rows of pixels rather than channels, and as many parts as threads: each thread has the same work, and most
 * of what it reads it has written itself in the step before. Pixels that come from another core take longer
 * than to compute them. For the same reason steps are shared that alone would hardly be worth it. */
coppice_cut coppice_cut_of(const coppice_builder* b, int32_t units, int32_t height, int64_t products) {
  enum { kWorthSharing = 1 << 16 }; /* about twice the time that threads take to meet */
  if (b->threads == 1 || products < kWorthSharing) return (coppice_cut){units, 0, 1};
  if (height >= b->threads) {
    const int32_t each = ceil_div(height, b->threads);
    return (coppice_cut){units, each, ceil_div(height, each)};
  }
  const int32_t each = ceil_div(units, b->threads * 2); /* rows differ in weights, and neighbours in speed */
  return (coppice_cut){each, 0, ceil_div(units, each)};
}

/* Consecutive calls that are not shared out are one group of one item; each other one is a phase of its own,
 * as what follows needs all of its parts. Returns the number of phases; they and the groups have room for one
 * of each a step. */
static int32_t group_calls(const coppice_call* calls, int32_t count, coppice_group* groups,
                           coppice_phase* phases) {
  int32_t made = 0, open = 0;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t parts = calls[i].parts;
    if (open && parts == 1) {
      groups[made - 1].call_end = i + 1;
      continue;
    }
    groups[made] = (coppice_group){i, i + 1, COPPICE_ITEM_PART, 1, parts};
    phases[made] = (coppice_phase){made, made + 1};
    ++made;
    open = parts == 1;
  }
  return made;
}

static void run_alone(void* ctx, int32_t items, void (*fn)(void* fn_ctx, int32_t item, int32_t thread),
                      void* fn_ctx) {
  (void)ctx;
  for (int32_t i = 0; i < items; ++i) fn(fn_ctx, i, 0);
}

static int sensible(const coppice_options* options) {
  return options->kernels && options->threads >= 1 && options->threads <= 1024 &&
         (options->threads == 1 || options->par_for);
}

/* Lays out the session in `memory`, or only counts if that is NULL. Returns the bytes. */
static int64_t lay_out(const coppice_image* image, const coppice_options* options, char* memory) {
  const int32_t steps = image->steps_total;
  coppice_builder b = {.image = image,
                       .kernels = &options->kernels->planes,
                       .apply_f32 = options->kernels->apply_f32,
                       .apply_i8 = options->kernels->apply_i8,
                       .threads = options->threads,
                       .memory = memory};
  coppice_session* session = (coppice_session*)coppice_keep(&b, NULL, (int64_t)sizeof *session);
  b.calls = (coppice_call*)coppice_keep(&b, NULL, steps * (int64_t)sizeof *b.calls);
  coppice_group* groups = (coppice_group*)coppice_keep(&b, NULL, steps * (int64_t)sizeof *groups);
  coppice_phase* phases = (coppice_phase*)coppice_keep(&b, NULL, steps * (int64_t)sizeof *phases);
  b.arena = (char*)coppice_keep(&b, NULL, (int64_t)image->plan->arena_bytes);
  coppice_build_steps(&b);
  char* scratch = (char*)coppice_keep(&b, NULL, b.scratch * options->threads);
  if (!memory) return b.used;
  memset(b.arena, 0, (size_t)image->plan->arena_bytes);
  *session =
      (coppice_session){.program = {b.calls, groups, phases, group_calls(b.calls, steps, groups, phases)},
                        .state = {.samples = 1, .loss_scale = 1.0f, .gradient_scale = 1.0f},
                        .inputs = image->inputs,
                        .outputs = image->outputs,
                        .par_for = options->par_for ? options->par_for : run_alone,
                        .par_ctx = options->par_ctx,
                        .scratch = scratch,
                        .scratch_stride = b.scratch};
  return b.used;
}

size_t coppice_session_bytes(const coppice_image* image, const coppice_options* options) {
  return sensible(options) ? (size_t)lay_out(image, options, NULL) : 0;
}

coppice_session* coppice_session_create(const coppice_image* image, const coppice_options* options,
                                        void* memory, size_t bytes) {
  if (!sensible(options) || !memory || (uintptr_t)memory % COPPICE_CPK_ALIGNMENT != 0 ||
      bytes < coppice_session_bytes(image, options))
    return NULL;
  lay_out(image, options, (char*)memory);
  return (coppice_session*)memory;
}

static void set_ports(coppice_session* session, const void* const* inputs, void* const* outputs) {
  for (int32_t i = 0; i < session->inputs; ++i)
    session->state.inputs[i] = (void*)(uintptr_t)inputs[i]; /* kernels write outputs only */
  for (int32_t i = 0; i < session->outputs; ++i) session->state.inputs[session->inputs + i] = outputs[i];
}

void coppice_run(coppice_session* session, const void* const* inputs, void* const* outputs) {
  set_ports(session, inputs, outputs);
  coppice_run_program(&session->program, &session->state, session->par_for, session->par_ctx,
                      session->scratch, (size_t)session->scratch_stride);
}

void coppice_run_step(coppice_session* session, int32_t step, const void* const* inputs,
                      void* const* outputs) {
  set_ports(session, inputs, outputs);
  const coppice_call* call = session->program.calls + step;
  const coppice_item item = {0, 1, 0, call->parts, session->scratch};
  call->kernel(call->args, &session->state, &item);
}
