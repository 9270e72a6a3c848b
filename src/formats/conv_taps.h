// SPDX-License-Identifier: Apache-2.0
// One dimension of dX as a gather of dY: which taps of the kernel a phase of the strided grid has, and where
// they read.
#pragma once

#include "sparse/format.h"

namespace coppice {

inline int floor_mod(int a, int n) { return ((a % n) + n) % n; }

inline int phase_of(int tap, const ConvGeometry& g) {
  return floor_mod(tap * g.dilation - g.padding, g.stride);
}

// dX at y * stride + phase reads dY at y + this.
inline int backward_shift(int tap, const ConvGeometry& g) {
  return (phase_of(tap, g) + g.padding - tap * g.dilation) / g.stride;
}

inline int phase_pixels(int size, int phase, int stride) {
  return phase < size ? (size - phase + stride - 1) / stride : 0;
}

}  // namespace coppice
