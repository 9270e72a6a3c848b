// SPDX-License-Identifier: Apache-2.0
#include "kernels/choose.h"

#include <cmath>
#include <cstdio>
#include <map>

#include "formats/conv_blocks.h"
#include "formats/csr.h"
#include "formats/formats.h"
#include "formats/gather.h"

namespace coppice {
namespace {

using Layer = FormatCandidate::Layer;

template <const FormatDef& format>
std::string by_pattern(const Pattern& pattern, const ConvGeometry&) {
  return format.refuses(pattern);
}

// The sentence of conv_blocks stands before it already.
std::string as_conv_blocks(const Pattern& pattern, const ConvGeometry& geometry) {
  return conv_blocks_refuses(pattern, geometry).empty() ? "" : "for the same reason";
}

const RateDef* rate_of(const FormatCandidate& candidate, const Pattern& pattern) {
  for (const RateDef& rate : candidate.rates)
    if ((!rate.full || pattern.is_full()) &&
        (rate.block_rows == 0 || rate.block_rows == pattern.block().rows))
      return &rate;
  return nullptr;
}

// Weights that the kernels multiply, padding included.
double executed(const RateDef& rate, const Pattern& pattern) {
  const int64_t step = rate.padded_rows_to, padded = (pattern.rows() + step - 1) / step * step;
  return static_cast<double>(pattern.live()) * static_cast<double>(padded) /
         static_cast<double>(pattern.rows());
}

std::string cost_text(double cost) {
  char text[48];
  std::snprintf(text, sizeof text, "%.3g ns a sample", cost);
  return text;
}

struct Costed {
  const FormatDef* format;
  double cost;
};

// The cheapest, unless the one in use is within a tenth of it.
const Costed* cheapest(const std::vector<Costed>& list, const FormatDef* current) {
  const auto handicapped = [current](const Costed& c) {
    return c.cost * (current && c.format != current ? 1.1 : 1.0);
  };
  const Costed* best = nullptr;
  for (const Costed& one : list)
    if (!best || handicapped(one) < handicapped(*best)) best = &one;
  return best;
}

// format = null: every candidate refuses the pattern, and the reason holds only why.
FormatChoice choose(Layer layer, const Pattern& pattern, const ConvGeometry& geometry, const CostTable& table,
                    const FormatDef* current) {
  std::vector<Costed> costed;
  const FormatDef* general = nullptr;
  std::string refusals;
  // 2 FLOPs a weight and position for each of three products.
  const double products =
      layer == Layer::kConv ? 6.0 * geometry.out_height * static_cast<double>(geometry.out_width) : 6.0;
  for (const FormatCandidate& candidate : format_candidates()) {
    if (candidate.layer != layer) continue;
    std::string refusal = candidate.refuses(pattern, geometry);
    if (refusal.empty()) {
      general = candidate.format;
      const RateDef* def = rate_of(candidate, pattern);
      if (!def) continue;  // takes it, but is not meant for it
      const double rate = table.rate(def->name, pattern.density());
      if (rate > 0.0) {
        costed.push_back({candidate.format, products * executed(*def, pattern) / rate});
        continue;
      }
      refusal = "the cost table lacks it";
    }
    refusals += "; not " + std::string(candidate.format->name) + ": " + refusal;
  }
  const Costed* best = cheapest(costed, current);
  // A table without a row for the formats that take the pattern: it runs all the same.
  if (!best)
    return {general, (general ? std::string(general->name) + ": it takes this pattern" : "") + refusals};
  std::string reason = std::string(best->format->name) + ": " + cost_text(best->cost);
  for (const Costed& other : costed)
    if (other.format != best->format)
      reason += "; " + std::string(other.format->name) + " would take " + cost_text(other.cost);
  return {best->format, reason + refusals};
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

// As `coppice tune` measured it.
const CostTable& shipped_cost_table() {
  static const CostTable kTable = {
      "Intel Emerald Rapids",
      {{"dense", 1.0, 140},         {"blocks4", 0.02, 72},        {"blocks4", 0.05, 93},
       {"blocks4", 0.1, 108},       {"blocks4", 0.2, 120},        {"blocks4", 0.5, 133},
       {"blocks4", 0.75, 137},      {"blocks4", 1.0, 137},        {"blocks16", 0.02, 77},
       {"blocks16", 0.05, 103},     {"blocks16", 0.1, 117},       {"blocks16", 0.2, 125},
       {"blocks16", 0.5, 137},      {"blocks16", 0.75, 138},      {"blocks16", 1.0, 137},
       {"segments", 0.02, 59},      {"segments", 0.05, 73},       {"segments", 0.1, 88},
       {"segments", 0.2, 96},       {"segments", 0.5, 101},       {"segments", 0.75, 96},
       {"segments", 1.0, 86},       {"conv_dense", 1.0, 148},     {"conv_blocks16", 0.02, 33},
       {"conv_blocks16", 0.05, 60}, {"conv_blocks16", 0.1, 83},   {"conv_blocks16", 0.2, 109},
       {"conv_blocks16", 0.5, 128}, {"conv_blocks16", 0.75, 131}, {"conv_blocks4", 0.02, 27},
       {"conv_blocks4", 0.05, 56},  {"conv_blocks4", 0.1, 87},    {"conv_blocks4", 0.2, 106},
       {"conv_blocks4", 0.5, 126},  {"conv_blocks4", 0.75, 132},  {"conv_blocks4", 1.0, 137},
       {"gather", 0.02, 31},        {"gather", 0.05, 57},         {"gather", 0.1, 80},
       {"gather", 0.2, 97},         {"gather", 0.5, 115},         {"gather", 0.75, 121},
       {"gather", 1.0, 125}},
      "avx512",
      "",
      "shipped with coppice"};
  return kTable;
}

std::span<const FormatCandidate> format_candidates() {
  static const std::vector<FormatCandidate> kCandidates = {
      {Layer::kLinear, &kDense, by_pattern<kDense>, {{"dense", 0, true, 16}}},
      {Layer::kLinear, &kBlocks, by_pattern<kBlocks>, {{"blocks4", 4}, {"blocks16", 16}}},
      {Layer::kLinear, &kSegments, by_pattern<kSegments>, {{"segments"}}},
      {Layer::kConv, &kConvBlocks, conv_blocks_refuses, {{"conv_dense", 0, true, 8}, {"conv_blocks16", 16}}},
      {Layer::kConv, &kForwardBlocks, as_conv_blocks, {{"conv_blocks4", 4}}},
      {Layer::kConv, &kGather, gather_refuses, {{"gather"}}},
  };
  return kCandidates;
}

std::vector<std::string> missing_rates(const CostTable& table) {
  std::vector<std::string> missing;
  for (const FormatCandidate& candidate : format_candidates())
    for (const RateDef& rate : candidate.rates)
      if (table.rate(rate.name, 1.0) <= 0.0) missing.emplace_back(rate.name);
  return missing;
}

double crossover(const CostTable& table, const std::string& sparse, const std::string& dense) {
  std::map<double, double> time_at;  // of a weight of the full pattern
  for (const CostTable::Row& row : table.rows)
    if (row.format == sparse) time_at[row.density] = row.density / row.gflops;
  const double limit = 1 / table.rate(dense, 1);
  // Thinner than the thinnest row its rate holds, thicker than the thickest as well.
  const auto [first, first_time] = *time_at.begin();
  const auto [last, last_time] = *time_at.rbegin();
  if (first_time >= limit) return 0;
  time_at[1] = last_time / last;
  double density = first, time = first_time;
  for (const auto& [next, next_time] : time_at) {
    if (next_time >= limit) return density + (next - density) * (limit - time) / (next_time - time);
    density = next;
    time = next_time;
  }
  return 1;
}

FormatChoice choose_linear(const Pattern& pattern, const CostTable& table, const FormatDef* current) {
  return choose(Layer::kLinear, pattern, {}, table, current);
}

FormatChoice choose_conv(const Pattern& pattern, const ConvGeometry& geometry, const CostTable& table,
                         const FormatDef* current) {
  FormatChoice choice = choose(Layer::kConv, pattern, geometry, table, current);
  if (choice.format) return choice;
  return {&kCsr, "csr: the general convolution takes everything" + choice.reason};
}

}  // namespace coppice
