// SPDX-License-Identifier: Apache-2.0
// Measured by `coppice tune --isa ISA --seconds 90`, rounded to three digits.
#include <iterator>

#include "pack/choose_packed.h"

namespace coppice {
namespace {

constexpr double kDensities[] = {0.02, 0.05, 0.1, 0.2, 0.5, 0.75};

// In the order of packed_rates(). Full patterns have one rate, the first.
using Rates = double[24][std::size(kDensities)];

constexpr Rates kAvx512 = {{7.1, 11.9, 15.1, 18.3, 6.28, 6.22},
                           {6.79, 11.5, 15.4, 19.1, 24.8, 27.8},
                           {15.9, 25.4, 45, 59.4, 66.9, 71.2},
                           {23.6, 35.3, 43, 42.8, 38.8, 41.8},
                           {28.1, 43.3, 51.5, 56.3, 59.3, 58.9},
                           {25.8, 48.1, 64.5, 82.4, 98.3, 102},
                           {25, 36.1, 41.7, 42, 41.2, 42.7},
                           {29.5, 43.8, 50.7, 55, 57.8, 57.4},
                           {31.7, 63.9, 97.7, 130, 174, 166},
                           {44.8},
                           {58.7},
                           {165},
                           {27.6, 37.4, 41.7, 43, 49.5, 51.6},
                           {27, 34.7, 38.4, 39.2, 43.8, 45.8},
                           {37.3, 65.3, 87.4, 105, 122, 127},
                           {55, 76.7, 86.4, 94.2, 100, 101},
                           {46.2, 65.8, 77, 85.7, 94.3, 97.7},
                           {47.8, 98, 150, 216, 283, 304},
                           {52.1, 81.1, 92.3, 102, 111, 112},
                           {44, 69.8, 84.2, 97.2, 107, 110},
                           {8.61, 87.6, 139, 199, 252, 284},
                           {102},
                           {99.4},
                           {306}};
constexpr Rates kAvx2 = {{4.25, 5.48, 6.02, 6.3, 6.25, 6.29},
                         {3.91, 4.54, 4.83, 4.98, 4.97, 4.92},
                         {3.4, 8.44, 14.8, 20.3, 34, 42},
                         {22.9, 35.2, 40.4, 39.9, 35.5, 37.3},
                         {24.7, 38.2, 47, 52.1, 55.2, 55.5},
                         {9.55, 20.2, 31.9, 44.5, 58.1, 60.6},
                         {23.9, 35.2, 41.2, 39.5, 36.3, 37.6},
                         {25.3, 39.1, 47.2, 52.3, 55.7, 55.9},
                         {11.4, 23.9, 37.6, 51.4, 64.9, 68.2},
                         {39.2},
                         {55.7},
                         {70.2},
                         {23.7, 32.7, 37.4, 38.9, 40.1, 42.2},
                         {23, 30.7, 34.6, 35.3, 35.4, 37.4},
                         {25.4, 39.9, 49.3, 56.2, 61.6, 62.9},
                         {44.6, 65, 77.1, 81, 79.5, 85.4},
                         {27.7, 35.7, 39.2, 39.3, 42.5, 42.9},
                         {30, 49.8, 64.2, 77.1, 87.4, 90.1},
                         {39.3, 61.5, 72.6, 81.1, 87, 88},
                         {26, 38.8, 43.3, 46.2, 48.5, 49},
                         {7.56, 43.7, 65.2, 79.9, 77.7, 84.4},
                         {95.9},
                         {43.4},
                         {90.7}};
constexpr Rates kPlainC = {{2.57, 2.76, 2.59, 2.44, 2.4, 2.4},
                           {2.42, 2.55, 2.53, 2.44, 2.4, 2.42},
                           {2.59, 2.96, 2.99, 3.08, 3.16, 3.2},
                           {2.63, 2.83, 2.91, 2.93, 2.96, 2.97},
                           {2.61, 2.67, 2.9, 2.93, 2.95, 2.92},
                           {2.62, 3.03, 3.2, 3.3, 3.35, 3.37},
                           {2.81, 3.04, 3.12, 3.16, 3.18, 3.19},
                           {2.67, 2.85, 2.89, 2.95, 2.97, 2.98},
                           {2.71, 3.02, 3.18, 3.24, 3.28, 3.29},
                           {3.01},
                           {2.96},
                           {3.4},
                           {4.82, 5.55, 5.88, 6.1, 6.33, 6.36},
                           {4.87, 5.59, 5.95, 6.14, 6.3, 6.39},
                           {2.47, 2.83, 2.97, 3.06, 3.1, 3.12},
                           {4.83, 5.41, 5.74, 5.97, 6.17, 6.18},
                           {4.83, 5.39, 5.71, 5.94, 6.1, 6.12},
                           {2.37, 2.71, 2.84, 2.99, 3.06, 3.08},
                           {4.19, 5.47, 6.02, 6.32, 6.59, 6.64},
                           {4.21, 5.54, 6.12, 6.44, 6.7, 6.75},
                           {2.09, 2.77, 3.07, 3.27, 3.38, 3.41},
                           {6.26},
                           {6.27},
                           {3.09}};

constexpr char kMeasured[] = "AMD EPYC Zen 4";

CostTable table_of(const char* cpu, const char* isa, const Rates& rates, double share = 1) {
  CostTable table{cpu, {}, isa, "", "shipped with coppice"};
  const std::vector<PackedRate> all = packed_rates();
  for (size_t r = 0; r < all.size(); ++r)
    for (size_t d = 0; d < std::size(kDensities); ++d) {
      const bool full = all[r].format == PackedFormat::kDense;
      if (full && d > 0) break;
      table.rows.push_back({all[r].name(), full ? 1.0 : kDensities[d], share * rates[r][d]});
    }
  return table;
}

// Nobody has measured one: vectors half as wide as those of AVX2, and linear layers of single weights as in
// plain C, as there is no kernel that looks numbers up.
CostTable estimate_for_neon() {
  CostTable table = table_of("estimated", "neon", kAvx2, 0.5);
  const CostTable plain = table_of(kMeasured, "c", kPlainC);
  for (size_t i = 0; i < table.rows.size(); ++i)
    if (table.rows[i].format.starts_with("packed_linear_deltas")) table.rows[i] = plain.rows[i];
  return table;
}

}  // namespace

const CostTable& shipped_packed_rates(const std::string& isa) {
  static const CostTable kOfAvx512 = table_of(kMeasured, "avx512", kAvx512),
                         kOfAvx2 = table_of(kMeasured, "avx2", kAvx2),
                         kOfC = table_of(kMeasured, "c", kPlainC), kOfNeon = estimate_for_neon();
  return isa == "avx512" ? kOfAvx512 : isa == "avx2" ? kOfAvx2 : isa == "neon" ? kOfNeon : kOfC;
}

}  // namespace coppice
