// SPDX-License-Identifier: Apache-2.0
// Weights as 8-bit integers say them, while a network computes (quantisation-aware training, Jacob et al.
// 2018): gradients are those at the rounded weights, and what an update adds goes to the weights as they
// were, so that steps which are too small for an integer add up.
#pragma once

#include <vector>

#include "exec/network.h"

namespace coppice {

class WeightRounding {
 public:
  // The network outlives it. Ends when a pattern or a format changes: then a new one is due.
  explicit WeightRounding(Network& network);

  // Weights of a row become integers in [-127, 127] times one number, by which the largest stays what it is
  // (scale_of_largest()); quantise_rows() finds such numbers in them again. Not twice without restore() in
  // between.
  void round();
  // Gives back what rounding took off, to the bit where nothing has changed the weights meanwhile.
  void restore();

 private:
  struct Layer {
    Param* param;
    std::vector<int32_t> row;  // of each number, in the order of the format
    std::vector<float> scale;  // [rows]
    Floats taken;
  };
  std::vector<Layer> layers_;
};

// Rounded from here to the end of the scope; does nothing without a rounding.
class RoundedHere {
 public:
  explicit RoundedHere(WeightRounding* rounding) : rounding_(rounding) {
    if (rounding_ != nullptr) rounding_->round();
  }
  ~RoundedHere() {
    if (rounding_ != nullptr) rounding_->restore();
  }
  RoundedHere(const RoundedHere&) = delete;
  RoundedHere& operator=(const RoundedHere&) = delete;

 private:
  WeightRounding* rounding_;
};

}  // namespace coppice
