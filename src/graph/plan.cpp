// SPDX-License-Identifier: Apache-2.0
#include "graph/plan.h"

#include <algorithm>
#include <map>

namespace coppice {
namespace {

constexpr int kNever = INT32_MAX;

int tiles_of(int batch, int width) { return (batch + width - 1) / width; }

// How the work of a tile-local call is cut. The bits do not depend on it.
int32_t item_kind(const CallSpec& call, const PlanOptions& options) {
  if (call.parts <= 1) return COPPICE_ITEM_TILE;
  const int tiles = tiles_of(options.batch, call.width);
  if (call.weight_bytes > options.l2_bytes / 2 && tiles > 1)
    return call.parts >= options.threads ? COPPICE_ITEM_PART : COPPICE_ITEM_TILE_PART;
  // Tiles that cannot be shared out evenly leave threads idle for a whole tile; after a few rounds it no
  // longer matters.
  const bool uneven = tiles % options.threads != 0 && tiles < 4 * options.threads;
  return uneven ? COPPICE_ITEM_TILE_PART : COPPICE_ITEM_TILE;
}

class Scheduler {
 public:
  Scheduler(std::vector<CallSpec> calls, const std::vector<PlanValue>& values, const PlanOptions& options)
      : calls_(std::move(calls)), values_(values), options_(options), done_(calls_.size(), false) {
    written_.assign(values.size(), -1);  // values that no call writes are there from the start
    for (const CallSpec& call : calls_) for_each_write(call, [&](ValueId v) { written_[at(v)] = kNever; });
  }

  Result<Schedule> run() {
    while (true) {
      const auto waiting = std::find(done_.begin(), done_.end(), false);
      if (waiting == done_.end()) return std::move(out_);
      const auto first_group = static_cast<int32_t>(out_.groups.size());
      if (!tile_phase()) reduce_phase();
      const auto end_group = static_cast<int32_t>(out_.groups.size());
      if (end_group == first_group)
        return invalid("plan: call '" + calls_[static_cast<size_t>(waiting - done_.begin())].name +
                       "' waits for something that never happens; report this as an error of Coppice");
      out_.phases.push_back({first_group, end_group});
      ++phase_;
    }
  }

 private:
  static size_t at(ValueId v) { return static_cast<size_t>(v); }
  template <class F>
  static void for_each_write(const CallSpec& call, F f) {
    for (const ValueId v : call.writes) f(v);
    for (const CallSpec& next : call.then) for_each_write(next, f);
  }

  // Every operand is there: written in an earlier phase, or by an earlier call of this group for the same
  // tile.
  bool ready(const CallSpec& call, int group_width) const {
    for (const ValueId v : call.reads) {
      const int when = written_[at(v)];
      if (when < phase_) continue;
      const PlanValue& value = values_[at(v)];
      if (when == phase_ && group_width == value.width && value.kind == ValueKind::kTiled) continue;
      return false;
    }
    return true;
  }
  // No call that still needs the old weights is left.
  bool may_update(const CallSpec& call) const {
    for (size_t c = 0; c < calls_.size(); ++c)
      if (!done_[c] || finished_.at(c) == phase_)
        for (const Param* used : calls_[c].uses)
          if (used == call.updates && &calls_[c] != &call) return false;
    return true;
  }

  void take(size_t index) {
    CallSpec& call = calls_[index];
    for_each_write(call, [&](ValueId v) { written_[at(v)] = phase_; });
    done_[index] = true;
    finished_[index] = phase_;
    std::vector<CallSpec> then = std::move(call.then);
    out_.calls.push_back(call);  // a copy: `uses` stays for may_update
    for (CallSpec& next : then) out_.calls.push_back(std::move(next));
  }
  void close_group(size_t first_call, int kind, int width, int parts) {
    out_.groups.push_back(
        {static_cast<int32_t>(first_call), static_cast<int32_t>(out_.calls.size()), kind, width, parts});
  }

  bool tile_phase() {
    const size_t first = out_.calls.size();
    int width = 0;
    for (size_t c = 0; c < calls_.size(); ++c) {
      const CallSpec& call = calls_[c];
      if (done_[c] || call.locality != Locality::kTile) continue;
      if (width != 0 && call.width != width) continue;
      const int32_t kind = item_kind(call, options_);
      if (kind != COPPICE_ITEM_TILE && width != 0) continue;
      if (!ready(call, call.width)) continue;
      width = call.width;
      take(c);
      if (kind != COPPICE_ITEM_TILE) {
        close_group(first, kind, width, call.parts);
        return true;
      }
    }
    if (width != 0) close_group(first, COPPICE_ITEM_TILE, width, 1);
    return width != 0;
  }

