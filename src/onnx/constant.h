// SPDX-License-Identifier: Apache-2.0
// Numbers of an ONNX graph that are known before it runs: weights, and the sizes and indices that exporters
// compute by nodes. Those nodes are computed at load.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "base/result.h"
#include "onnx/model.h"

namespace coppice::onnx {

// Stands for the number of samples, which a network leaves open, among the sizes that `Shape` gives. It may
// be moved about, but not be computed with.
inline constexpr int64_t kBatch = std::numeric_limits<int64_t>::min() + 4711;

struct Constant {
  std::vector<int64_t> dims;     // none: a single number
  bool integer = false;          // which of the two is filled, row by row
  Type type = Type::kUndefined;  // of integers that the file holds: 8 bits with a sign, or without
  std::vector<float> reals;
  std::vector<int64_t> integers;

  int64_t size() const { return static_cast<int64_t>(integer ? integers.size() : reals.size()); }
  float real(size_t i) const { return integer ? static_cast<float>(integers[i]) : reals[i]; }
  // All of them, as floats.
  std::vector<float> all_reals() const;
};
using ConstantPtr = std::shared_ptr<const Constant>;

// Of one number; 0 for types that are not read.
size_t bytes_of(Type type);

// FLOAT, FLOAT16, BFLOAT16 and DOUBLE become floats, INT8, UINT8, INT32, INT64 and BOOL integers. Fails where
// the dimensions do not say how many numbers are there, before memory is taken; sentences lack the name.
Result<Constant> decode(const Tensor& tensor);

// Result of an op whose inputs are all known; inputs that are left out are null. Null where the op is not
// among those that are computed at load. Fails, without the node's name, where the op cannot be meant, or
// where the result is larger than 65,536 numbers and than its inputs together.
Result<ConstantPtr> fold(const Node& node, const std::vector<ConstantPtr>& inputs, int64_t opset);

// How many numbers a tensor of these sizes has; false where that is more than 63 bits count, empty axes left
// out.
bool count_of(const std::vector<int64_t>& dims, int64_t* count);

// A list of integers, or a single one.
Result<std::vector<int64_t>> integers_of(const Constant& constant);

// 0 .. rank - 1, counted from the end where it is negative.
Result<size_t> axis_of(int64_t axis, size_t rank);

}  // namespace coppice::onnx
