// SPDX-License-Identifier: Apache-2.0
#include "pack/arena.h"

#include <algorithm>
#include <numeric>

namespace coppice {
namespace {

constexpr int64_t kAlignment = 64;

int64_t rounded(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool together(const ArenaValue& a, const ArenaValue& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

ArenaPlan plan_arena(const std::vector<ArenaValue>& values) {
  ArenaPlan plan;
  plan.offset.assign(values.size(), 0);
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a].bytes > values[b].bytes; });
  std::vector<size_t> placed;  // by offset
  for (const size_t v : order) {
    int64_t at = 0;
    for (const size_t other : placed) {
      if (!together(values[v], values[other])) continue;
      if (at + rounded(values[v].bytes) <= plan.offset[other]) break;
      at = std::max(at, plan.offset[other] + rounded(values[other].bytes));
    }
    plan.offset[v] = at;
    plan.bytes = std::max(plan.bytes, at + rounded(values[v].bytes));
    placed.insert(
        std::find_if(placed.begin(), placed.end(), [&](size_t other) { return plan.offset[other] > at; }), v);
  }
  return plan;
}

}  // namespace coppice
