// SPDX-License-Identifier: Apache-2.0
// The plans of real networks, checked without a word from the planner: the bytes that each item's calls read
// and write, from the addresses in their arguments, and which items may run at the same time, from the rules
// of the step loop. Every pair of values whose bytes meet must be used one after the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "exec/executor.h"
#include "models/models.h"
#include "support/networks.h"

namespace coppice {
namespace {

using testing::conv_net;
using testing::mlp;
using testing::network_of;

constexpr int32_t kAfterTheStep = INT32_MAX;

// One call of one item. Phases follow each other, and so do the calls of an item; all else is at once.
struct Access {
  int32_t phase, item, call;
  bool writes;

  bool before(const Access& other) const {
    return phase < other.phase || (phase == other.phase && item == other.item && call < other.call);
  }
};

// One tile of a value, the one of an item where it lies once per thread, or all of a whole value.
struct Instance {
  ValueId value;
  const float *begin = nullptr, *end = nullptr;
  int32_t slot = -1;  // of the thread that it belongs to
  std::vector<Access> accesses;
};

class Step {
 public:
  Step(const Executor& executor, const ExecOptions& options)
      : schedule_(executor.schedule()),
        values_(executor.values()),
        batch_(options.batch),
        threads_(options.threads) {
    for (size_t p = 0; p < schedule_.phases.size(); ++p) run_phase(static_cast<int32_t>(p));
    for (auto& [key, instance] : instances_)
      if (of(instance.value).keep) instance.accesses.push_back({kAfterTheStep, 0, 0, false});
  }

  // A sentence for the first thing that is wrong; else empty.
  std::string fault() {
    std::vector<const Instance*> by_address;
    for (const auto& [key, instance] : instances_) {
      check_order(instance);
      by_address.push_back(&instance);
    }
    std::sort(by_address.begin(), by_address.end(),
              [](const Instance* a, const Instance* b) { return a->begin < b->begin; });
    for (size_t a = 0; a < by_address.size(); ++a)
      for (size_t b = a + 1; b < by_address.size() && by_address[b]->begin < by_address[a]->end; ++b) {
        ++meetings_;
        if (!apart(*by_address[a], *by_address[b]) && !apart(*by_address[b], *by_address[a]))
          fail(name(by_address[a]->value) + " and " + name(by_address[b]->value) +
               " are alive in the same bytes");
      }
    return fault_;
  }
  int64_t meetings() const { return meetings_; }
  int64_t per_thread() const {
    return std::count_if(instances_.begin(), instances_.end(),
                         [](const auto& entry) { return entry.second.slot >= 0; });
  }

 private:
  const PlanValue& of(ValueId v) const { return values_[static_cast<size_t>(v)]; }
  std::string name(ValueId v) const { return "'" + of(v).name + "'"; }
  int32_t tiles(int32_t width) const { return (batch_ + width - 1) / width; }
  void fail(const std::string& what) {
    if (fault_.empty()) fault_ = what;
  }

  int64_t floats(ValueId v) const {
    const PlanValue& value = of(v);
    if (value.kind != ValueKind::kTiled) return value.elements;
    if (value.halo == 0) return value.elements * value.width;
    return int64_t{value.extent.channels} * (value.extent.height + 2 * value.halo) *
           (value.extent.width + 2 * value.halo) * value.width;
  }

  void run_phase(int32_t p) {
    const coppice_phase& phase = schedule_.phases[static_cast<size_t>(p)];
    int32_t index = 0;
    for (int32_t g = phase.group_begin; g < phase.group_end; ++g) {
      const coppice_group& group = schedule_.groups[static_cast<size_t>(g)];
      const int32_t all = tiles(group.width);
      const bool by_tile = group.kind != COPPICE_ITEM_PART, by_part = group.kind != COPPICE_ITEM_TILE;
      for (int32_t t = 0; t < (by_tile ? all : 1); ++t)
        for (int32_t part = 0; part < (by_part ? group.parts : 1); ++part, ++index)
          for (int32_t c = group.call_begin; c < group.call_end; ++c)
            run_call({p, index, c, false}, group.width, by_tile ? t : 0, by_tile ? t + 1 : all);
    }
  }

