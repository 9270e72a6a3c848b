// SPDX-License-Identifier: Apache-2.0
// What an op's `lower` facet emits: calls whose operands are still names. The plan gives every value its
// place, then the addresses are filled in.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "coppice_image.h"
#include "graph/graph.h"
#include "graph/op.h"

struct coppice_kernel_table;
struct coppice_train_table;
struct coppice_pointwise_table;

namespace coppice {

class Param;

// A value as the plan sees it: a tiled one has `elements` rows of `width` samples in each tile, and a halo
// around its planes if it has spatial axes.
struct PlanValue {
  std::string name;
  ValueKind kind = ValueKind::kTiled;
  int64_t elements = 0;
  int width = 0;
  coppice_extent extent = {1, 1, 1};
  int halo = 0;
  bool wrap = false;
  int input = -1;     // slot in coppice_run_state.inputs
  bool keep = false;  // read by the host after the step
};

struct CallSpec {
  std::string name;
  coppice_kernel kernel = nullptr;
  std::shared_ptr<void> args;  // 64-byte aligned; the fields below point into it
  Locality locality = Locality::kTile;
  int width = 0;  // of its tiles
  int parts = 1;
  size_t scratch = 0;        // bytes per thread
  int64_t weight_bytes = 0;  // read by the call; decides whether all tiles share one pass
  std::vector<ValueId> reads, writes;
  std::vector<std::pair<coppice_tiled*, ValueId>> tiled;
  std::vector<std::pair<float**, ValueId>>
      whole;  // null stays null where the value has no place (fused gradients)
  std::vector<std::pair<float**, const Floats*>> arrays;  // of parameters, allocated after the plan
  std::vector<const Param*> uses;                         // parameters whose values it reads
  const Param* updates =
      nullptr;  // the optimizer's call on this parameter: waits for all who use the old weights
  std::vector<CallSpec> then;  // done right after it for the same item, such as the optimizer after dW
};

template <class Args>
class CallBuilder;

class Lowering {
 public:
  Lowering(const Graph& graph, std::vector<PlanValue> values, std::function<Param&(ValueId)> param_of);

  // The kernel tables of the instruction set in use.
  const coppice_kernel_table* rt = nullptr;
  const coppice_train_table* train = nullptr;
  const coppice_pointwise_table* pointwise = nullptr;
  bool training = false;  // false: the steps of an evaluation, which may be fewer

  const Graph& graph() const { return graph_; }
  Param& param(ValueId value) const { return param_of_(value); }
  const PlanValue& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  int width(ValueId id) const { return value(id).width; }
  coppice_extent extent(ValueId id) const { return value(id).extent; }
  // A tiled value that lives only between calls of this lowering.
  ValueId temporary(const std::string& name, int64_t elements, int width);
  ValueId like(const std::string& name, ValueId model);  // of the same shape, tiles and halo

  template <class Args>
  CallBuilder<Args> call(const std::string& name, coppice_kernel kernel, int width);

  std::vector<PlanValue> values_;
  std::vector<CallSpec> calls_;
  std::vector<std::pair<ValueId, ValueId>> halo_copies_;  // of a value, made by with_halo()

 private:
  const Graph& graph_;
  std::function<Param&(ValueId)> param_of_;
};

// Fills one call and adds it when it goes out of scope.
template <class Args>
class CallBuilder {
 public:
  CallBuilder(Lowering& lowering, const std::string& name, coppice_kernel kernel, int width)
      : lowering_(lowering) {
    auto args = std::make_shared<Args>();
    args_ = args.get();
    spec_.name = name;
    spec_.kernel = kernel;
    spec_.args = std::move(args);
    spec_.width = width;
  }
  ~CallBuilder() { lowering_.calls_.push_back(std::move(spec_)); }
  CallBuilder(const CallBuilder&) = delete;
  CallBuilder& operator=(const CallBuilder&) = delete;

  Args& args() { return *args_; }
  CallSpec& spec() { return spec_; }
  CallBuilder& in(coppice_tiled Args::*field, ValueId value) {
    spec_.reads.push_back(value);
    spec_.tiled.emplace_back(&(args_->*field), value);
    return *this;
  }
  CallBuilder& out(coppice_tiled Args::*field, ValueId value) {
    spec_.writes.push_back(value);
    spec_.tiled.emplace_back(&(args_->*field), value);
    return *this;
  }
  CallBuilder& whole_in(float* Args::*field, ValueId value) {
    spec_.reads.push_back(value);
    spec_.whole.emplace_back(&(args_->*field), value);
    return *this;
  }
  CallBuilder& whole_out(float* Args::*field, ValueId value) {
    spec_.writes.push_back(value);
    spec_.whole.emplace_back(&(args_->*field), value);
    return *this;
  }
  CallBuilder& uses(const Param& param, int64_t weight_bytes) {
    spec_.uses.push_back(&param);
    spec_.weight_bytes += weight_bytes;
    return *this;
  }
  CallBuilder& parts(int parts) {
    spec_.parts = parts;
    return *this;
  }
  CallBuilder& reduces() {
    spec_.locality = Locality::kReduce;
    return *this;
  }

 private:
  Lowering& lowering_;
  Args* args_;
  CallSpec spec_;
};

template <class Args>
CallBuilder<Args> Lowering::call(const std::string& name, coppice_kernel kernel, int width) {
  return CallBuilder<Args>(*this, name, kernel, width);
}

// Channels, height and width of a shape; a flat one has a channel per element.
coppice_extent extent_of(const Shape& shape);

// S of a value with this shape: 16 where it has spatial axes, else the largest of 64, 32, 16 that the batch
// fills.
int tile_width(const Shape& shape, int batch);

}  // namespace coppice
