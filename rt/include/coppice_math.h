/* SPDX-License-Identifier: Apache-2.0
 * Own exp, tanh and erf, and the activations made of them, so that inference needs no libm and training and
 * inference give the same bits. They vectorise, and pass NaN on. tests/kernels checks each error over the
 * whole range of floats. */
#ifndef COPPICE_MATH_H
#define COPPICE_MATH_H

#include <stdint.h>
#include <string.h>

/* condition ? yes : no, as arithmetic. A choice between results of arithmetic becomes a branch in gcc, unless
 * it may ignore floating-point exceptions, and a loop with a branch is not vectorised. */
static inline float coppice_select(int condition, float yes, float no) {
  union {
    float f;
    uint32_t i;
  } a, b;
  a.f = yes;
  b.f = no;
  const uint32_t mask = 0u - (uint32_t)condition;
  a.i = (a.i & mask) | (b.i & ~mask);
  return a.f;
}

/* x, at least low and at most high; a NaN stays. */
static inline float coppice_clamp(float x, float low, float high) {
  x = coppice_select(x < low, low, x);
  return coppice_select(x > high, high, x);
}

/* e^x for any x, clamped to [-87, 88]; relative error below 2e-7. e^x = 2^n * e^r with |r| <= ln2 / 2, e^r by
 * its Taylor polynomial of degree 7. */
static inline float coppice_expf(float x) {
  const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
  union {
    float f;
    int32_t i;
  } scale;
  x = coppice_clamp(x, -87.0f, 88.0f);
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
  scale.i = ((int32_t)coppice_select(n > -127.0f, n, -127.0f) + 127) * (1 << 23);
  return p * scale.f;
}

/* Relative error below 4e-7, never above 1. x * P(x^2) / Q(x^2), fitted to the least relative error (2e-8) up
 * to 9.02, from where on tanh is 1 to the nearest float. */
static inline float coppice_tanhf(float x) {
  x = coppice_clamp(x, -9.02f, 9.02f);
  const float z = x * x;
  float p = 1.33191493e-8f;
  p = p * z + 2.05835422e-5f;
  p = p * z + 3.49403848e-3f;
  p = p * z + 0.133797213f;
  p = p * z + 1.0f;
  float q = 7.76205297e-7f;
  q = q * z + 3.28309921e-4f;
  q = q * z + 2.58710887e-2f;
  q = q * z + 0.467130363f;
  q = q * z + 1.0f;
  return coppice_clamp(x * p / q, -1.0f, 1.0f);
}

/* The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x. Relative error below 5e-7, never
 * above 1. Fitted as tanh is, up to 4 (2.5e-8), from where on it is 1 to the nearest float. */
static inline float coppice_erff(float x) {
  x = coppice_clamp(x, -4.0f, 4.0f);
  const float z = x * x;
  float p = 1.98686848e-6f;
  p = p * z + 2.84559501e-4f;
  p = p * z + 3.88297648e-3f;
  p = p * z + 5.31005897e-2f;
  p = p * z + 0.193536222f;
  p = p * z + 1.12837911f;
  float q = 3.74207484e-5f;
  q = q * z + 1.18548621e-3f;
  q = q * z + 1.52065037e-2f;
  q = q * z + 0.115346357f;
  q = q * z + 0.504849553f;
  q = q * z + 1.0f;
  return coppice_clamp(x * p / q, -1.0f, 1.0f);
}

/* ---- activations, as training and inference compute them. Each is finite for any finite input, also where
 * an exponential would overflow, and passes NaN on. */

static inline float coppice_at_least(float x, float low) { return coppice_select(x < low, low, x); }

/* v, times the slope where `at` is not above 0. */
static inline float coppice_leaky(float at, float v, float slope) {
  return coppice_select(at > 0.0f, v, slope * v);
}

static inline float coppice_sigmoidf(float x) { return 1.0f / (1.0f + coppice_expf(-x)); }

/* Below this silu is 0 in all digits that matter, and e^-x still far from overflow. */
#define COPPICE_SILU_END (-80.0f)

static inline float coppice_siluf(float x) {
  x = coppice_at_least(x, COPPICE_SILU_END);
  return x / (1.0f + coppice_expf(-x));
}

/* The probability that a normal number is below x. */
static inline float coppice_normal_below(float x) { return 0.5f + 0.5f * coppice_erff(x * 0.70710678f); }

static inline float coppice_geluf(float x) {
  x = coppice_at_least(x, -6.0f);
  return x * coppice_normal_below(x);
}

/* 0.5 * (1 + tanh(u)) = 1 / (1 + e^-2u), u = sqrt(2 / pi) * (x + 0.044715 x^3): as silu with 2u in its
 * exponent. */
#define COPPICE_GELU_LINEAR 1.5957691216f /* 2 sqrt(2 / pi) */
#define COPPICE_GELU_CUBIC 0.0713548163f  /* times 0.044715 */
#define COPPICE_GELU_END (-10.0f)

static inline float coppice_gelu_tanhf(float x) {
  x = coppice_at_least(x, COPPICE_GELU_END);
  return x / (1.0f + coppice_expf(-x * (COPPICE_GELU_LINEAR + COPPICE_GELU_CUBIC * (x * x))));
}

/* e^x - 1 is tanh(x / 2) * (e^x + 1), which loses no digits where e^x is nearly 1. */
static inline float coppice_eluf(float x, float alpha) {
  return coppice_select(x > 0.0f, x, alpha * (coppice_tanhf(0.5f * x) * (coppice_expf(x) + 1.0f)));
}

/* relu6(x + 3) / 6 */
static inline float coppice_hard_sigmoidf(float x) {
  return coppice_clamp(x + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f);
}

/* Minus infinity times a gate of 0 would be NaN. */
static inline float coppice_hard_swishf(float x) {
  return coppice_at_least(x, -3.0f) * coppice_hard_sigmoidf(x);
}

#endif
