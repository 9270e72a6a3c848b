// SPDX-License-Identifier: Apache-2.0
// The synaptic flow of a network (Tanaka et al. 2020): R is the sum of its outputs for an input of ones, all
// its parameters taken as their absolute values. No sample is looked at.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

// dR/dw of each weight that is not frozen, by its name, over R; dense, in PyTorch's order. Divided by R, as R
// is a product over the layers: it grows beyond a float in twenty of them. `weights` are the dense values
// that take the place of the network's own.
Result<std::map<std::string, std::vector<double>>> flow_gradients(
    Network& network, std::map<std::string, std::vector<double>> weights);

}  // namespace coppice
