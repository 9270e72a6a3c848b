/* SPDX-License-Identifier: Apache-2.0 */
#include "../c/planes.h"
#include "kernels_simd.h"

/* Twelve chains keep two FMA ports with a latency of four to six cycles busy. */
static int64_t fma_loop(int32_t rounds) {
  enum { kChains = 12 };
  vec sum[kChains], half = v_splat(0.5f), one = v_splat(1.0f);
  __asm__("" : "+m"(half), "+m"(one));                                 /* unknown to the compiler */
  UNROLL for (int c = 0; c < kChains; ++c) sum[c] = v_splat((float)c); /* equal chains would be merged */
  for (int32_t i = 0; i < rounds; ++i) UNROLL for (int c = 0; c < kChains; ++c) sum[c] = sum[c] * half + one;
  volatile float sink = 0;
  for (int c = 0; c < kChains; ++c) sink = sink + sum[c][0];
  return (int64_t)rounds * kChains * LANES * 2;
}

static float read_loop(const float* data, int32_t count) {
  enum { kChains = 8 };
  vec sum[kChains];
  UNROLL for (int c = 0; c < kChains; ++c) sum[c] = v_splat(0.0f);
  for (int32_t i = 0; i < count; i += kChains * LANES)
    UNROLL for (int c = 0; c < kChains; ++c) sum[c] += v_load(data + i + c * LANES);
  float total = 0;
  for (int c = 0; c < kChains; ++c)
    for (int lane = 0; lane < LANES; ++lane) total += sum[c][lane];
  return total;
}

/* The kernels of integers are given: AVX-512 without its dot products takes those of AVX2. */
#define TABLE(...) TABLE_OF(__VA_ARGS__)
#define TABLE_OF(apply, rows, blocks, lookup_f32, f32_bits, lookup_i8, i8_bits)                            \
  {                                                                                                        \
    .isa = COPPICE_ISA_TEXT, .linear_segments = KERNEL(coppice_linear_segments),                           \
    .linear_blocks = KERNEL(coppice_linear_blocks), .conv = KERNEL(coppice_conv),                          \
    .conv_blocks = KERNEL(coppice_conv_blocks), .apply_f32 = KERNEL(coppice_apply_f32), .apply_i8 = apply, \
    .planes = PLANE_TABLE(rows, blocks, lookup_f32, f32_bits, lookup_i8, i8_bits), .fma_loop = fma_loop,   \
    .read_loop = read_loop                                                                                 \
  }
#define OWN_INTEGERS KERNEL(coppice_apply_i8), PLANE(conv_rows_i8), PLANE(conv_blocks_i8)
#define INTEGERS_OF(isa) \
  coppice_apply_i8_##isa, coppice_plane_conv_rows_i8_##isa, coppice_plane_conv_blocks_i8_##isa
#define DECLARE(name) void name(const void* args, const coppice_run_state* rs, const coppice_item* item)
#define DECLARE_INTEGERS(isa)                \
  DECLARE(coppice_apply_i8_##isa);           \
  DECLARE(coppice_plane_conv_rows_i8_##isa); \
  DECLARE(coppice_plane_conv_blocks_i8_##isa)

#if defined(COPPICE_ISA_avx512)
DECLARE_INTEGERS(avx2);
DECLARE(coppice_plane_lookup_i8_avx2);
PLANE_KERNEL(lookup_f32);
PLANE_KERNEL(lookup_i8);
#define FLOATS PLANE(lookup_f32), 5
const coppice_kernel_table coppice_kernels_avx512 = TABLE(OWN_INTEGERS, FLOATS, PLANE(lookup_i8), 8);
const coppice_kernel_table coppice_kernels_avx512_no_vbmi =
    TABLE(OWN_INTEGERS, FLOATS, coppice_plane_lookup_i8_avx2, 4);
const coppice_kernel_table coppice_kernels_avx512_no_vnni =
    TABLE(INTEGERS_OF(avx2), FLOATS, coppice_plane_lookup_i8_avx2, 4);
#elif defined(COPPICE_ISA_avx2)
PLANE_KERNEL(lookup_i8);
const coppice_kernel_table coppice_kernels_avx2 = TABLE(OWN_INTEGERS, NULL, 0, PLANE(lookup_i8), 4);
#else
DECLARE_INTEGERS(neon_dot);
const coppice_kernel_table coppice_kernels_neon = TABLE(OWN_INTEGERS, NULL, 0, NULL, 0);
const coppice_kernel_table coppice_kernels_neon_dot = TABLE(INTEGERS_OF(neon_dot), NULL, 0, NULL, 0);
#endif
