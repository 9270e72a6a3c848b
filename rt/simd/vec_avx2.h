/* SPDX-License-Identifier: Apache-2.0
 * What vector extensions cannot say, for AVX2. Included by vec.h only. */
#include <immintrin.h>

INLINE vec v_splat4(const float* p) { return _mm256_broadcast_ps((const __m128*)p); }
INLINE vec v_load_i8(const int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
}
INLINE vec4 v_quarters_sum(vec v) {
  return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}
/* Of an unordered pair max_ps returns the second: a NaN passes. */
INLINE vec v_at_least(vec v, vec low) { return _mm256_max_ps(low, v); }
INLINE vec v_gate(vec v, vec m) {
  return _mm256_and_ps(_mm256_cmp_ps(m, _mm256_setzero_ps(), _CMP_GT_OQ), v);
}

/* A bit for each lane whose magnitude is not below the bar; that of a NaN is not. */
INLINE uint32_t v_reaching(vec v, vec bar) {
  const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
  return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(magnitude, bar, _CMP_NLT_UQ));
}

/* m / (sqrt(v) + epsilon). */
INLINE vec v_over_root(vec m, vec v, vec epsilon) { return m / (_mm256_sqrt_ps(v) + epsilon); }

/* Denormals cost a hundred cycles each; inside an optimizer they are zero. */
INLINE uint64_t v_flush_denormals(void) {
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);
  return mode;
}
INLINE void v_restore_denormals(uint64_t mode) { _mm_setcsr((unsigned)mode); }
