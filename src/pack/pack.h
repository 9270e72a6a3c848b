// SPDX-License-Identifier: Apache-2.0
// A network becomes an image (docs/format.md): steps of one sample, each with its weights in the format that
// suits them, activations placed in one arena.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"
#include "pack/calibrate.h"
#include "pack/encode.h"

namespace coppice {

// Of weights and activations. Sums are 32-bit floats, or 32-bit integers where both are integers.
enum class Arithmetic {
  kFloat,     // 32-bit floats
  kWeights8,  // 8-bit weights, float activations
  kInt8,      // 8-bit weights and activations
};
const char* arithmetic_name(Arithmetic arithmetic);  // "float", "weights8", "int8"

struct PackOptions {
  Arithmetic arithmetic = Arithmetic::kFloat;
  PackGoal goal = PackGoal::kLatency;
  const CostTable* rates = nullptr;   // that latency is predicted by; null: the shipped ones of AVX-512
  std::vector<int32_t> batches = {};  // also plans for so many samples at once: ascending, above 1
  Ranges ranges = {};                 // of activations, as calibrate() finds them: kInt8 needs them
  std::string metadata = "{}";        // a JSON object, whose members the text of the image has, too
};

// A step as people see it.
struct PackedStep {
  std::string name;
  std::string weight = {};  // of layers, else empty, and what follows means nothing
  int64_t live = 0, total = 0;
  std::string block = {}, format = {}, reason = {};
  int64_t bytes = 0;
};

struct PackedNetwork {
  std::string file;  // its bytes
  std::vector<PackedStep> steps;
  int64_t arena_bytes = 0;
  std::vector<std::string> float_steps;  // kInt8: what computes in floats all the same, each with the reason
};

// From `input` to `logits`, as an evaluation computes it. What an image cannot hold is refused, all at once:
// node, op and reason. Batch norms that were not folded (structure/fold.h) stay as steps of their own.
Result<PackedNetwork> pack_network(const Network& network, const PackOptions& options);

}  // namespace coppice
