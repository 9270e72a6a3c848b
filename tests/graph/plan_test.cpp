// SPDX-License-Identifier: Apache-2.0
// Plans of made-up calls, run by an interpreter that knows nothing of lifetimes: every float of the arena
// remembers which value and tile wrote it, items run in random order with their calls interleaved, and every
// read must find its own.
#include "graph/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>

#include "base/rng.h"
#include "sparse/param.h"

namespace coppice {
namespace {

struct Problem {
  std::vector<CallSpec> calls;
  std::vector<PlanValue> values;
  std::vector<std::unique_ptr<Param>> params;
};

std::string name_of(std::string kind, size_t number) { return kind.append(std::to_string(number)); }

ValueId add_value(Problem& p, ValueKind kind, int width, int64_t elements) {
  PlanValue value;
  value.name = name_of("v", p.values.size());
  value.kind = kind;
  value.width = width;
  value.elements = elements;
  value.extent = {static_cast<int32_t>(elements), 1, 1};
  p.values.push_back(value);
  return static_cast<ValueId>(p.values.size()) - 1;
}

CallSpec& add_call(Problem& p, Locality locality, int width, int parts, std::vector<ValueId> reads,
                   std::vector<ValueId> writes) {
  CallSpec call;
  call.name = name_of("call", p.calls.size());
  call.locality = locality;
  call.width = width;
  call.parts = parts;
  call.reads = std::move(reads);
  call.writes = std::move(writes);
  p.calls.push_back(std::move(call));
  return p.calls.back();
}

// Chains, branches, retiling, reductions and updates at random; half of the updates are fused.
Problem random_problem(uint64_t seed) {
  Problem p;
  Rng rng(seed, stream_id("test", "plan"));
  const auto pick = [&rng](size_t n) { return static_cast<size_t>(rng.below(n)); };
  add_value(p, ValueKind::kInput, 64, 5);
  for (size_t i = 0; i < 4; ++i)
    p.params.push_back(std::make_unique<Param>(Param::vector(name_of("p", i), {4})));
  std::vector<ValueId> tiled = {0}, whole;
  std::vector<std::pair<ValueId, const Param*>> gradients;
  for (int i = 0; i < 24; ++i) {
    const bool reduces = rng.below(4) == 0;
    const int width = rng.below(3) == 0 ? 16 : 64,
              parts = rng.below(3) == 0 ? 1 + static_cast<int>(rng.below(4)) : 1;
    // Mostly what was written lately, so that lives are short.
    std::vector<ValueId> reads;
    for (uint64_t r = 0; r <= rng.below(3); ++r)
      reads.push_back(tiled[tiled.size() - 1 - pick(std::min<size_t>(tiled.size(), 5))]);
    if (!whole.empty() && rng.below(3) == 0) reads.push_back(whole[pick(whole.size())]);
    const ValueId out = add_value(p, reduces ? ValueKind::kWhole : ValueKind::kTiled, width,
                                  static_cast<int64_t>(1 + rng.below(40)));
    CallSpec& call = add_call(p, reduces ? Locality::kReduce : Locality::kTile, width, parts, reads, {out});
    call.weight_bytes = rng.below(2) ? 1 << 20 : 0;
    const Param* param = p.params[pick(p.params.size())].get();
    if (rng.below(2)) call.uses.push_back(param);
    (reduces ? whole : tiled).push_back(out);
    if (rng.below(8) == 0) p.values[static_cast<size_t>(out)].keep = true;
    if (reduces && call.uses.empty() && rng.below(2)) gradients.emplace_back(out, param);
  }
  std::set<const Param*> updated;
  for (const auto& [gradient, param] : gradients) {
    if (!updated.insert(param).second) continue;
    const auto producer = std::find_if(p.calls.begin(), p.calls.end(), [g = gradient](const CallSpec& c) {
      return !c.writes.empty() && c.writes[0] == g;
    });
    const ValueId done = add_value(p, ValueKind::kWhole, 16, 0);
    CallSpec update;
    update.name = "update " + param->name();
    update.locality = Locality::kReduce;
    update.width = 16;
    update.updates = param;
    update.writes = {done};
    const bool read_elsewhere = std::any_of(
        p.calls.begin(), p.calls.end(),
        [g = gradient](const CallSpec& c) { return std::count(c.reads.begin(), c.reads.end(), g) > 0; });
    if (rng.below(2) && !read_elsewhere) {
      update.parts = producer->parts;
      producer->updates = param;
      producer->then.push_back(update);
    } else {
      update.reads = {gradient};
      p.calls.push_back(update);
    }
  }
  return p;
}

class Interpreter {
 public:
  Interpreter(const Problem& problem, const Schedule& schedule, const MemoryPlan& plan,
              const PlanOptions& options, uint64_t seed)
      : p_(problem),
        s_(schedule),
        plan_(plan),
        batch_(options.batch),
        threads_(static_cast<size_t>(options.threads)),
        rng_(seed, stream_id("test", "interpreter")),
        owner_(static_cast<size_t>(plan.arena_floats) + 40 * 64, -1) {
  }  // a planted overlap may reach past the end

