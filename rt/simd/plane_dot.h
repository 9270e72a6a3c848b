/* SPDX-License-Identifier: Apache-2.0
 * Sums of products of 8-bit integers over a unit of 16 neighbouring pixels, kUnitVectors vectors of 32-bit
 * sums: dot_gather() takes four columns of pixels, each from an address of its own; dot_add() adds the
 * product of each with a weight. What is added to the unsigned side of a product is kUnitOffset. AVX-512 can
 * have units of 64 pixels (dot_wide), which take half the shuffles. unit_high(): the upper halves of products
 * of 64 bits. unit_load(): bytes as 32-bit integers; unit_bytes(): the way back, saturating. All is exact. */
#ifndef COPPICE_PLANE_DOT_H
#define COPPICE_PLANE_DOT_H

#include "vec.h"

enum { kUnit = 16, kUnitVectors = kUnit / LANES };
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

INLINE ivec i_splat(int32_t v) { return (ivec){0} + v; }
INLINE uint32_t four_weights(const int8_t* w) {
  uint32_t v;
  memcpy(&v, w, sizeof v);
  return v;
}

#if defined(COPPICE_ISA_avx512)

enum { kUnitOffset = 128, kWide = 64, kWideVectors = 4 };
/* Four bytes for each pixel. */
typedef __m512i dot_pixels;
typedef __m512i dot_weights;

INLINE dot_pixels dot_gather(const int8_t* a, const int8_t* b, const int8_t* c, const int8_t* d) {
  const __m512i together = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i turned =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)a)),
                                              _mm_loadu_si128((const __m128i*)b), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)c)),
                                               _mm_loadu_si128((const __m128i*)d), 1);
  const __m512i all = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  const __m512i pixels = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(together, all), turned);
  return _mm512_xor_si512(pixels, _mm512_set1_epi8(-128));
}
INLINE dot_weights dot_weights_of(uint32_t four) { return _mm512_set1_epi32((int32_t)four); }
/* Not the intrinsic: a file compiled for VNNI could use it elsewhere, on a CPU that lacks it. */
INLINE void dot_one(ivec* sum, __m512i pixels, __m512i weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(pixels), "v"(weights));
}
INLINE void dot_add(ivec* sum, const dot_pixels* pixels, dot_weights w) { dot_one(sum, *pixels, w); }

/* 64 pixels as four vectors: lane l of vector i has pixels 16 l + 4 i to 16 l + 4 i + 3. */
typedef struct dot_wide {
  __m512i v[kWideVectors];
} dot_wide;

INLINE dot_wide dot_gather_wide(const int8_t* a, const int8_t* b, const int8_t* c, const int8_t* d) {
  const __m512i sign = _mm512_set1_epi8(-128);
  const __m512i va = _mm512_loadu_si512(a), vb = _mm512_loadu_si512(b);
  const __m512i vc = _mm512_loadu_si512(c), vd = _mm512_loadu_si512(d);
  const __m512i ab_low = _mm512_xor_si512(_mm512_unpacklo_epi8(va, vb), sign);
  const __m512i ab_high = _mm512_xor_si512(_mm512_unpackhi_epi8(va, vb), sign);
  const __m512i cd_low = _mm512_xor_si512(_mm512_unpacklo_epi8(vc, vd), sign);
  const __m512i cd_high = _mm512_xor_si512(_mm512_unpackhi_epi8(vc, vd), sign);
  const dot_wide out = {{_mm512_unpacklo_epi16(ab_low, cd_low), _mm512_unpackhi_epi16(ab_low, cd_low),
                         _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_unpackhi_epi16(ab_high, cd_high)}};
  return out;
}
INLINE void dot_add_wide(ivec* sum, const dot_wide* pixels, dot_weights w) {
  UNROLL for (int i = 0; i < kWideVectors; ++i) dot_one(sum + i, pixels->v[i], w);
}

