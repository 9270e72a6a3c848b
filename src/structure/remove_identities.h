// SPDX-License-Identifier: Apache-2.0
// Nodes that an evaluation does not need.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

struct RemovedNode {
  std::string op, name;
  std::string why;  // it changes nothing, as a sentence
};

// Takes out what gives on its input as it is: dropout, slices, pads and concatenations that leave everything
// where it was, pools of one pixel, and activations of values that lie where they are the identity, such as
// relu behind relu. Parameters that nobody reads any more go with them. For a forward graph that is only
// evaluated from now on. Names of what stays are kept, the output's included; ids are not. One entry for each
// node that went, in their order. A failure has changed nothing.
Result<std::vector<RemovedNode>> remove_identities(Network& network);

}  // namespace coppice