  // Empty: every call ran once for each of its tiles and parts, and found what it reads.
  std::string run() {
    for (const coppice_phase& phase : s_.phases) run_phase(phase);
    for (size_t c = 0; c < s_.calls.size(); ++c) {
      const CallSpec& call = s_.calls[c];
      if (pieces_[c] == 0 || done_[c].size() != pieces_[c])
        fail(call,
             "did " + std::to_string(done_[c].size()) + " of " + std::to_string(pieces_[c]) + " pieces");
    }
    return error_;
  }

 private:
  struct Item {
    const coppice_group* group;
    int32_t tile_begin, tile_end, part_begin, part_end;
    int32_t next;  // call
    int slot = 0;  // of the thread that does it
  };

  int tiles(int width) const { return (batch_ + width - 1) / width; }
  void fail(const CallSpec& call, const std::string& what) {
    if (error_.empty()) error_ = call.name + " " + what;
  }

  void run_phase(const coppice_phase& phase) {
    std::vector<Item> items;
    for (int32_t g = phase.group_begin; g < phase.group_end; ++g) {
      const coppice_group& group = s_.groups[static_cast<size_t>(g)];
      const int32_t all = tiles(group.width);
      const bool by_tile = group.kind != COPPICE_ITEM_PART, by_part = group.kind != COPPICE_ITEM_TILE;
      for (int32_t t = 0; t < (by_tile ? all : 1); ++t)
        for (int32_t part = 0; part < (by_part ? group.parts : 1); ++part)
          items.push_back({&group, by_tile ? t : 0, by_tile ? t + 1 : all, by_part ? part : 0,
                           by_part ? part + 1 : INT32_MAX, group.call_begin});
    }
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[rng_.below(i)]);
    // Each thread has an item in flight; any of these makes its next call.
    std::vector<int> slots(threads_);
    std::iota(slots.begin(), slots.end(), 0);
    std::vector<Item> flying;
    while (!items.empty() || !flying.empty()) {
      while (!items.empty() && !slots.empty()) {
        flying.push_back(items.back());
        flying.back().slot = slots.back();
        items.pop_back();
        slots.pop_back();
      }
      const auto at = static_cast<std::ptrdiff_t>(rng_.below(flying.size()));
      Item& item = flying[static_cast<size_t>(at)];
      run_call(static_cast<size_t>(item.next), item);
      if (++item.next < item.group->call_end) continue;
      slots.push_back(item.slot);
      flying.erase(flying.begin() + at);
    }
  }