  void reduce_phase() {
    for (size_t c = 0; c < calls_.size(); ++c) {
      const CallSpec& call = calls_[c];
      if (done_[c] || call.locality != Locality::kReduce || !ready(call, 0)) continue;
      if (call.updates && !may_update(call)) continue;
      const size_t first = out_.calls.size();
      take(c);
      close_group(first, COPPICE_ITEM_PART, call.width, call.parts);
    }
  }

  std::vector<CallSpec> calls_;
  const std::vector<PlanValue>& values_;
  const PlanOptions& options_;
  std::vector<bool> done_;
  std::map<size_t, int> finished_;
  std::vector<int> written_;  // phase that wrote it; -1: before the step
  int phase_ = 0;
  Schedule out_;
};

// A phase in which each thread takes one tile after the other through all calls.
bool is_sequential(const Schedule& schedule, const coppice_phase& phase) {
  return phase.group_end - phase.group_begin == 1 &&
         schedule.groups[static_cast<size_t>(phase.group_begin)].kind == COPPICE_ITEM_TILE;
}

// Values that no call touches outside one such phase, of whose tiles there are more than threads.
std::vector<bool> per_thread_values(const Schedule& schedule, const std::vector<PlanValue>& values,
                                    const PlanOptions& options) {
  constexpr int kNowhere = -1, kSeveral = -2;
  std::vector<int> home(values.size(), kNowhere);
  for (size_t p = 0; p < schedule.phases.size(); ++p) {
    const coppice_phase& phase = schedule.phases[p];
    for (int32_t g = phase.group_begin; g < phase.group_end; ++g) {
      const coppice_group& group = schedule.groups[static_cast<size_t>(g)];
      for (int32_t c = group.call_begin; c < group.call_end; ++c) {
        const CallSpec& call = schedule.calls[static_cast<size_t>(c)];
        for (const std::vector<ValueId>* list : {&call.reads, &call.writes})
          for (const ValueId v : *list) {
            int& at = home[static_cast<size_t>(v)];
            const bool fits = is_sequential(schedule, phase) &&
                              values[static_cast<size_t>(v)].width == group.width &&
                              (at == kNowhere || at == static_cast<int>(p));
            at = fits ? static_cast<int>(p) : kSeveral;
          }
      }
    }
  }
  std::vector<bool> out(values.size());
  for (size_t v = 0; v < values.size(); ++v)
    out[v] = home[v] >= 0 && values[v].kind == ValueKind::kTiled && !values[v].keep &&
             options.threads < tiles_of(options.batch, values[v].width);
  return out;
}

// When a value is alive, in half-open steps of time. Calls of a lone tile group follow each other for each
// tile; in any other phase everything happens at once.
struct Interval {
  int begin = kNever, end = -1;
  bool alive() const { return end >= 0; }
  bool meets(const Interval& other) const { return begin < other.end && other.begin < end; }
};

std::vector<Interval> lifetimes(const Schedule& schedule, const std::vector<PlanValue>& values) {
  std::vector<Interval> out(values.size());
  int time = 0;
  for (const coppice_phase& phase : schedule.phases) {
    const int phase_begin = time;
    const bool sequential = is_sequential(schedule, phase);
    std::vector<ValueId> touched;
    for (int32_t g = phase.group_begin; g < phase.group_end; ++g)
      for (int32_t c = schedule.groups[static_cast<size_t>(g)].call_begin;
           c < schedule.groups[static_cast<size_t>(g)].call_end; ++c, ++time) {
        const CallSpec& call = schedule.calls[static_cast<size_t>(c)];
        for (const std::vector<ValueId>* list : {&call.reads, &call.writes})
          for (const ValueId v : *list) {
            Interval& life = out[static_cast<size_t>(v)];
            life.begin = std::min(life.begin, time);
            life.end = std::max(life.end, time + 1);
            if (!sequential || values[static_cast<size_t>(v)].kind != ValueKind::kTiled) touched.push_back(v);
          }
      }
    for (const ValueId v : touched) {
      Interval& life = out[static_cast<size_t>(v)];
      life.begin = std::min(life.begin, phase_begin);
      life.end = time;
    }
  }
  for (size_t v = 0; v < values.size(); ++v)
    if (values[v].keep && out[v].alive()) out[v].end = kNever;
  return out;
}

bool has_place(const PlanValue& value) {
  return value.elements > 0 && (value.kind == ValueKind::kTiled || value.kind == ValueKind::kWhole);
}

int64_t floats_of(const PlanValue& value) {
  int64_t floats = value.elements;
  if (value.kind == ValueKind::kTiled) {
    const coppice_extent& e = value.extent;
    const int64_t padded = int64_t{e.channels} * (e.height + 2 * value.halo) * (e.width + 2 * value.halo);
    floats = (value.halo > 0 ? padded : value.elements) * value.width;
  }
  return (floats + 15) / 16 * 16;
}

// Largest first, each at the lowest offset where it meets nobody alive at the same time. Returns the extent.
int64_t place_all(const std::vector<size_t>& members, const std::vector<PlanValue>& values,
                  const std::vector<Interval>& lives, std::vector<Place>& places) {
  std::vector<size_t> order = members;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return floats_of(values[a]) > floats_of(values[b]); });
  std::vector<size_t> placed;
  int64_t extent = 0;
  for (const size_t v : order) {
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (const size_t other : placed)
      if (lives[v].meets(lives[other]))
        taken.emplace_back(places[other].offset, places[other].offset + floats_of(values[other]));
    std::sort(taken.begin(), taken.end());
    int64_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + floats_of(values[v]) <= begin) break;
      offset = std::max(offset, end);
    }
    places[v].offset = offset;
    extent = std::max(extent, offset + floats_of(values[v]));
    placed.push_back(v);
  }
  return extent;
}

}  // namespace

