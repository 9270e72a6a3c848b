// SPDX-License-Identifier: Apache-2.0
// Measures a cost table: every rate that a format may be chosen by, at several densities.
#pragma once

#include <string>

#include "sampling.h"

namespace coppice::cli {

struct TuneRequest {
  bool quick = false;  // small layers and few samples
  int threads = 1;
  std::string isa;
  Sampling sampling;
};

struct Tuned {
  CostTable table;     // of this machine; without an origin
  std::string layers;  // what was measured, for people
  double fma_peak = 0;
  size_t rough = 0;  // rows with too few undisturbed samples
};

// Rates of training, and of packed networks (src/pack/choose_packed.h).
Result<Tuned> measure_cost_table(const TuneRequest& request);

// "FILE (Intel(R) Xeon(R) Processor, avx512)", with what it lacks.
std::string cost_table_text(const CostTable& table);

}  // namespace coppice::cli