INLINE ivec unit_high(ivec a, ivec b) {
  const __m512i even = _mm512_mul_epi32((__m512i)a, (__m512i)b);
  const __m512i odd = _mm512_mul_epi32(_mm512_shuffle_epi32((__m512i)a, 0xf5), (__m512i)b);
  return (ivec)_mm512_mask_mov_epi32(_mm512_shuffle_epi32(even, 0xf5), 0xaaaa, odd);
}
INLINE void unit_load(const int8_t* p, ivec* out) {
  *out = (ivec)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p));
}
INLINE __m128i unit_bytes(const ivec* sum) { return _mm512_cvtsepi32_epi8((__m512i)*sum); }
INLINE __m128i bytes_within(__m128i bytes, int32_t low, int32_t high) {
  return _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8((int8_t)low)), _mm_set1_epi8((int8_t)high));
}
INLINE void put_bytes(int8_t* to, __m128i bytes) { _mm_storeu_si128((__m128i*)to, bytes); }
INLINE void put_wide_bytes(int8_t* to, const ivec* sum, int32_t low, int32_t high) {
  const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32((__m512i)sum[0], (__m512i)sum[1]),
                                           _mm512_packs_epi32((__m512i)sum[2], (__m512i)sum[3]));
  const __m512i within =
      _mm512_min_epi8(_mm512_max_epi8(bytes, _mm512_set1_epi8((int8_t)low)), _mm512_set1_epi8((int8_t)high));
  _mm512_storeu_si512(to, within);
}
/* The four vectors of 64 pixels, in order of pixels. */
INLINE void wide_in_order(ivec* sum) {
  const __m512i a = (__m512i)sum[0], b = (__m512i)sum[1], c = (__m512i)sum[2], d = (__m512i)sum[3];
  const __m512i ab = _mm512_shuffle_i32x4(a, b, 0x44), cd = _mm512_shuffle_i32x4(c, d, 0x44);
  const __m512i ef = _mm512_shuffle_i32x4(a, b, 0xee), gh = _mm512_shuffle_i32x4(c, d, 0xee);
  sum[0] = (ivec)_mm512_shuffle_i32x4(ab, cd, 0x88);
  sum[1] = (ivec)_mm512_shuffle_i32x4(ab, cd, 0xdd);
  sum[2] = (ivec)_mm512_shuffle_i32x4(ef, gh, 0x88);
  sum[3] = (ivec)_mm512_shuffle_i32x4(ef, gh, 0xdd);
}

#elif defined(COPPICE_ISA_avx2)

enum { kUnitOffset = 0 };
/* Two numbers of 16 bits for each pixel, as products of bytes would saturate: of columns a and b, then of c
 * and d; eight pixels each. */
typedef struct dot_pixels {
  __m256i ab[2], cd[2];
} dot_pixels;
typedef struct dot_weights {
  __m256i ab, cd;
} dot_weights;

INLINE dot_pixels dot_gather(const int8_t* a, const int8_t* b, const int8_t* c, const int8_t* d) {
  const __m128i va = _mm_loadu_si128((const __m128i*)a), vb = _mm_loadu_si128((const __m128i*)b);
  const __m128i vc = _mm_loadu_si128((const __m128i*)c), vd = _mm_loadu_si128((const __m128i*)d);
  const dot_pixels out = {
      {_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(va, vb)), _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(va, vb))},
      {_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(vc, vd)), _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(vc, vd))}};
  return out;
}
INLINE dot_weights dot_weights_of(uint32_t four) {
  const __m256i all = _mm256_cvtepi8_epi16(_mm_set1_epi32((int32_t)four));
  const dot_weights out = {_mm256_shuffle_epi32(all, 0x00), _mm256_shuffle_epi32(all, 0x55)};
  return out;
}
INLINE void dot_add(ivec* sum, const dot_pixels* pixels, dot_weights w) {
  UNROLL for (int i = 0; i < 2; ++i) sum[i] +=
      (ivec)_mm256_madd_epi16(pixels->ab[i], w.ab) + (ivec)_mm256_madd_epi16(pixels->cd[i], w.cd);
}

INLINE ivec unit_high(ivec a, ivec b) {
  const __m256i even = _mm256_mul_epi32((__m256i)a, (__m256i)b);
  const __m256i odd = _mm256_mul_epi32(_mm256_shuffle_epi32((__m256i)a, 0xf5), (__m256i)b);
  return (ivec)_mm256_blend_epi32(_mm256_shuffle_epi32(even, 0xf5), odd, 0xaa);
}
INLINE void unit_load(const int8_t* p, ivec* out) {
  out[0] = (ivec)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p));
  out[1] = (ivec)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)(p + 8)));
}
INLINE __m128i unit_bytes(const ivec* sum) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)sum[0], (__m256i)sum[1]), 0xd8);
  return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
INLINE __m128i bytes_within(__m128i bytes, int32_t low, int32_t high) {
  return _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8((int8_t)low)), _mm_set1_epi8((int8_t)high));
}
INLINE void put_bytes(int8_t* to, __m128i bytes) { _mm_storeu_si128((__m128i*)to, bytes); }

#else

enum { kUnitOffset = 0 };

#if defined(__ARM_FEATURE_DOTPROD)

/* Four bytes for each pixel, four pixels each. */
typedef struct dot_pixels {
  int8x16_t v[kUnitVectors];
} dot_pixels;
typedef int8x16_t dot_weights;

