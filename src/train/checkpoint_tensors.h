// SPDX-License-Identifier: Apache-2.0
// Parameters <-> named tensors of a checkpoint. A full pattern is stored as PyTorch has it, under its plain
// name; a sparse one as NAME.values [blocks][r][c], NAME.indptr [block rows + 1] and NAME.indices [blocks].
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"
#include "io/safetensors.h"

namespace coppice {

// Collects views of everything to write; owns the copies they point to.
class TensorSink {
 public:
  void add(const Param& param, bool with_state);
  const std::vector<TensorView>& views() const { return views_; }

 private:
  void add_floats(const std::string& name, std::vector<int64_t> shape, std::vector<float> data);
  void add_integers(const std::string& name, std::span<const int32_t> data);
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<int32_t>> integers_;
  std::vector<TensorView> views_;
};

// The parameter that `value` of the graph describes, with its optimizer state if the file has one. Appends
// the names of the tensors it used to `used`.
Result<Param> read_param(const SafetensorsFile& file, const Value& value, BlockShape block,
                         std::vector<std::string>* used);

}  // namespace coppice