void drop_unread(std::vector<CallSpec>& calls, const std::vector<PlanValue>& values) {
  for (size_t before = 0; before != calls.size();) {
    before = calls.size();
    std::vector<bool> read(values.size());
    for (const CallSpec& call : calls)
      for (const ValueId v : call.reads) read[static_cast<size_t>(v)] = true;
    std::erase_if(calls, [&](const CallSpec& call) {
      return !call.writes.empty() && call.then.empty() &&
             std::all_of(call.writes.begin(), call.writes.end(), [&](ValueId v) {
               const PlanValue& value = values[static_cast<size_t>(v)];
               return value.kind == ValueKind::kTiled && !value.keep && !read[static_cast<size_t>(v)];
             });
    });
  }
}

Result<Schedule> schedule(std::vector<CallSpec> calls, const std::vector<PlanValue>& values,
                          const PlanOptions& options) {
  return Scheduler(std::move(calls), values, options).run();
}

MemoryPlan plan_memory(const Schedule& schedule, const std::vector<PlanValue>& values,
                       const PlanOptions& options) {
  const std::vector<Interval> lives = lifetimes(schedule, values);
  const std::vector<bool> per_thread = per_thread_values(schedule, values, options);
  MemoryPlan plan;
  plan.places.resize(values.size());
  std::map<std::pair<int, bool>, std::vector<size_t>> classes;  // width (0: whole values), per thread
  for (size_t v = 0; v < values.size(); ++v)
    if (lives[v].alive() && has_place(values[v])) {
      plan.places[v].per_thread = per_thread[v];
      classes[{values[v].kind == ValueKind::kTiled ? values[v].width : 0, per_thread[v]}].push_back(v);
    }
  for (const auto& [key, members] : classes) {
    const auto [width, of_threads] = key;
    const int64_t extent = place_all(members, values, lives, plan.places);
    if (width == 0) {
      plan.whole_base = plan.arena_floats;
      plan.arena_floats += extent;
      continue;
    }
    // One vector more than a multiple of the page: the same row of two tiles must not fall into one cache
    // set.
    const int64_t slab = (extent + 1023) / 1024 * 1024 + 16;
    const int count = of_threads ? options.threads : tiles_of(options.batch, width);
    plan.slabs.push_back({width, count, of_threads, slab, plan.arena_floats});
    plan.arena_floats += slab * count;
  }
  return plan;
}

const Slab* slab_of(const MemoryPlan& plan, const std::vector<PlanValue>& values, ValueId value) {
  const PlanValue& of = values[static_cast<size_t>(value)];
  const Place& place = plan.places[static_cast<size_t>(value)];
  if (of.kind != ValueKind::kTiled || place.offset < 0) return nullptr;
  for (const Slab& slab : plan.slabs)
    if (slab.width == of.width && slab.per_thread == place.per_thread) return &slab;
  return nullptr;
}

Status check_memory(const MemoryPlan& plan, const Schedule& schedule, const std::vector<PlanValue>& values) {
  const std::vector<Interval> lives = lifetimes(schedule, values);
  for (size_t a = 0; a < values.size(); ++a)
    for (size_t b = a + 1; b < values.size(); ++b) {
      if (plan.places[a].offset < 0 || plan.places[b].offset < 0 || !lives[a].meets(lives[b])) continue;
      if (slab_of(plan, values, static_cast<ValueId>(a)) != slab_of(plan, values, static_cast<ValueId>(b)))
        continue;
      if (plan.places[a].offset < plan.places[b].offset + floats_of(values[b]) &&
          plan.places[b].offset < plan.places[a].offset + floats_of(values[a]))
        return invalid("memory plan: '" + values[a].name + "' and '" + values[b].name + "' overlap");
    }
  return {};
}

}  // namespace coppice
