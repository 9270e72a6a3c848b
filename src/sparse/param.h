// SPDX-License-Identifier: Apache-2.0
// A trained parameter: a pattern and flat arrays as long as its live weights. Before encode() the arrays are
// in canonical order; after it in the order of the format that computes dW. Everyone but kernels goes through
// the canonical view.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "sparse/edit.h"
#include "sparse/format.h"
#include "sparse/pattern.h"

namespace coppice {

class Param {
 public:
  // A matrix of a linear or convolution layer; dims as PyTorch has them ({O, I} or {O, I/groups, kh, kw}).
  static Param weight(std::string name, std::vector<int64_t> dims, Pattern pattern);
  // A bias, a scale, running statistics: always dense.
  static Param vector(std::string name, std::vector<int64_t> dims);

  const std::string& name() const { return name_; }
  const std::vector<int64_t>& dims() const { return dims_; }
  bool is_weight() const { return is_weight_; }
  Pattern pattern() const;  // weights only; derived from the encoding once there is one
  int64_t live() const { return live_; }
  int64_t total() const;

  // The arrays. value always exists; the others are empty until somebody needs them.
  Floats value, moment1, moment2, gradient;
  // The step whose update was a weight's first, 0 for those that were there from the start: Adam corrects the
  // moments of a grown weight by its own age. Exact up to 2^24 steps.
  Floats born;

  // An array in canonical order, [live]; and back. The array must be one of this parameter's.
  std::vector<float> canonical(const Floats& array) const;
  void set_canonical(Floats& array, std::span<const float> canonical) const;
  void ensure(Floats& array) const;  // allocates it, zero, if it is empty

  // Moves all arrays into the order of `format`, which must not refuse the pattern. Views that were given out
  // before end.
  void encode(const FormatDef& format, const Tiling& tiling);
  // Adds the format's second layout of the values, if it has one; the other views stay as they are.
  void add_copy();
  const FormatDef* format() const { return format_; }  // null before encode()
  const Tiling& tiling() const { return tiling_; }     // of the encoding
  Encoding& encoding() const { return *encoding_; }
  const void* view() const { return view_; }  // the C struct, bound to value
  // The second layout of the values (FormatDef::encode_copy).
  struct Copy {
    std::unique_ptr<Encoding> encoding;
    Floats value;
    std::vector<int32_t> position;  // value[i] = the parameter's value[position[i]]
    const void* view = nullptr;
  };
  Copy* copy() const { return copy_.get(); }  // null if there is none
  void refresh_copy();

  // Contiguous ranges of the arrays that one item updates, [parts + 1].
  const std::vector<int32_t>& part_start() const;

  // Survivors keep value and moments; grown weights start with moments 0, and with 0 or those values, block
  // by block; they are first updated in that step. Encoded as before, or not at all if the format refuses the
  // new pattern, as dense does: then encode() in another. Views that were given out before end, so executors
  // have to rebind().
  Status apply(const TopologyEdit& edit, int64_t first_update, std::span<const float> grown = {});

  // Bytes of everything that this parameter keeps in memory.
  int64_t bytes() const;

 private:
  Param() = default;
  void add_copy(const Pattern& pattern, std::span<const int32_t> positions);  // which are its own
  std::string name_;
  std::vector<int64_t> dims_;
  bool is_weight_ = false;
  int64_t live_ = 0;
  std::optional<Pattern> pattern_;  // until encoded
  const FormatDef* format_ = nullptr;
  Tiling tiling_;
  std::unique_ptr<Encoding> encoding_;
  const void* view_ = nullptr;
  std::unique_ptr<Copy> copy_;
  std::vector<int32_t> part_start_;  // of a vector
};

}  // namespace coppice
