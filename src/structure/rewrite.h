// SPDX-License-Identifier: Apache-2.0
// What passes share that take nodes out of a network. They edit a copy of its graph, and the network is put
// together anew at the end, so that a pass which fails has changed nothing.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "exec/network.h"

namespace coppice {

// "conv2d 'conv1'"
std::string described(const Node& node);

// Whether who reads the first output of the node could read its first input instead. Not where the network
// would answer with what it was given.
bool can_bypass(const Graph& graph, NodeId node);

// Takes the node out: who read its first output reads its first input. Where that was what the network says,
// the node before takes over the name of it. Nobody may read its other outputs.
void bypass(Graph& graph, NodeId node);

// Gives the network the edited graph, without the parameters and states that nobody reads any more. Values
// keep their names and their order, but not their ids. Parameters of `made` take the place of those of their
// name. No executor of the network may be used afterwards.
Status rebuild(Network& network, const Graph& edited, std::map<std::string, Param> made = {});

}  // namespace coppice
