/* SPDX-License-Identifier: Apache-2.0
 * Optimizers, the bias gradient and the refresh of a transposed copy. The optimizers treat the rest of an
 * array that is no whole vector in a padded copy with the same arithmetic, so that bits do not depend on the
 * cut into parts. */
#include "train_simd.h"

typedef struct constants {
  vec scale, decay, beta1, beta2, rest1, rest2, rate, rate_decay, correction2, epsilon;
  int momentum, nesterov, decoupled;
  const coppice_update_args* args;
  const coppice_run_state* rs;
} constants;

static constants constants_of(const coppice_update_args* a, const coppice_run_state* rs, int adam) {
  return (constants){.scale = v_splat(rs->gradient_scale),
                     .decay = v_splat(a->decay),
                     .beta1 = v_splat(a->beta1),
                     .beta2 = v_splat(a->beta2),
                     .rest1 = v_splat(1 - a->beta1),
                     .rest2 = v_splat(1 - a->beta2),
                     .rate = v_splat(adam ? rs->learning_rate * rs->moment1_correction : rs->learning_rate),
                     .rate_decay = v_splat(rs->learning_rate * a->decay),
                     .correction2 = v_splat(rs->moment2_correction),
                     .epsilon = v_splat(a->epsilon),
                     .momentum = a->moment1 != NULL,
                     .nesterov = a->nesterov,
                     .decoupled = a->decoupled,
                     .args = a,
                     .rs = rs};
}

INLINE void sgd_step(float* w, const float* g, float* m, float* v, const float* born, const constants* c) {
  (void)v;
  (void)born;
  const vec value = v_load(w);
  vec step = c->scale * v_load(g) + c->decay * value;
  if (c->momentum) {
    const vec moment = c->beta1 * v_load(m) + step;
    v_store(m, moment);
    step = c->nesterov ? step + c->beta1 * moment : moment;
  }
  v_store(w, value - c->rate * step);
}

/* Rate and second correction of weights of which some were grown. */
NOINLINE void correct_by_age(const float* born, const constants* c, vec* rate, vec* correction2) {
  float rates[LANES], corrections[LANES];
  v_store(rates, *rate);
  v_store(corrections, *correction2);
  for (int i = 0; i < LANES; ++i) {
    if (!(born[i] > 0)) continue;
    const int32_t age = coppice_age(c->args, c->rs, born[i]);
    rates[i] = c->rs->learning_rate * c->args->correction1[age];
    corrections[i] = c->args->correction2[age];
  }
  *rate = v_load(rates);
  *correction2 = v_load(corrections);
}

INLINE int any_grown(const float* born) {
  uint64_t bits[LANES / 2], any = 0;
  memcpy(bits, born, sizeof bits);
  UNROLL for (int i = 0; i < LANES / 2; ++i) any |= bits[i];
  return any != 0;
}

INLINE void adam_step(float* w, const float* g, float* m, float* v, const float* born, const constants* c) {
  vec rate = c->rate, correction2 = c->correction2;
  if (born && any_grown(born)) correct_by_age(born, c, &rate, &correction2);
  vec value = v_load(w);
  vec gradient = c->scale * v_load(g);
  if (c->decoupled)
    value -= c->rate_decay * value;
  else
    gradient += c->decay * value;
  const vec moment1 = c->beta1 * v_load(m) + c->rest1 * gradient;
  const vec moment2 = c->beta2 * v_load(v) + c->rest2 * (gradient * gradient);
  v_store(m, moment1);
  v_store(v, moment2);
  v_store(w, value - rate * v_over_root(moment1, correction2 * moment2, c->epsilon));
}

typedef void (*step)(float* w, const float* g, float* m, float* v, const float* born, const constants* c);

/* Where there is no moment, m or v points at scratch that nobody reads. */
INLINE void run_part(float* w, const float* g, float* m, float* v, const float* born, int32_t count,
                     const constants* c, step one) {
  int32_t i = 0;
  for (; i + LANES <= count; i += LANES)
    one(w + i, g + i, m ? m + i : NULL, v ? v + i : NULL, born ? born + i : NULL, c);
  const size_t rest = (size_t)(count - i) * sizeof(float);
  if (rest == 0) return;
  float tail[5][LANES] = {{0}};
  memcpy(tail[0], w + i, rest);
  memcpy(tail[1], g + i, rest);
  if (m) memcpy(tail[2], m + i, rest);
  if (v) memcpy(tail[3], v + i, rest);
  if (born) memcpy(tail[4], born + i, rest);
  one(tail[0], tail[1], tail[2], tail[3], born ? tail[4] : NULL, c);
  memcpy(w + i, tail[0], rest);
  if (m) memcpy(m + i, tail[2], rest);
  if (v) memcpy(v + i, tail[3], rest);
}

INLINE void run_parts(const coppice_update_args* a, const coppice_run_state* rs, const coppice_item* item,
                      int adam) {
  const constants c = constants_of(a, rs, adam);
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = a->part_start[part], count = a->part_start[part + 1] - begin;
    const float* gradient = a->gradient ? a->gradient + begin : (const float*)item->scratch;
    run_part(a->value + begin, gradient, a->moment1 ? a->moment1 + begin : NULL,
             adam ? a->moment2 + begin : NULL, adam && a->born ? a->born + begin : NULL, count, &c,
             adam ? adam_step : sgd_step);
  }
}

/* Apart from the kernels, so that no arithmetic moves across the change of mode. */
NOINLINE void run_sgd(const coppice_update_args* a, const coppice_run_state* rs, const coppice_item* item) {
  run_parts(a, rs, item, 0);
}
NOINLINE void run_adam(const coppice_update_args* a, const coppice_run_state* rs, const coppice_item* item) {
  run_parts(a, rs, item, 1);
}

void KERNEL(coppice_sgd)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const uint64_t mode = v_flush_denormals();
  run_sgd((const coppice_update_args*)args, rs, item);
  v_restore_denormals(mode);
}

void KERNEL(coppice_adam)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const uint64_t mode = v_flush_denormals();
  run_adam((const coppice_update_args*)args, rs, item);
  v_restore_denormals(mode);
}

void KERNEL(coppice_refresh)(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_refresh_args* a = (const coppice_refresh_args*)args;
  (void)rs;
  const float* restrict source = a->source;
  const int32_t* restrict position = a->position;
  float* restrict target = a->target;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int64_t begin = (int64_t)part * a->part_weights;
    const int64_t end = begin + a->part_weights < a->count ? begin + a->part_weights : a->count;
    for (int64_t i = begin; i < end; ++i) target[i] = source[position[i]];
  }
}