INLINE dot_pixels dot_gather(const int8_t* a, const int8_t* b, const int8_t* c, const int8_t* d) {
  const int8x16_t va = vld1q_s8(a), vb = vld1q_s8(b), vc = vld1q_s8(c), vd = vld1q_s8(d);
  const int16x8_t ab[2] = {vreinterpretq_s16_s8(vzip1q_s8(va, vb)), vreinterpretq_s16_s8(vzip2q_s8(va, vb))};
  const int16x8_t cd[2] = {vreinterpretq_s16_s8(vzip1q_s8(vc, vd)), vreinterpretq_s16_s8(vzip2q_s8(vc, vd))};
  dot_pixels out;
  UNROLL for (int i = 0; i < 2; ++i) {
    out.v[2 * i] = vreinterpretq_s8_s16(vzip1q_s16(ab[i], cd[i]));
    out.v[2 * i + 1] = vreinterpretq_s8_s16(vzip2q_s16(ab[i], cd[i]));
  }
  return out;
}
INLINE dot_weights dot_weights_of(uint32_t four) { return vreinterpretq_s8_u32(vdupq_n_u32(four)); }
INLINE void dot_add(ivec* sum, const dot_pixels* pixels, dot_weights w) {
  UNROLL for (int i = 0; i < kUnitVectors; ++i) sum[i] = (ivec)vdotq_s32((int32x4_t)sum[i], pixels->v[i], w);
}

#else

/* Bytes of columns a and b, eight pixels each, then of c and d. */
typedef struct dot_pixels {
  int8x16_t ab[2], cd[2];
} dot_pixels;
typedef struct dot_weights {
  int8x16_t ab, cd;
} dot_weights;

INLINE dot_pixels dot_gather(const int8_t* a, const int8_t* b, const int8_t* c, const int8_t* d) {
  const int8x16_t va = vld1q_s8(a), vb = vld1q_s8(b), vc = vld1q_s8(c), vd = vld1q_s8(d);
  const dot_pixels out = {{vzip1q_s8(va, vb), vzip2q_s8(va, vb)}, {vzip1q_s8(vc, vd), vzip2q_s8(vc, vd)}};
  return out;
}
INLINE dot_weights dot_weights_of(uint32_t four) {
  const dot_weights out = {vreinterpretq_s8_u16(vdupq_n_u16((uint16_t)four)),
                           vreinterpretq_s8_u16(vdupq_n_u16((uint16_t)(four >> 16)))};
  return out;
}
/* Pairs of products fit 16 bits one by one, not their sum: it is taken in 32. */
INLINE void dot_pairs(ivec* sum, int8x16_t pixels, int8x16_t w) {
  sum[0] = (ivec)vpadalq_s16((int32x4_t)sum[0], vmull_s8(vget_low_s8(pixels), vget_low_s8(w)));
  sum[1] = (ivec)vpadalq_s16((int32x4_t)sum[1], vmull_high_s8(pixels, w));
}
INLINE void dot_add(ivec* sum, const dot_pixels* pixels, dot_weights w) {
  UNROLL for (int i = 0; i < 2; ++i) {
    dot_pairs(sum + 2 * i, pixels->ab[i], w.ab);
    dot_pairs(sum + 2 * i, pixels->cd[i], w.cd);
  }
}

#endif

INLINE ivec unit_high(ivec a, ivec b) {
  const int64x2_t low = vmull_s32(vget_low_s32((int32x4_t)a), vget_low_s32((int32x4_t)b));
  const int64x2_t high = vmull_high_s32((int32x4_t)a, (int32x4_t)b);
  return (ivec)vuzp2q_s32(vreinterpretq_s32_s64(low), vreinterpretq_s32_s64(high));
}
INLINE void unit_load(const int8_t* p, ivec* out) {
  const int8x16_t bytes = vld1q_s8(p);
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  out[0] = (ivec)vmovl_s16(vget_low_s16(low));
  out[1] = (ivec)vmovl_high_s16(low);
  out[2] = (ivec)vmovl_s16(vget_low_s16(high));
  out[3] = (ivec)vmovl_high_s16(high);
}
INLINE int8x16_t unit_bytes(const ivec* sum) {
  const int16x8_t low = vqmovn_high_s32(vqmovn_s32((int32x4_t)sum[0]), (int32x4_t)sum[1]);
  const int16x8_t high = vqmovn_high_s32(vqmovn_s32((int32x4_t)sum[2]), (int32x4_t)sum[3]);
  return vqmovn_high_s16(vqmovn_s16(low), high);
}
INLINE int8x16_t bytes_within(int8x16_t bytes, int32_t low, int32_t high) {
  return vminq_s8(vmaxq_s8(bytes, vdupq_n_s8((int8_t)low)), vdupq_n_s8((int8_t)high));
}
INLINE void put_bytes(int8_t* to, int8x16_t bytes) { vst1q_s8(to, bytes); }

#endif
#endif
