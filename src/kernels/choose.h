// SPDX-License-Identifier: Apache-2.0
// Which format, and with it which kernels, a weight gets: a pure function of its pattern and a table of
// measured rates, never of the number of threads.
#pragma once

#include <string>
#include <vector>

#include "sparse/format.h"
#include "sparse/pattern.h"

namespace coppice {

// Rates of one machine: GFLOP/s on executed weights, forward + dX + dW of a linear layer, by format and
// density.
struct CostTable {
  struct Row {
    std::string format;  // "segments", "blocks4", "blocks16", "dense"
    double density;      // measured at; the nearest row counts
    double gflops;
  };
  std::string machine;
  std::vector<Row> rows;

  double rate(const std::string& format, double density) const;  // 0 if the table has no such format
};

// Measured on Emerald Rapids (1024x1024, batch 128); ratios between formats are alike on Zen 4.
const CostTable& shipped_cost_table();

struct FormatChoice {
  const FormatDef* format = nullptr;
  std::string reason;  // one line: predicted cost of the chosen one, and why not the others
};

// For a linear layer. `current` (may be null) is kept unless another is predicted 10 % faster, so that a
// density that moves around a crossover does not change the format with every edit.
FormatChoice choose_linear(const Pattern& pattern, const CostTable& table, const FormatDef* current);

// For a convolution; the geometry holds the halos of its values in the plan.
FormatChoice choose_conv(const Pattern& pattern, const ConvGeometry& geometry);

}  // namespace coppice
