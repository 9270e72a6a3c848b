/* SPDX-License-Identifier: Apache-2.0
 * Optimizers and the refresh of a transposed copy in plain C. Twins of src/kernels/simd. */
#include <math.h>

#include "kernels/c/plain.h"

static const float* part_gradient(const coppice_update_args* a, const coppice_item* item, int32_t begin) {
  return a->gradient ? a->gradient + begin : (const float*)item->scratch;
}

void coppice_sgd_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_update_args* a = (const coppice_update_args*)args;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = a->part_start[part];
    const float* gradient = part_gradient(a, item, begin);
    for (int32_t i = begin; i < a->part_start[part + 1]; ++i) {
      float g = gradient[i - begin] * rs->gradient_scale + a->decay * a->value[i];
      if (a->moment1) {
        a->moment1[i] = a->beta1 * a->moment1[i] + g;
        g = a->nesterov ? g + a->beta1 * a->moment1[i] : a->moment1[i];
      }
      a->value[i] -= rs->learning_rate * g;
    }
  }
}

void coppice_adam_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_update_args* a = (const coppice_update_args*)args;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int32_t begin = a->part_start[part];
    const float* gradient = part_gradient(a, item, begin);
    for (int32_t i = begin; i < a->part_start[part + 1]; ++i) {
      float g = gradient[i - begin] * rs->gradient_scale;
      if (!a->decoupled) g += a->decay * a->value[i];
      a->moment1[i] = a->beta1 * a->moment1[i] + (1 - a->beta1) * g;
      a->moment2[i] = a->beta2 * a->moment2[i] + (1 - a->beta2) * (g * g);
      if (a->decoupled) a->value[i] -= rs->learning_rate * a->decay * a->value[i];
      float correction1 = rs->moment1_correction, correction2 = rs->moment2_correction;
      if (a->born && a->born[i] > 0) {
        const int32_t age = coppice_age(a, rs, a->born[i]);
        correction1 = a->correction1[age];
        correction2 = a->correction2[age];
      }
      a->value[i] -= rs->learning_rate * (a->moment1[i] * correction1) /
                     (sqrtf(a->moment2[i] * correction2) + a->epsilon);
    }
  }
}

void coppice_refresh_c(const void* args, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_refresh_args* a = (const coppice_refresh_args*)args;
  (void)rs;
  for (int32_t part = item->part_begin; part < item->part_end; ++part) {
    const int64_t begin = (int64_t)part * a->part_weights, end = begin + a->part_weights;
    for (int64_t i = begin; i < end && i < a->count; ++i) a->target[i] = a->source[a->position[i]];
  }
}
