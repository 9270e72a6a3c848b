/* SPDX-License-Identifier: Apache-2.0
 * What vector extensions cannot say, for AVX-512. Included by vec.h only. */
#include <immintrin.h>

INLINE vec v_splat4(const float* p) { return _mm512_broadcast_f32x4(_mm_loadu_ps(p)); }
INLINE vec v_load_i8(const int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
}
INLINE vec4 v_quarters_sum(vec v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
/* Of an unordered pair max_ps returns the second: a NaN passes. */
INLINE vec v_at_least(vec v, vec low) { return _mm512_max_ps(low, v); }
INLINE vec v_gate(vec v, vec m) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(m, _mm512_setzero_ps(), _CMP_GT_OQ), v);
}

/* A bit for each lane whose magnitude is not below the bar; that of a NaN is not. */
INLINE uint32_t v_reaching(vec v, vec bar) { return _mm512_cmp_ps_mask(_mm512_abs_ps(v), bar, _CMP_NLT_UQ); }

/* m / (sqrt(v) + epsilon). The 14-bit estimates with one Newton step each take a quarter of the cycles of
 * sqrt and division and are within 2 ulp. v is held above the square of the smallest epsilon that matters, so
 * that the estimate of 1/sqrt(0) does not become infinite. */
INLINE vec v_over_root(vec m, vec v, vec epsilon) {
  v = _mm512_max_ps(v, _mm512_set1_ps(1e-36f));
  vec r = _mm512_rsqrt14_ps(v);
  const vec root = v * r;
  r = root + 0.5f * r * (v - root * root);
  const vec d = r + epsilon;
  vec q = _mm512_rcp14_ps(d);
  q = q * (2.0f - d * q);
  return m * q;
}

/* Denormals cost a hundred cycles each; inside an optimizer they are zero. */
INLINE uint64_t v_flush_denormals(void) {
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);
  return mode;
}
INLINE void v_restore_denormals(uint64_t mode) { _mm_setcsr((unsigned)mode); }
