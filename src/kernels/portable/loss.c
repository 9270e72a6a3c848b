/* SPDX-License-Identifier: Apache-2.0
 * Losses and their gradients. Per sample; the mean over the batch is rs->loss_scale in the gradients, and the
 * host's sum over samples for the loss itself. */
#include <math.h>

#include "portable.h"

enum { MAX_WIDTH = 64 };

static float weight_of(const coppice_run_state* rs, int32_t width, int32_t tile, int32_t s) {
  return rs->sample_weights ? rs->sample_weights[(int64_t)tile * width + s] : 1.0f;
}

/* max[s], and sum[s] = sum over rows of exp((logit - max) * coldness), the inverse of a temperature */
static void softmax_sums(const float* logits, int32_t rows, int32_t width, int32_t columns, float coldness,
                         float* max, float* sum) {
  for (int32_t s = 0; s < columns; ++s) {
    max[s] = logits[s];
    sum[s] = 0.0f;
  }
  for (int32_t row = 1; row < rows; ++row)
    for (int32_t s = 0; s < columns; ++s) {
      const float logit = logits[(int64_t)row * width + s];
      max[s] = logit > max[s] ? logit : max[s];
    }
  for (int32_t row = 0; row < rows; ++row)
    for (int32_t s = 0; s < columns; ++s)
      sum[s] += coppice_expf((logits[(int64_t)row * width + s] - max[s]) * coldness);
}

/* loss[s] = (1 - share) loss[s] + share T^2 KL(softmax(teacher / T) || softmax(logits / T)) (Hinton et al.
 * 2015) */
static void add_teacher(const coppice_loss_args* args, const coppice_run_state* rs, int32_t tile,
                        const float* logits, float* loss) {
  const int32_t width = args->logits.width, rows = args->rows;
  const int32_t columns = columns_of(rs, width, tile), valid = coppice_valid(rs, width, tile);
  const float *teacher = coppice_tile(&args->teacher, rs, tile), coldness = 1.0f / args->temperature;
  float max[MAX_WIDTH], sum[MAX_WIDTH], teacher_max[MAX_WIDTH], teacher_sum[MAX_WIDTH];
  softmax_sums(logits, rows, width, columns, coldness, max, sum);
  softmax_sums(teacher, rows, width, columns, coldness, teacher_max, teacher_sum);
  for (int32_t s = 0; s < valid; ++s) {
    const float log_sum = logf(sum[s]), teacher_log_sum = logf(teacher_sum[s]);
    float divergence = 0.0f;
    for (int32_t row = 0; row < rows; ++row) {
      const int64_t at = (int64_t)row * width + s;
      const float said = (teacher[at] - teacher_max[s]) * coldness - teacher_log_sum;
      divergence += coppice_expf(said) * (said - ((logits[at] - max[s]) * coldness - log_sum));
    }
    loss[s] += args->teacher_share * (args->temperature * args->temperature * divergence - loss[s]);
  }
}

/* loss = -(1 - e) * log p[label] - e / rows * sum over rows of log p, e the label smoothing (Szegedy et al.
 * 2016) */
void KERNEL(softmax_cross_entropy)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  const coppice_loss_args* args = (const coppice_loss_args*)raw;
  const int32_t width = args->logits.width, rows = args->rows;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t columns = columns_of(rs, width, tile), valid = coppice_valid(rs, width, tile);
    const float* logits = coppice_tile(&args->logits, rs, tile);
    const int32_t* label = (const int32_t*)coppice_tile(&args->target, rs, tile);
    float* loss = coppice_tile(&args->out, rs, tile);
    float max[MAX_WIDTH], sum[MAX_WIDTH];
    softmax_sums(logits, rows, width, columns, 1.0f, max, sum);
    for (int32_t s = 0; s < width; ++s) loss[s] = 0.0f;
    for (int32_t s = 0; s < valid; ++s) {
      /* The distance to the largest logit first: for large logits its rounding would hide the logarithm. */
      const float log_sum = logf(sum[s]);
      float mean = 0.0f;
      if (args->smoothing > 0.0f)
        for (int32_t row = 0; row < rows; ++row)
          mean += ((max[s] - logits[(int64_t)row * width + s]) + log_sum) / (float)rows;
      const float own = (max[s] - logits[(int64_t)label[s] * width + s]) + log_sum;
      loss[s] = (1.0f - args->smoothing) * own + args->smoothing * mean;
    }
    if (args->teacher_share > 0.0f) add_teacher(args, rs, tile, logits, loss);
    for (int32_t s = 0; s < valid; ++s) loss[s] *= weight_of(rs, width, tile, s);
  }
}

/* g += share T (softmax(logits / T) - softmax(teacher / T)) factor */
static void add_teacher_grad(const coppice_loss_args* args, const coppice_run_state* rs, int32_t tile,
                             const float* logits, const float* factor, float* out) {
  const int32_t width = args->logits.width, rows = args->rows, columns = columns_of(rs, width, tile);
  const float *teacher = coppice_tile(&args->teacher, rs, tile), coldness = 1.0f / args->temperature;
  float max[MAX_WIDTH], sum[MAX_WIDTH], teacher_max[MAX_WIDTH], teacher_sum[MAX_WIDTH], scale[MAX_WIDTH];
  softmax_sums(logits, rows, width, columns, coldness, max, sum);
  softmax_sums(teacher, rows, width, columns, coldness, teacher_max, teacher_sum);
  for (int32_t s = 0; s < columns; ++s) {
    scale[s] = args->teacher_share * args->temperature * factor[s];
    sum[s] = 1.0f / sum[s];
    teacher_sum[s] = 1.0f / teacher_sum[s];
  }
  for (int32_t row = 0; row < rows; ++row) {
    const float *x = logits + (int64_t)row * width, *t = teacher + (int64_t)row * width;
    float* g = out + (int64_t)row * width;
    for (int32_t s = 0; s < columns; ++s)
      g[s] += (coppice_expf((x[s] - max[s]) * coldness) * sum[s] -
               coppice_expf((t[s] - teacher_max[s]) * coldness) * teacher_sum[s]) *
              scale[s];
  }
}

