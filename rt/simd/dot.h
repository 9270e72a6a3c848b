/* SPDX-License-Identifier: Apache-2.0
 * Sums of 16 rows, each of products of 8-bit integers, four columns at a time: dot_add(s, w, x) adds
 * w[row][column] * x[column], w being [16][4] and x the four columns as the bytes of an integer, each plus
 * kDotOffset; dot_store(s, out) writes the 16 sums. All is exact. */
#ifndef COPPICE_DOT_H
#define COPPICE_DOT_H

#include "vec.h"

#if defined(COPPICE_ISA_avx512)

enum { kDotOffset = 128, kDotVectors = 1 }; /* dpbusd takes unsigned by signed */
typedef __m512i dot_vec;

INLINE dot_vec dot_zero(void) { return _mm512_setzero_si512(); }
INLINE dot_vec dot_sum(dot_vec a, dot_vec b) { return _mm512_add_epi32(a, b); }
INLINE void dot_add(dot_vec* s, const int8_t* w, uint32_t x) {
  /* Not the intrinsic: a file compiled for VNNI could use it elsewhere, on a CPU that lacks it. */
  __asm__("vpdpbusd %2, %1, %0"
          : "+v"(*s)
          : "v"(_mm512_set1_epi32((int)x)), "m"(*(const __m512i_u*)(const void*)w));
}
INLINE void dot_store(const dot_vec* s, int32_t* out) { _mm512_storeu_si512(out, *s); }

#elif defined(COPPICE_ISA_avx2)

/* maddubs would saturate: 16 bits each, then pairs of products. A vector has four rows, two sums each. */
enum { kDotOffset = 0, kDotVectors = 4 };
typedef __m256i dot_vec;

INLINE dot_vec dot_zero(void) { return _mm256_setzero_si256(); }
INLINE dot_vec dot_sum(dot_vec a, dot_vec b) { return _mm256_add_epi32(a, b); }
INLINE void dot_add(dot_vec* s, const int8_t* w, uint32_t x) {
  const __m256i xs = _mm256_cvtepi8_epi16(_mm_set1_epi32((int)x));
  UNROLL for (int v = 0; v < kDotVectors; ++v) {
    const __m256i ws = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)(w + v * 16)));
    s[v] = _mm256_add_epi32(s[v], _mm256_madd_epi16(ws, xs));
  }
}
INLINE void dot_store(const dot_vec* s, int32_t* out) {
  UNROLL for (int v = 0; v < kDotVectors; v += 2) {
    const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(s[v], s[v + 1]), 0xd8);
    _mm256_storeu_si256((__m256i*)(out + v * 4), sums);
  }
}

#elif defined(__ARM_FEATURE_DOTPROD)

/* A vector has four rows. */
enum { kDotOffset = 0, kDotVectors = 4 };
typedef int32x4_t dot_vec;

INLINE dot_vec dot_zero(void) { return vdupq_n_s32(0); }
INLINE dot_vec dot_sum(dot_vec a, dot_vec b) { return vaddq_s32(a, b); }
INLINE void dot_add(dot_vec* s, const int8_t* w, uint32_t x) {
  const int8x16_t xs = vreinterpretq_s8_u32(vdupq_n_u32(x));
  UNROLL for (int v = 0; v < kDotVectors; ++v) s[v] = vdotq_s32(s[v], vld1q_s8(w + v * 16), xs);
}
INLINE void dot_store(const dot_vec* s, int32_t* out) {
  UNROLL for (int v = 0; v < kDotVectors; ++v) vst1q_s32(out + v * 4, s[v]);
}

#else

/* A vector has two rows, two sums each. */
enum { kDotOffset = 0, kDotVectors = 8 };
typedef int32x4_t dot_vec;

INLINE dot_vec dot_zero(void) { return vdupq_n_s32(0); }
INLINE dot_vec dot_sum(dot_vec a, dot_vec b) { return vaddq_s32(a, b); }
INLINE void dot_add(dot_vec* s, const int8_t* w, uint32_t x) {
  const int8x8_t xs = vreinterpret_s8_u32(vdup_n_u32(x));
  UNROLL for (int v = 0; v < kDotVectors; ++v) s[v] = vpadalq_s16(s[v], vmull_s8(vld1_s8(w + v * 8), xs));
}
INLINE void dot_store(const dot_vec* s, int32_t* out) {
  UNROLL for (int v = 0; v < kDotVectors; v += 2) vst1q_s32(out + v * 2, vpaddq_s32(s[v], s[v + 1]));
}

#endif
#endif
