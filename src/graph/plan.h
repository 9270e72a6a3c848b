// SPDX-License-Identifier: Apache-2.0
// From calls with names to a program with addresses: phases (who may run beside whom) and one arena (what
// lies where). Pure functions of the calls; nothing here allocates the arena or runs anything.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "coppice_program.h"
#include "graph/lowering.h"

namespace coppice {

struct PlanOptions {
  int batch = 1;
  int threads = 1;
  int64_t l2_bytes =
      1 << 20;  // a layer whose weights do not fit half of it is passed once by all tiles together
};

// The order of `calls` changes to the order in which they run. Group and phase ranges index them.
struct Schedule {
  std::vector<CallSpec> calls;
  std::vector<coppice_group> groups;
  std::vector<coppice_phase> phases;
};
// Removes calls that only write tiled values which nobody reads: a gradient that wants no more than the shape
// of an activation may have been the only reader.
void drop_unread(std::vector<CallSpec>& calls, const std::vector<PlanValue>& values);

// Fails, naming a call, if the calls wait for each other: an error of whoever lowered them.
Result<Schedule> schedule(std::vector<CallSpec> calls, const std::vector<PlanValue>& values,
                          const PlanOptions& options);

// Where each value lies. Tiled values of one width share slabs: address = base + tile * slab + offset. Those
// that live only while a thread takes one tile through a phase lie in a slab of the thread instead of the
// tile: there are fewer of them, and they stay in its cache.
struct Place {
  int64_t offset = -1;      // in floats, -1: has no place (inputs, unused, fused gradients)
  bool per_thread = false;  // which of the two slabs of its width
};
struct Slab {
  int width = 0, count = 0;  // one for each tile, or for each thread
  bool per_thread = false;
  int64_t floats = 0;  // of one
  int64_t base = 0;    // in the arena
};
struct MemoryPlan {
  std::vector<Place> places;  // [values]
  std::vector<Slab> slabs;
  int64_t whole_base = 0;
  int64_t arena_floats = 0;
};
MemoryPlan plan_memory(const Schedule& schedule, const std::vector<PlanValue>& values,
                       const PlanOptions& options);
// The slab that the value lies in; null where it has none.
const Slab* slab_of(const MemoryPlan& plan, const std::vector<PlanValue>& values, ValueId value);

// No two values that are alive at the same time overlap, by the same lifetimes that plan_memory goes by. Each
// plan is checked when it is made. tests/exec/plan_overlap_test.cpp does it without them, from the addresses
// in the arguments of the calls.
Status check_memory(const MemoryPlan& plan, const Schedule& schedule, const std::vector<PlanValue>& values);

}  // namespace coppice