  void run_call(size_t index, const Item& item) {
    const CallSpec& call = s_.calls[index];
    if (item.group->kind != COPPICE_ITEM_TILE && call.parts != item.group->parts)
      fail(call, "is cut otherwise than its group");
    const int32_t part_end = std::min(item.part_end, call.parts);
    pieces_[index] = static_cast<size_t>(tiles(item.group->width)) * static_cast<size_t>(call.parts);
    for (int32_t t = item.tile_begin; t < item.tile_end; ++t)
      for (int32_t part = item.part_begin; part < part_end; ++part)
        if (!done_[index].insert({t, part}).second) fail(call, "runs twice for one piece");
    for (const Param* param : call.uses)
      if (updated_.count(param)) fail(call, "reads " + param->name() + " after its update");
    for (const ValueId v : call.reads) read(call, v, item);
    for (const ValueId v : call.writes) write(v, item, part_end, call.parts);
    if (call.updates && (call.then.empty() && call.name.rfind("update", 0) == 0))
      updated_.insert(call.updates);
  }

  void read(const CallSpec& call, ValueId v, const Item& item) {
    const PlanValue& value = p_.values[static_cast<size_t>(v)];
    if (value.kind == ValueKind::kInput) return;
    int32_t first = 0, end = 1;
    if (value.kind == ValueKind::kTiled) {
      // The tiles that hold the samples of the item.
      first = item.tile_begin * call.width / value.width;
      end = std::min(tiles(value.width), (item.tile_end * call.width + value.width - 1) / value.width);
    }
    for (int32_t t = first; t < end; ++t)
      for (int64_t i = 0; i < floats(value); ++i)
        if (owner_[at(v, t, item.slot, i)] != token(v, t)) return fail(call, "does not find " + value.name);
  }

  void write(ValueId v, const Item& item, int32_t part_end, int32_t parts) {
    const PlanValue& value = p_.values[static_cast<size_t>(v)];
    const bool tiled = value.kind == ValueKind::kTiled;
    for (int32_t t = tiled ? item.tile_begin : 0; t < (tiled ? item.tile_end : 1); ++t)
      for (int64_t i = floats(value) * item.part_begin / parts; i < floats(value) * part_end / parts; ++i)
        owner_[at(v, t, item.slot, i)] = token(v, t);
  }

  static int64_t floats(const PlanValue& value) {
    return value.elements * (value.kind == ValueKind::kTiled ? value.width : 1);
  }
  int64_t token(ValueId v, int32_t tile) const { return v * int64_t{1000} + tile; }
  size_t at(ValueId v, int32_t tile, int slot, int64_t i) const {
    const Place& place = plan_.places[static_cast<size_t>(v)];
    int64_t base = plan_.whole_base;
    if (const Slab* slab = slab_of(plan_, p_.values, v))
      base = slab->base + (place.per_thread ? slot : tile) * slab->floats;
    return static_cast<size_t>(base + place.offset + i);
  }

