/* SPDX-License-Identifier: Apache-2.0
 * Own exp, so that inference needs no libm and training and inference give the same bits. Vectorises. */
#ifndef COPPICE_MATH_H
#define COPPICE_MATH_H

#include <stdint.h>
#include <string.h>

/* e^x for any finite x, clamped to [-87, 88]; relative error below 2e-7 (kernels/pointwise_test checks every
 * 4,096th float). e^x = 2^n * e^r with |r| <= ln2 / 2, e^r by its Taylor polynomial of degree 7. */
static inline float coppice_expf(float x) {
  const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
  union {
    float f;
    int32_t i;
  } scale;
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504f + shift;
  const float n = shifted - shift;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* ln2 in two parts, the first exact */
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  /* n is at least -126; the comparison turns a NaN, which has no integer, into -127. p keeps it. */
  scale.i = ((int32_t)(n > -127.0f ? n : -127.0f) + 127) * (1 << 23);
  return p * scale.f;
}

#endif
