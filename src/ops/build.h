// SPDX-License-Identifier: Apache-2.0
// Puts networks together: one function per layer, each adds its parameters and node. Errors are kept: after
// the first one every call is a no-op, and finish() returns it, so that a network reads as a plain list of
// layers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"

namespace coppice {

struct ConvOptions {
  int kernel = 3, stride = 1, padding = 1, dilation = 1, groups = 1;
  bool wrap = false;  // padding wraps around: the board is a torus
  bool bias = true;
};

class NetworkBuilder {
 public:
  NetworkBuilder();
  ValueId input(Shape shape);         // "input"
  ValueId class_target();             // "target": one label per sample
  ValueId dense_target(Shape shape);  // "target": one number per output
  ValueId linear(const std::string& name, ValueId x, int64_t outputs, bool bias = true);
  ValueId conv(const std::string& name, ValueId x, int64_t outputs, const ConvOptions& options);
  ValueId batch_norm(const std::string& name, ValueId x);
  // Over all numbers of a sample.
  ValueId layer_norm(const std::string& name, ValueId x);
  ValueId relu(const std::string& name, ValueId x);
  // slopes: 1 for all channels, or as many as there are.
  ValueId prelu(const std::string& name, ValueId x, int64_t slopes = 1);
  ValueId flatten(const std::string& name, ValueId x);
  // Any op without parameters.
  ValueId apply(const char* op, const std::string& name, std::vector<ValueId> inputs,
                Attributes attributes = {});
  ValueId parameter(const std::string& name, Shape shape, ParamRole role, Init init, int64_t fan_in);
  ValueId state(const std::string& name, Shape shape, Init init);

  void softmax_cross_entropy(ValueId logits, double smoothing = 0.0);
  void binary_cross_entropy(ValueId logits);
  void mean_squared_error(ValueId outputs);

  Result<Graph> finish();

 private:
  Graph graph_;
  Status status_;
};

}  // namespace coppice
