// SPDX-License-Identifier: Apache-2.0
// Which format, and with it which kernels, a weight gets: a pure function of its pattern and a table of
// measured rates, never of the number of threads.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sparse/format.h"
#include "sparse/pattern.h"

namespace coppice {

// Rates of one machine: GFLOP/s on executed weights, forward + dX + dW of a layer, by format and density.
struct CostTable {
  struct Row {
    std::string format;  // the name of a RateDef
    double density;      // measured at; the nearest row counts
    double gflops;
    bool operator==(const Row&) const = default;
  };
  std::string cpu;
  std::vector<Row> rows;
  std::string isa = {}, commit = {};  // of the kernels and the program that were measured; empty: unknown
  std::string origin = {};            // for people: "shipped with coppice", or the file it was read from

  double rate(const std::string& format, double density) const;  // 0 if the table has no such format
  // Whether both choose alike; who measured the rates, and where they lie, does not count.
  bool same_rates(const CostTable& other) const { return rows == other.rows; }
};

// Measured on Emerald Rapids (linear 1024x1024, batch 128; convolution 3x3 64->64 on 16x16, batch 32);
// linear and convolution on different days, as their rows never compete.
const CostTable& shipped_cost_table();

// What a row of a cost table is measured for. The names are persisted.
struct RateDef {
  const char* name;        // "blocks16"
  int block_rows = 0;      // of the patterns it holds for; 0: any
  bool full = false;       // full patterns only
  int padded_rows_to = 1;  // the kernels multiply rows up to the next multiple of this
};

// A format that may be chosen. Add one here and `choose`, `coppice tune` and the reader of tables know it.
struct FormatCandidate {
  enum class Layer { kLinear, kConv };
  Layer layer;
  const FormatDef* format;
  // Empty: accepted. Else the reason. The geometry is that of a convolution.
  std::string (*refuses)(const Pattern& pattern, const ConvGeometry& geometry);
  std::vector<RateDef> rates;  // the first that holds for a pattern counts
};
// Of each kind of layer the last one takes the most patterns.
std::span<const FormatCandidate> format_candidates();

// Names of rates that a format may be chosen by and the table lacks, as one of an older version does.
std::vector<std::string> missing_rates(const CostTable& table);

// The density at which a layer on the rates `dense` takes as long as on `sparse`, which is faster below it;
// between rows its time is taken for a straight line. 0: dense is faster at every density measured; 1: at
// none. Both rates must have rows.
double crossover(const CostTable& table, const std::string& sparse, const std::string& dense);

struct FormatChoice {
  const FormatDef* format = nullptr;
  std::string reason;  // one line: predicted cost of the chosen one, and why not the others
};

// For a linear layer. `current` (may be null) is kept unless another is predicted 10 % faster, so that a
// density that moves around a crossover does not change the format with every edit.
FormatChoice choose_linear(const Pattern& pattern, const CostTable& table, const FormatDef* current);

// For a convolution; the geometry holds the halos of its values in the plan.
FormatChoice choose_conv(const Pattern& pattern, const ConvGeometry& geometry, const CostTable& table,
                         const FormatDef* current);

}  // namespace coppice
