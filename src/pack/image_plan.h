// SPDX-License-Identifier: Apache-2.0
// What an image does with a tile of samples, while it grows: values, and the steps between them. Private to
// src/pack.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coppice_cpk.h"
#include "pack/pack.h"

namespace coppice::pack {

// A value of the image. Several may be one place in other shapes: `root` is the first of them.
struct ImageValue {
  coppice_cpk_value value{};
  std::string name;
  int32_t root = 0;
};

struct ImagePlan {
  int32_t width = 1;  // samples of a tile
  std::vector<ImageValue> values;
  std::vector<coppice_cpk_step> steps;
  std::vector<PackedStep> described;  // one for each step
  int64_t arena_bytes = 0;
};

// Says where values lie: scratch in the arena, inputs and outputs by their number.
void place(ImagePlan& plan);

// The same steps for `width` samples side by side, which take the place of pixels: a linear layer becomes a
// convolution of 1 x 1 over them, with the same weights. So what computes on pictures is refused, by name.
Result<ImagePlan> tiles_of(const ImagePlan& single, int32_t width);

}  // namespace coppice::pack
