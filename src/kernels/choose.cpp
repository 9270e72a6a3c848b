// SPDX-License-Identifier: Apache-2.0
#include "kernels/choose.h"

#include <cmath>
#include <cstdio>

#include "formats/conv_blocks.h"
#include "formats/csr.h"
#include "formats/formats.h"
#include "formats/gather.h"

namespace coppice {
namespace {

// GFLOP/s of forward, dX and dW of a convolution (3x3, 64 to 64 channels; sparse: a tenth live), as
// conv_bench measures them on Emerald Rapids.
constexpr double kGatherRate = 100, kGatherFullRate = 126;
constexpr double kConvDenseRate = 141, kConvBlocks16Rate = 117, kConvBlocks4Rate = 107;

// Weights that the format's kernels multiply, padding included.
double executed(const FormatDef& format, const Pattern& pattern) {
  const int64_t padded_rows = (pattern.rows() + 15) / 16 * 16;
  return static_cast<double>(&format == &kDense ? padded_rows * pattern.cols() : pattern.live());
}

std::string rate_name(const FormatDef& format, const Pattern& pattern) {
  return &format == &kBlocks ? "blocks" + std::to_string(pattern.block().rows) : format.name;
}

std::string cost_text(double cost) {
  char text[48];
  std::snprintf(text, sizeof text, "%.3g ns a sample", cost);
  return text;
}

}  // namespace

double CostTable::rate(const std::string& format, double density) const {
  const Row* best = nullptr;
  for (const Row& row : rows)
    if (row.format == format &&
        (!best || std::abs(std::log(row.density / density)) < std::abs(std::log(best->density / density))))
      best = &row;
  return best ? best->gflops : 0.0;
}

const CostTable& shipped_cost_table() {
  static const CostTable kTable = {"shipped (Emerald Rapids)",
                                   {{"segments", 0.05, 88},
                                    {"segments", 0.1, 92},
                                    {"segments", 0.5, 95},
                                    {"segments", 1.0, 95},
                                    {"blocks4", 0.1, 120},
                                    {"blocks16", 0.1, 138},
                                    {"dense", 1.0, 145}}};
  return kTable;
}

FormatChoice choose_linear(const Pattern& pattern, const CostTable& table, const FormatDef* current) {
  struct Candidate {
    const FormatDef* format;
    double cost;
  };
  std::vector<Candidate> candidates;
  std::string refusals;
  for (const FormatDef* format : {&kDense, &kBlocks, &kSegments}) {
    const std::string refusal = format->refuses(pattern);
    const double rate = table.rate(rate_name(*format, pattern), pattern.density());
    if (!refusal.empty() || rate <= 0.0) {
      refusals += "; not " + std::string(format->name) + ": " +
                  (refusal.empty() ? "the cost table lacks it" : refusal);
      continue;
    }
    // 2 FLOPs a weight for each of three products.
    candidates.push_back({format, 6.0 * executed(*format, pattern) / rate});
  }
  const Candidate* best = nullptr;
  for (const Candidate& candidate : candidates) {
    const double handicap = current && candidate.format != current ? 1.1 : 1.0;
    const double best_handicap = best && current && best->format != current ? 1.1 : 1.0;
    if (!best || candidate.cost * handicap < best->cost * best_handicap) best = &candidate;
  }
  // A table without a row for the formats that take the pattern: it runs all the same.
  if (!best) {
    const FormatDef* format = kSegments.refuses(pattern).empty() ? &kSegments : &kBlocks;
    return {format, std::string(format->name) + ": it takes this pattern" + refusals};
  }
  std::string reason = std::string(best->format->name) + ": " + cost_text(best->cost);
  for (const Candidate& candidate : candidates)
    if (candidate.format != best->format)
      reason += "; " + std::string(candidate.format->name) + " would take " + cost_text(candidate.cost);
  return {best->format, reason + refusals};
}

FormatChoice choose_conv(const Pattern& pattern, const ConvGeometry& geometry) {
  const std::string refusal = gather_refuses(pattern, geometry);
  if (!refusal.empty())
    return {&kCsr, "csr: the general convolution takes everything; not gather: " + refusal};
  const auto cost = [&](double weights, double rate) {
    return 6.0 * weights * geometry.out_height * geometry.out_width / rate;
  };
  const bool full = pattern.is_full();
  const double gather = cost(static_cast<double>(pattern.live()), full ? kGatherFullRate : kGatherRate);
  const std::string no_blocks = conv_blocks_refuses(pattern, geometry);
  if (!no_blocks.empty())
    return {&kGather, "gather: " + cost_text(gather) + "; not conv_blocks: " + no_blocks};
  const FormatDef& format = full || pattern.block().rows == 16 ? kConvBlocks : kForwardBlocks;
  // Outputs are taken eight at a time; what is left of a full pattern costs as much as eight.
  const int64_t outputs = full ? (pattern.rows() + 7) / 8 * 8 : pattern.rows();
  const double blocks = cost(static_cast<double>(outputs * pattern.cols()) * pattern.density(),
                             full                         ? kConvDenseRate
                             : pattern.block().rows == 16 ? kConvBlocks16Rate
                                                          : kConvBlocks4Rate);
  const std::string name = format.name;
  if (blocks < gather)
    return {&format, name + ": " + cost_text(blocks) + "; gather would take " + cost_text(gather)};
  return {&kGather, "gather: " + cost_text(gather) + "; " + name + " would take " + cost_text(blocks)};
}

}  // namespace coppice
