// SPDX-License-Identifier: Apache-2.0
// Which format of an image the weights of a layer get: the fastest by rates that were measured, or the one
// with the fewest bytes. A format of larger blocks than the pattern's holds zeros, which it multiplies.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/choose.h"
#include "sparse/pattern.h"

namespace coppice {

// The names are parts of those of rates, which are persisted.
enum class PackedFormat { kDeltas, kBlocks16x1, kBlocks16x4, kDense };
const char* packed_format_name(PackedFormat format);

// What a rate of an image's layers is measured for: GFLOP/s on the weights that the format holds, in the
// forward pass of one sample on one thread. Cost tables have them beside those of training.
struct PackedRate {
  bool conv = false;
  PackedFormat format = PackedFormat::kDeltas;
  std::string arithmetic;  // "float", "weights8" or "int8"

  std::string name() const;  // "packed_conv_deltas_int8"
};
std::vector<PackedRate> packed_rates();

// Of a machine with these kernels ("c", "avx2", "avx512" or "neon"), without rates of training.
const CostTable& shipped_packed_rates(const std::string& isa);
// Whether the table has all of them, which one of an older version has not.
bool has_packed_rates(const CostTable& table);

// What the choice depends on.
struct PackedLayer {
  const Pattern& pattern;
  bool conv = false;
  std::string arithmetic = {};  // as in PackedRate
  int64_t pixels = 1;           // that each weight is multiplied with
  std::string no_blocks = {};   // why only single weights will do; empty: blocks will as well
};

// Those that can hold the pattern; the first holds no zeros.
std::vector<PackedFormat> packed_formats_for(const PackedLayer& layer);

struct PackedChoice {
  PackedFormat format = PackedFormat::kDeltas;
  std::string reason;  // one line: predicted time of the chosen one, and of the others
};
// The fastest; one that holds zeros only where it is predicted a tenth faster. One without a rate is not
// chosen where another has one.
PackedChoice choose_packed(const PackedLayer& layer, const CostTable& table);

struct FilledWeights {
  Pattern pattern;
  std::vector<float> values;  // canonical
};
// The weights as a format has them that can hold them.
FilledWeights filled(const Pattern& pattern, std::span<const float> values, PackedFormat format);

}  // namespace coppice
