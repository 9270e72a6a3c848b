// SPDX-License-Identifier: Apache-2.0
// A network in floats that rounds its activations as its integers will: to be judged before it is packed, and
// to be fine-tuned so that it gets used to them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "exec/network.h"
#include "pack/calibrate.h"

namespace coppice {

// By the name of the value.
using Quantisations = std::map<std::string, Quantisation>;

// Of the values that a network in integers stores. Not of what goes into a relu or clip alone, which belongs
// to the layer before; of what only moves numbers, such as a maximum, which stay the integers that they were;
// nor of what the network says, which is in floats; nor of what it rounds itself.
Quantisations quantisations_of(const Graph& graph, const Ranges& ranges);

// Puts a fake_quantise, NAME.rounded, behind each of these values: who read NAME reads that. Names stay, ids
// do not. No executor of the network may be used afterwards. Fails, and has changed nothing, where a name is
// none of an activation, or is that of what the network says. Returns how many were put in.
Result<int64_t> insert_fake_quantise(Network& network, const Quantisations& quantisations);

}  // namespace coppice
