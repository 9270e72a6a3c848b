// SPDX-License-Identifier: Apache-2.0
// The weights of one layer as an image has them: which format, why, and its arrays (rt/c/steps_layers.c reads
// them).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "coppice_cpk.h"
#include "kernels/choose.h"
#include "pack/data_section.h"
#include "pack/quantisation.h"
#include "sparse/pattern.h"

namespace coppice {

// What a packed network is to be best at: the time of one sample, or bytes.
enum class PackGoal { kLatency, kSize };

struct LayerWeights {
  const Pattern& pattern;
  std::span<const float> values;  // canonical
  std::span<const float> bias;    // [rows], or empty
  int64_t group_rows = 0;         // that read the same channels; all rows without groups
  bool integers = false;          // 8-bit weights
  // Both, or x alone where sums become floats: activations are integers too.
  std::optional<Quantisation> x = {}, y = {};
  bool conv = false;
  int64_t pixels = 1;  // that each weight is multiplied with
};

struct EncodedLayer {
  uint8_t weights = 0, flags = 0;  // coppice_cpk_weights, coppice_cpk_flag
  uint32_t data = 0, entries = 0;
  std::string format, reason;  // for people
  int64_t bytes = 0;           // of all arrays
};

// Appends the arrays to the data section, in the format that is best at the goal: by these rates, or the one
// with the fewest bytes. Fails where no format can hold the layer.
Result<EncodedLayer> encode_layer(const LayerWeights& layer, PackGoal goal, const CostTable& rates,
                                  DataSection& data);

}  // namespace coppice