  const Problem& p_;
  const Schedule& s_;
  const MemoryPlan& plan_;
  int batch_;
  size_t threads_;
  Rng rng_;
  std::vector<int64_t> owner_;
  std::map<size_t, std::set<std::pair<int32_t, int32_t>>> done_;  // tiles and parts of each call
  std::map<size_t, size_t> pieces_;                               // how many there are to be
  std::set<const Param*> updated_;
  std::string error_;
};

PlanOptions options(int batch, int threads) {
  PlanOptions out;
  out.batch = batch;
  out.threads = threads;
  return out;
}

TEST(Plan, RunsRandomCallsInEveryOrderForAnyNumberOfThreads) {
  for (uint64_t seed = 0; seed < 60; ++seed)
    for (const int batch : {16, 100, 256})
      for (const int threads : {1, 2, 7}) {
        SCOPED_TRACE("seed " + std::to_string(seed) + " batch " + std::to_string(batch) + " threads " +
                     std::to_string(threads));
        const Problem problem = random_problem(seed);
        const PlanOptions how = options(batch, threads);
        const Schedule steps = schedule(problem.calls, problem.values, how).take();
        const MemoryPlan plan = plan_memory(steps, problem.values, how);
        ASSERT_TRUE(check_memory(plan, steps, problem.values).ok());
        for (uint64_t order = 0; order < 3; ++order)
          ASSERT_EQ(Interpreter(problem, steps, plan, how, order).run(), "");
      }
}

// Two values that one call reads are alive together: wherever one is moved onto the other, both see it.
TEST(Plan, APlantedOverlapIsFoundByTheCheckAndByTheInterpreter) {
  int planted = 0, seen_by_interpreter = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Problem problem = random_problem(seed);
    const PlanOptions how = options(100, 2);
    const Schedule steps = schedule(problem.calls, problem.values, how).take();
    const MemoryPlan plan = plan_memory(steps, problem.values, how);
    for (const CallSpec& call : steps.calls)
      for (const ValueId a : call.reads)
        for (const ValueId b : call.reads) {
          const PlanValue &va = problem.values[static_cast<size_t>(a)],
                          &vb = problem.values[static_cast<size_t>(b)];
          if (a >= b || va.kind == ValueKind::kInput || vb.kind == ValueKind::kInput) continue;
          if (slab_of(plan, problem.values, a) != slab_of(plan, problem.values, b)) continue;
          MemoryPlan wrong = plan;
          wrong.places[static_cast<size_t>(b)].offset = wrong.places[static_cast<size_t>(a)].offset;
          const Status status = check_memory(wrong, steps, problem.values);
          ASSERT_FALSE(status.ok()) << seed << " " << call.name;
          EXPECT_NE(status.message().find("overlap"), std::string::npos) << status.message();
          ++planted;
          seen_by_interpreter += !Interpreter(problem, steps, wrong, how, 0).run().empty();
        }
  }
  EXPECT_GT(planted, 20);
  EXPECT_EQ(seen_by_interpreter, planted);
}

TEST(Plan, TheLastFloatOfAValueBelongsToItAlone) {
  Problem p;
  const ValueId a = add_value(p, ValueKind::kTiled, 16, 3), b = add_value(p, ValueKind::kTiled, 16, 2),
                out = add_value(p, ValueKind::kTiled, 16, 1);
  add_call(p, Locality::kTile, 16, 1, {}, {a});
  add_call(p, Locality::kTile, 16, 1, {}, {b});
  add_call(p, Locality::kTile, 16, 1, {a, b}, {out});
  const Schedule steps = schedule(p.calls, p.values, options(16, 1)).take();
  MemoryPlan plan = plan_memory(steps, p.values, options(16, 1));
  plan.places[0].offset = 0;
  plan.places[1].offset = 48;
  plan.places[2].offset = 80;
  EXPECT_TRUE(check_memory(plan, steps, p.values).ok());
  plan.places[1].offset = 47;
  EXPECT_FALSE(check_memory(plan, steps, p.values).ok());
}

// In a phase where a tile goes through all calls, a value may take the place of one that died on the way.
TEST(Plan, AChainOfTileLocalCallsIsOnePhaseAndReusesItsSlab) {
  Problem p;
  ValueId x = add_value(p, ValueKind::kInput, 64, 8);
  for (int i = 0; i < 10; ++i) {
    const ValueId y = add_value(p, ValueKind::kTiled, 64, 8);
    add_call(p, Locality::kTile, 64, 1, {x}, {y});
    x = y;
  }
  const Schedule steps = schedule(p.calls, p.values, options(128, 2)).take();
  ASSERT_EQ(steps.phases.size(), 1u);
  ASSERT_EQ(steps.groups.size(), 1u);
  EXPECT_EQ(steps.groups[0].kind, COPPICE_ITEM_TILE);
  const MemoryPlan plan = plan_memory(steps, p.values, options(128, 2));
  ASSERT_EQ(plan.slabs.size(), 1u);
  EXPECT_EQ(plan.slabs[0].count, 2);
  EXPECT_EQ(plan.slabs[0].floats, 1024 + 16)
      << "two values of 8 x 64 at a time, and a vector against cache conflicts";
}

