// SPDX-License-Identifier: Apache-2.0
// Networks that round their activations as integers would.
#pragma once

#include <gtest/gtest.h>

#include <vector>

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

// By the ranges of these samples.
inline void round_activations(Network& network, const std::vector<float>& input) {
  const Ranges ranges = int8_options(network, input).ranges;
  const auto put = insert_fake_quantise(network, quantisations_of(network.graph, ranges));
  EXPECT_TRUE(put.ok()) << put.status().message();
}

}  // namespace coppice::testing
