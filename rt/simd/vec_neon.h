/* SPDX-License-Identifier: Apache-2.0
 * What vector extensions cannot say, for NEON. Included by vec.h only. */
#include <arm_neon.h>

INLINE vec v_splat4(const float* p) { return v_load(p); }
INLINE vec v_load_i8(const int8_t* p) {
  uint32_t four;
  memcpy(&four, p, sizeof four);
  const int16x8_t wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
INLINE vec4 v_quarters_sum(vec v) { return v; }
/* Not vmaxnm, which would turn a NaN into 0. */
INLINE vec v_at_least(vec v, vec low) { return vmaxq_f32(v, low); }
INLINE vec v_gate(vec v, vec m) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), vcgtq_f32(m, vdupq_n_f32(0))));
}

/* A bit for each lane whose magnitude is not below the bar; that of a NaN is not. */
INLINE uint32_t v_reaching(vec v, vec bar) {
  const uint32x4_t bits = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(vmvnq_u32(vcltq_f32(vabsq_f32(v), bar)), bits));
}

/* m / (sqrt(v) + epsilon). */
INLINE vec v_over_root(vec m, vec v, vec epsilon) { return m / (vsqrtq_f32(v) + epsilon); }

/* Denormals are zero inside an optimizer: many cores take far longer over them. Bit 24 of FPCR is FZ. */
INLINE uint64_t v_flush_denormals(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  __asm__ volatile("msr fpcr, %0" : : "r"(mode | (1u << 24)));
  return mode;
}
INLINE void v_restore_denormals(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