// What lives within one phase lies once for each thread; what others read lies once for each tile.
TEST(Plan, ValuesOfOnePhaseLiePerThread) {
  Problem p;
  const ValueId x = add_value(p, ValueKind::kInput, 64, 8), passing = add_value(p, ValueKind::kTiled, 64, 8),
                read_later = add_value(p, ValueKind::kTiled, 64, 8),
                sum = add_value(p, ValueKind::kWhole, 0, 4);
  add_call(p, Locality::kTile, 64, 1, {x}, {passing});
  add_call(p, Locality::kTile, 64, 1, {passing}, {read_later});
  add_call(p, Locality::kReduce, 64, 1, {read_later}, {sum});
  const auto plan_for = [&p](int batch, int threads) {
    const Schedule steps = schedule(p.calls, p.values, options(batch, threads)).take();
    return plan_memory(steps, p.values, options(batch, threads));
  };
  const MemoryPlan plan = plan_for(320, 2);
  EXPECT_TRUE(plan.places[static_cast<size_t>(passing)].per_thread);
  EXPECT_FALSE(plan.places[static_cast<size_t>(read_later)].per_thread);
  EXPECT_EQ(slab_of(plan, p.values, passing)->count, 2);
  EXPECT_EQ(slab_of(plan, p.values, read_later)->count, 5);
  EXPECT_EQ(slab_of(plan, p.values, sum), nullptr);
  EXPECT_FALSE(plan_for(128, 2).places[static_cast<size_t>(passing)].per_thread)
      << "as many tiles as threads";
}

TEST(Plan, DropsCallsThatWriteForNobodyAndThoseBehindThem) {
  Problem p;
  const ValueId x = add_value(p, ValueKind::kInput, 64, 8), kept = add_value(p, ValueKind::kTiled, 64, 8),
                unread = add_value(p, ValueKind::kTiled, 64, 8),
                before = add_value(p, ValueKind::kTiled, 64, 8),
                total = add_value(p, ValueKind::kWhole, 0, 4);
  p.values[static_cast<size_t>(kept)].keep = true;
  add_call(p, Locality::kTile, 64, 1, {x}, {before});
  add_call(p, Locality::kTile, 64, 1, {before}, {unread});
  add_call(p, Locality::kTile, 64, 1, {x}, {kept});
  add_call(p, Locality::kReduce, 64, 1, {x}, {total});
  drop_unread(p.calls, p.values);
  ASSERT_EQ(p.calls.size(), 2u);
  EXPECT_EQ(p.calls[0].writes[0], kept);
  EXPECT_EQ(p.calls[1].writes[0], total);
}

TEST(Plan, ACallThatIsCutIntoPartsIsAloneInItsPhase) {
  int cut = 0;
  for (uint64_t seed = 0; seed < 60; ++seed)
    for (const int threads : {1, 2, 7}) {
      const Problem problem = random_problem(seed);
      const Schedule steps = schedule(problem.calls, problem.values, options(100, threads)).take();
      for (const coppice_phase& phase : steps.phases)
        for (int32_t g = phase.group_begin; g < phase.group_end; ++g) {
          const coppice_group& group = steps.groups[static_cast<size_t>(g)];
          const CallSpec& first = steps.calls[static_cast<size_t>(group.call_begin)];
          if (group.kind == COPPICE_ITEM_TILE || first.locality == Locality::kReduce) continue;
          EXPECT_EQ(phase.group_end - phase.group_begin, 1);
          EXPECT_EQ(group.call_end - group.call_begin, 1);
          EXPECT_EQ(group.parts, first.parts);
          ++cut;
        }
    }
  EXPECT_GT(cut, 20);
}

