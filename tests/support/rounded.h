// SPDX-License-Identifier: Apache-2.0
// Networks that round their numbers as integers would.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "formats/apply.h"
#include "pack/insert_fake_quantise.h"
#include "structure/fold_batch_norm.h"
#include "structure/remove_identities.h"
#include "support/packed.h"

namespace coppice::testing {

// As it is before it gets integers of any kind.
inline void simplify(Network& network) {
  EXPECT_TRUE(fold_batch_norm(network).ok());
  EXPECT_TRUE(remove_identities(network).ok());
}

// Every weight of a layer to the integers of its row, as floats.
inline void round_weights(Network& network) {
  for (Param& param : network.params) {
    if (!param.is_weight()) continue;
    const Pattern pattern = param.pattern();
    std::vector<float> values = param.canonical(param.value);
    const QuantisedRows rows = quantise_rows(pattern, values);
    const std::vector<size_t> places = live_places(pattern);
    for (size_t k = 0; k < values.size(); ++k)
      values[k] =
          static_cast<float>(rows.value[k]) * rows.scale[places[k] / static_cast<size_t>(pattern.cols())];
    param.set_canonical(param.value, values);
    if (param.copy() != nullptr) param.refresh_copy();
  }
}

// By the ranges of these samples.
inline void round_activations(Network& network, const std::vector<float>& input) {
  const Ranges ranges = int8_options(network, input).ranges;
  const auto put = insert_fake_quantise(network, quantisations_of(network.graph, ranges));
  EXPECT_TRUE(put.ok()) << put.status().message();
}

}  // namespace coppice::testing