  void run_call(Access access, int32_t width, int32_t tile_begin, int32_t tile_end) {
    const CallSpec& call = schedule_.calls[static_cast<size_t>(access.call)];
    const auto among = [](const std::vector<ValueId>& list, ValueId v) {
      return std::find(list.begin(), list.end(), v) != list.end();
    };
    const auto touch = [&](ValueId v, const auto& place) {
      if (!among(call.reads, v) && !among(call.writes, v))
        fail(call.name + " has the address of " + name(v) + " and says neither that it reads nor writes it");
      for (const bool writes : {false, true})
        if (among(writes ? call.writes : call.reads, v)) {
          access.writes = writes;
          place(access);
        }
    };
    for (const auto& [field, v] : call.whole)
      touch(v, [&, at = *field, id = v](const Access& a) { add({id, 0, 0}, at, -1, a); });
    for (const auto& [field, v] : call.tiled) {
      if (field->base == nullptr) continue;  // comes with the batch
      const PlanValue& value = of(v);
      const int32_t first = tile_begin * width / value.width;
      const int32_t end = (std::min(tile_end * width, batch_) + value.width - 1) / value.width;
      touch(v, [&, at = *field, id = v](const Access& a) {
        if (at.slot_stride != 0) {
          const int32_t slot = a.item % threads_;
          add({id, a.phase + 1, a.item}, at.base + slot * at.slot_stride, slot, a);
        } else {
          for (int32_t t = first; t < end; ++t) add({id, 0, t}, at.base + t * at.tile_stride, -1, a);
        }
      });
    }
  }

  using Key = std::tuple<ValueId, int32_t, int32_t>;
  void add(const Key& key, const float* begin, int32_t slot, const Access& access) {
    const int64_t size = floats(std::get<0>(key));
    if (begin == nullptr || size == 0) return;  // a gradient that is not stored
    Instance& instance = instances_[key];
    if (instance.begin != nullptr && instance.begin != begin)
      fail(name(std::get<0>(key)) + " has two addresses");
    instance.value = std::get<0>(key);
    instance.begin = begin;
    instance.end = begin + size;
    instance.slot = slot;
    instance.accesses.push_back(access);
  }

  // Whoever reads finds what was written before, and by nobody at the same time. Items may write parts of one
  // value at the same time.
  void check_order(const Instance& instance) {
    const std::vector<Access>& all = instance.accesses;
    for (const Access& read : all) {
      if (read.writes) continue;
      bool written = false;
      for (const Access& write : all) {
        if (!write.writes) continue;
        written = written || write.before(read);
        if (!write.before(read) && !read.before(write))
          fail(name(instance.value) + " is read and written at the same time");
      }
      if (!written) fail(name(instance.value) + " is read before it is written");
    }
  }

  // Everything about a is over before b begins.
  static bool apart(const Instance& a, const Instance& b) {
    // A thread takes its items one after the other.
    const bool same_thread = a.slot >= 0 && a.slot == b.slot;
    for (const Access& x : a.accesses)
      for (const Access& y : b.accesses)
        if (!x.before(y) && !(same_thread && x.phase == y.phase && x.item < y.item)) return false;
    return true;
  }

  const Schedule& schedule_;
  const std::vector<PlanValue>& values_;
  int32_t batch_, threads_;
  std::map<Key, Instance> instances_;
  int64_t meetings_ = 0;
  std::string fault_;
};

void check_plans(const Graph& graph, const std::vector<int>& batches) {
  int64_t meetings = 0, per_thread = 0;
  for (const int batch : batches)
    for (const int threads : {1, 2, 3, 7})
      for (const double density : {1.0, 0.3})
        for (const BlockShape block : {BlockShape{1, 1}, BlockShape{16, 1}})
          for (const bool training : {false, true})
            for (const bool keep : {false, true}) {
              if (keep && !training) continue;
              SCOPED_TRACE("batch " + std::to_string(batch) + ", " + std::to_string(threads) +
                           " threads, density " + std::to_string(density) + ", block " + block.text() +
                           (training ? ", training" : ", evaluation") + (keep ? ", stored gradients" : ""));
              Network net = network_of(graph, density, block);
              ExecOptions options;
              options.batch = batch;
              options.threads = threads;
              options.training = training;
              options.keep_gradients = keep;
              const auto executor = Executor::create(net, options);
              ASSERT_TRUE(executor.ok()) << executor.status().message();
              Step step(**executor, options);
              ASSERT_EQ(step.fault(), "");
              meetings += step.meetings();
              per_thread += step.per_thread();
            }
  EXPECT_GT(meetings, 100) << "values that share bytes are what this is about";
  EXPECT_GT(per_thread, 100);
}

TEST(PlanOverlap, NoTwoValuesOfAnMlpAreAliveInTheSameBytes) {
  check_plans(mlp({20, 70, 48, 33, 16}), {16, 100, 512});
}

TEST(PlanOverlap, NoTwoValuesOfAConvolutionalNetworkAreAliveInTheSameBytes) {
  check_plans(conv_net(true), {16, 100, 130});
}

TEST(PlanOverlap, NoTwoValuesOfAResidualNetworkAreAliveInTheSameBytes) {
  check_plans(*make_model("resnet8", {3, 8, 8, 10}), {16, 70});
}

TEST(PlanOverlap, NoTwoValuesOfTheGameOfLifeAreAliveInTheSameBytes) {
  check_plans(*make_model("life:2,2", {1, 5, 6, 30, Task::kLabels}), {16, 70});
}

}  // namespace
}  // namespace coppice