// Rows are split where tiles cannot keep all threads busy, and heavy weights are passed once by all tiles.
TEST(Plan, CutsACallAsTilesThreadsAndWeightsAskFor) {
  const auto kind = [](int batch, int threads, int parts, int64_t weight_bytes) {
    Problem p;
    const ValueId x = add_value(p, ValueKind::kInput, 64, 8), y = add_value(p, ValueKind::kTiled, 64, 8);
    add_call(p, Locality::kTile, 64, parts, {x}, {y}).weight_bytes = weight_bytes;
    return schedule(p.calls, p.values, options(batch, threads)).take().groups[0].kind;
  };
  constexpr int64_t kHeavy = 1 << 20;
  EXPECT_EQ(kind(128, 2, 1, 0), COPPICE_ITEM_TILE);
  EXPECT_EQ(kind(128, 2, 4, 0), COPPICE_ITEM_TILE);
  EXPECT_EQ(kind(64, 2, 4, 0), COPPICE_ITEM_TILE_PART) << "one tile for two threads";
  EXPECT_EQ(kind(192, 2, 4, 0), COPPICE_ITEM_TILE_PART) << "three tiles for two threads";
  EXPECT_EQ(kind(64 * 9, 2, 4, 0), COPPICE_ITEM_TILE) << "nine tiles: the last one does not matter";
  EXPECT_EQ(kind(128, 2, 4, kHeavy), COPPICE_ITEM_PART);
  EXPECT_EQ(kind(128, 7, 4, kHeavy), COPPICE_ITEM_TILE_PART);
  EXPECT_EQ(kind(64, 1, 4, kHeavy), COPPICE_ITEM_TILE) << "one tile passes the weights once anyway";
}

TEST(Plan, AnUpdateWaitsForEverybodyWhoReadsTheOldWeights) {
  Problem p;
  p.params.push_back(std::make_unique<Param>(Param::vector("w", {4})));
  const Param* w = p.params[0].get();
  const ValueId x = add_value(p, ValueKind::kInput, 64, 8), gradient = add_value(p, ValueKind::kWhole, 64, 4),
                y = add_value(p, ValueKind::kTiled, 64, 8);
  const ValueId late = add_value(p, ValueKind::kWhole, 64, 4);
  add_call(p, Locality::kReduce, 64, 2, {x}, {gradient}).updates = w;
  add_call(p, Locality::kReduce, 64, 1, {x}, {late});
  add_call(p, Locality::kTile, 64, 1, {x, late}, {y}).uses.push_back(w);
  const Schedule steps = schedule(p.calls, p.values, options(64, 2)).take();
  ASSERT_EQ(steps.calls.size(), 3u);
  EXPECT_EQ(steps.calls.back().updates, w);
  EXPECT_EQ(steps.phases.size(), 3u) << "not beside the call that reads the weights either";
}

TEST(Plan, CallsThatWaitForEachOtherAreAnErrorThatNamesOne) {
  Problem p;
  const ValueId a = add_value(p, ValueKind::kTiled, 64, 8), b = add_value(p, ValueKind::kTiled, 64, 8);
  add_call(p, Locality::kTile, 64, 1, {b}, {a});
  add_call(p, Locality::kTile, 64, 1, {a}, {b});
  const auto steps = schedule(p.calls, p.values, options(64, 1));
  ASSERT_FALSE(steps.ok());
  EXPECT_NE(steps.status().message().find("'call0' waits"), std::string::npos) << steps.status().message();
}

TEST(Plan, KeptValuesLieAloneUntilTheEnd) {
  Problem p;
  ValueId x = add_value(p, ValueKind::kInput, 64, 8);
  const ValueId kept = add_value(p, ValueKind::kTiled, 64, 8);
  p.values[static_cast<size_t>(kept)].keep = true;
  add_call(p, Locality::kTile, 64, 1, {x}, {kept});
  for (int i = 0; i < 5; ++i) {
    const ValueId y = add_value(p, ValueKind::kTiled, 64, 8);
    add_call(p, Locality::kTile, 64, 1, {x}, {y});
    x = y;
  }
  const Schedule steps = schedule(p.calls, p.values, options(64, 1)).take();
  const MemoryPlan plan = plan_memory(steps, p.values, options(64, 1));
  for (size_t v = 2; v < p.values.size(); ++v)
    EXPECT_NE(plan.places[v].offset, plan.places[static_cast<size_t>(kept)].offset);
}

}  // namespace
}  // namespace coppice
