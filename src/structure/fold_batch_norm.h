// SPDX-License-Identifier: Apache-2.0
// In an evaluation batch norm is one multiplication and one sum for each channel, which the layer beside it
// can do in its weights and bias: it costs nothing at run time.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

struct FoldedNorm {
  std::string name;  // of the batch norm
  std::string into;  // the layer that does its work now; empty: it stays
  std::string why;   // it stays, as a sentence
};

// Moves every batch norm into the convolution before it that nobody else reads, else into the convolution or
// linear layer (also through a flatten) behind it, where that is the only reader and has no zeros around its
// input. Patterns stay; a bias is made where there is none; optimizer state of these layers is dropped, and
// parameters are not encoded. For a forward graph that is only evaluated from now on: what it says in an
// evaluation stays the same up to rounding, in training it would not. Names of what stays are kept, the
// output's included; ids are not. One entry for each batch norm, in their order. A failure has changed
// nothing.
Result<std::vector<FoldedNorm>> fold_batch_norm(Network& network);

}  // namespace coppice