void KERNEL(softmax_cross_entropy_grad)(const void* raw, const coppice_run_state* rs,
                                        const coppice_item* item) {
  const coppice_loss_args* args = (const coppice_loss_args*)raw;
  const int32_t width = args->logits.width, rows = args->rows;
  const float off = args->smoothing / (float)rows, on = 1.0f - args->smoothing;
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {
    const int32_t columns = columns_of(rs, width, tile), valid = coppice_valid(rs, width, tile);
    const float* logits = coppice_tile(&args->logits, rs, tile);
    const int32_t* label = (const int32_t*)coppice_tile(&args->target, rs, tile);
    float* out = coppice_tile(&args->out, rs, tile);
    float max[MAX_WIDTH], sum[MAX_WIDTH], factor[MAX_WIDTH], own[MAX_WIDTH];
    softmax_sums(logits, rows, width, columns, 1.0f, max, sum);
    for (int32_t s = 0; s < columns; ++s) {
      factor[s] = s < valid ? rs->loss_scale * weight_of(rs, width, tile, s) : 0.0f;
      own[s] = (1.0f - args->teacher_share) * factor[s];
      sum[s] = 1.0f / sum[s];
    }
    for (int32_t row = 0; row < rows; ++row) {
      float* g = out + (int64_t)row * width;
      for (int32_t s = 0; s < columns; ++s)
        g[s] = (coppice_expf(logits[(int64_t)row * width + s] - max[s]) * sum[s] - off) * own[s];
      for (int32_t s = columns; s < width; ++s) g[s] = 0.0f;
    }
    for (int32_t s = 0; s < valid; ++s) out[(int64_t)label[s] * width + s] -= on * own[s];
    if (args->teacher_share > 0.0f) add_teacher_grad(args, rs, tile, logits, factor, out);
  }
}

/* The sum over the rows of a tile of TERM, which sees x (logit or output) and t (target). */
#define DENSE_LOSS(SCALE, TERM)                                                                        \
  const coppice_loss_args* args = (const coppice_loss_args*)raw;                                       \
  const int32_t width = args->logits.width, target_width = args->target.width;                         \
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {                               \
    const int32_t valid = coppice_valid(rs, width, tile);                                              \
    const float* logits = coppice_tile(&args->logits, rs, tile);                                       \
    const float* target = coppice_tile(&args->target, rs, tile);                                       \
    float* loss = coppice_tile(&args->out, rs, tile);                                                  \
    for (int32_t s = 0; s < width; ++s) loss[s] = 0.0f;                                                \
    for (int32_t row = 0; row < args->rows; ++row)                                                     \
      for (int32_t s = 0; s < valid; ++s) {                                                            \
        const float x = logits[(int64_t)row * width + s], t = target[(int64_t)row * target_width + s]; \
        loss[s] += (TERM);                                                                             \
      }                                                                                                \
    for (int32_t s = 0; s < valid; ++s) loss[s] *= (SCALE)*weight_of(rs, width, tile, s);              \
  }

#define DENSE_GRAD(SCALE, TERM)                                                                        \
  const coppice_loss_args* args = (const coppice_loss_args*)raw;                                       \
  const int32_t width = args->logits.width, target_width = args->target.width;                         \
  for (int32_t tile = item->tile_begin; tile < item->tile_end; ++tile) {                               \
    const int32_t valid = coppice_valid(rs, width, tile);                                              \
    const float* logits = coppice_tile(&args->logits, rs, tile);                                       \
    const float* target = coppice_tile(&args->target, rs, tile);                                       \
    float* out = coppice_tile(&args->out, rs, tile);                                                   \
    const float scale = rs->loss_scale * (SCALE);                                                      \
    float factor[MAX_WIDTH];                                                                           \
    for (int32_t s = 0; s < valid; ++s) factor[s] = scale * weight_of(rs, width, tile, s);             \
    for (int32_t row = 0; row < args->rows; ++row) {                                                   \
      float* g = out + (int64_t)row * width;                                                           \
      for (int32_t s = 0; s < valid; ++s) {                                                            \
        const float x = logits[(int64_t)row * width + s], t = target[(int64_t)row * target_width + s]; \
        g[s] = (TERM)*factor[s];                                                                       \
      }                                                                                                \
      for (int32_t s = valid; s < width; ++s) g[s] = 0.0f;                                             \
    }                                                                                                  \
  }

/* Of logits x: max(x, 0) - x t + log(1 + exp(-|x|)), averaged over the rows. */
void KERNEL(binary_cross_entropy)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  DENSE_LOSS(1.0f / (float)args->rows,
             (x > 0.0f ? x : 0.0f) - x * t + log1pf(coppice_expf(x > 0.0f ? -x : x)))
}

void KERNEL(binary_cross_entropy_grad)(const void* raw, const coppice_run_state* rs,
                                       const coppice_item* item) {
  DENSE_GRAD(1.0f / (float)args->rows, 1.0f / (1.0f + coppice_expf(-x)) - t)
}

void KERNEL(mean_squared_error)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  DENSE_LOSS(1.0f / (float)args->rows, (x - t) * (x - t))
}

void KERNEL(mean_squared_error_grad)(const void* raw, const coppice_run_state* rs, const coppice_item* item) {
  DENSE_GRAD(2.0f / (float)args->rows, x - t)
}
