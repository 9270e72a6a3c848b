// SPDX-License-Identifier: Apache-2.0
#include "sparsify/chains.h"

#include <gtest/gtest.h>

#include "ops/build.h"
#include "support/networks.h"

namespace coppice {
namespace {

// The columns of each row.
Pattern pattern_of(int64_t cols, BlockShape block, const std::vector<std::vector<int32_t>>& rows) {
  std::vector<int32_t> indptr{0}, indices;
  for (const std::vector<int32_t>& row : rows) {
    indices.insert(indices.end(), row.begin(), row.end());
    indptr.push_back(static_cast<int32_t>(indices.size()));
  }
  return Pattern::from_indices(static_cast<int64_t>(rows.size()) * block.rows, cols, block, indptr, indices)
      .take();
}

Links all(const Pattern& pattern, bool fixed = false) {
  return {pattern, std::vector<bool>(static_cast<size_t>(pattern.blocks()), true), fixed};
}

constexpr std::pair<size_t, size_t> kThree[] = {{0, 1}, {1, 2}};

// 3 inputs -> neurons a0 to a3 -> neurons b0 to b2 -> 2 outputs.
const std::vector<std::vector<int32_t>> kFirst = {{0}, {1, 2}, {0}, {}};  // a3 hears nothing
const std::vector<std::vector<int32_t>> kSecond = {{0}, {3}, {1}};        // b1 hears only a3, nobody hears a2
const std::vector<std::vector<int32_t>> kThird = {{0, 1}, {0}};           // nobody hears b2

TEST(Chains, TakesOutOneSidedNeuronsForwardAndBackward) {
  const Pattern first = pattern_of(3, {}, kFirst), second = pattern_of(4, {}, kSecond),
                third = pattern_of(3, {}, kThird);
  Links links[] = {all(first), all(second), all(third)};
  remove_chains(links, kThree);
  // a2 goes as nobody hears it, a1 as only b2 does, which nobody hears.
  EXPECT_EQ(links[0].kept, (std::vector<bool>{true, false, false, false}));
  // a3 -> b1 goes with a3, a1 -> b2 with b2.
  EXPECT_EQ(links[1].kept, (std::vector<bool>{true, false, false}));
  // b1 hears nothing any more.
  EXPECT_EQ(links[2].kept, (std::vector<bool>{true, false, true}));
}

TEST(Chains, LeavesAloneWhatIsFixedAndWhatDoesNotFollow) {
  const Pattern first = pattern_of(3, {}, kFirst), second = pattern_of(4, {}, kSecond),
                third = pattern_of(3, {}, kThird);
  Links links[] = {all(first), all(second, true), all(third)};
  constexpr std::pair<size_t, size_t> kFirstTwo[] = {{0, 1}};
  remove_chains(links, kFirstTwo);
  EXPECT_EQ(links[0].kept, (std::vector<bool>{true, true, true, false}));  // a2
  EXPECT_EQ(links[1].kept, std::vector<bool>(3, true));
  EXPECT_EQ(links[2].kept, std::vector<bool>(3, true));
}

// A block serves several neurons, and goes when it serves none.
TEST(Chains, TakesOutABlockWithItsLastNeuron) {
  // Neurons 0 to 3 and 4 to 7 have a block each; of the former only neuron 2 is heard, of the latter none.
  const Pattern before = pattern_of(2, {4, 1}, {{0, 1}, {0}}), after = pattern_of(8, {}, {{2}});
  Links links[] = {all(before), all(after)};
  constexpr std::pair<size_t, size_t> kTwo[] = {{0, 1}};
  remove_chains(links, kTwo);
  EXPECT_EQ(links[0].kept, (std::vector<bool>{true, true, false}));
  EXPECT_EQ(links[1].kept, std::vector<bool>{true});
}

std::string chains_of(const Graph& graph) {
  std::string text;
  for (const Chain& chain : find_chains(graph)) text += chain.before + " > " + chain.after + "\n";
  return text;
}

TEST(Chains, FollowNeuronsFromOneLinearLayerToTheNext) {
  EXPECT_EQ(chains_of(testing::mlp({8, 8, 8, 4})), "fc1.weight > fc2.weight\nfc2.weight > fc3.weight\n");
  EXPECT_EQ(chains_of(testing::conv_net(true)), "");

  NetworkBuilder b;
  ValueId x = b.input({"f", {8}});
  b.class_target();
  x = b.linear("fc2", b.apply("dropout", "drop", {b.apply("tanh", "tanh", {b.linear("fc1", x, 8)})}), 8);
  const ValueId branch = b.relu("relu", x);  // read by two layers: a neuron that one lets go serves the other
  x = b.apply("add", "sum", {b.linear("left", branch, 8), b.linear("right", branch, 8)});
  b.softmax_cross_entropy(b.linear("fc4", b.layer_norm("norm", b.linear("fc3", x, 8)), 4));
  EXPECT_EQ(chains_of(b.finish().take()), "fc1.weight > fc2.weight\n");
}

}  // namespace
}  // namespace coppice
