// SPDX-License-Identifier: Apache-2.0
#include "study/life_search.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "base/text.h"
#include "models/models.h"
#include "study/life_lesson.h"
#include "study/life_prune.h"

namespace coppice {
namespace {

constexpr int kMostWidth = 64, kMostSteps = 10;

Result<Graph> board_graph(int steps, int width, int side) {
  ModelInput input;
  input.channels = 1;
  input.height = input.width = side;
  input.outputs = side * side;
  input.task = Task::kLabels;
  return make_model("life:" + std::to_string(steps) + "," + std::to_string(width), input);
}

Result<Network> first_network(const LifeSearch& search) {
  if (search.steps == 1) return neighbourhood_network(2 * search.width, search.width, search.seed);
  TRY_ASSIGN(Graph graph, board_graph(search.steps, search.width, search.side));
  return Network::create(std::move(graph), SparsityConfig(), search.seed);
}

// All numbers of a network in the order of its parameters; they are dense.
std::vector<float*> numbers_of(Network& network) {
  std::vector<float*> all;
  for (Param& param : network.params)
    for (float& value : param.value) all.push_back(&value);
  return all;
}

void flip_signs(Network& network, int flips, uint64_t seed) {
  std::vector<float*> numbers = numbers_of(network);
  Rng rng(seed, stream_id("life flips", static_cast<uint64_t>(flips)));
  for (int i = 0; i < flips; ++i) {
    std::swap(numbers[static_cast<size_t>(i)],
              numbers[static_cast<size_t>(i) + rng.below(numbers.size() - static_cast<size_t>(i))]);
    *numbers[static_cast<size_t>(i)] = -*numbers[static_cast<size_t>(i)];
  }
}

}  // namespace

int64_t life_parameters(int steps, int width) {
  const int64_t m = width;
  int64_t sum = m + 1;
  for (int step = 0; step < steps; ++step) sum += (9 * (step == 0 ? 1 : m) + 1) * 2 * m + (2 * m + 1) * m;
  return sum;
}

Status check_life(const LifeSearch& search) {
  if (search.steps < 1 || search.steps > kMostSteps)
    return invalid("steps should be from 1 to " + std::to_string(kMostSteps));
  if (search.width < 1 || search.width > kMostWidth)
    return invalid("width " + std::to_string(search.width) + " should be from 1 to " +
                   std::to_string(kMostWidth));
  if (search.updates < 1 || search.check_every < 1 || search.cut_updates < 1)
    return invalid("updates and checks should be at least 1");
  if (search.boards < (search.steps == 1 ? 0 : 1))
    return invalid("boards should be at least 1" +
                   std::string(search.steps == 1 ? ", or 0 for all that there are"
                                                 : "; only one step can be taught all that there are"));
  if (search.side < 3 || search.side > 1024) return invalid("sides should be from 3 to 1024");
  if (!(search.density >= 0 && search.density < 1))
    return invalid("density " + shortest(search.density) +
                   " of boards should be above 0 and below 1, or 0 to draw one for each");
  if (!(search.learning_rate > 0)) return invalid("the learning rate should be above 0");
  const int64_t numbers = life_parameters(search.steps, search.width);
  if (search.flips < 0 || search.flips > numbers)
    return invalid(std::to_string(search.flips) + " signs cannot be turned, a network of width " +
                   std::to_string(search.width) + " has " + std::to_string(numbers) + " numbers");
  return check_cut(search);
}

void count_neighbourhoods(const uint8_t* board, int side, std::array<int32_t, 512>& counts) {
  const auto column = [](const uint8_t* above, const uint8_t* here, const uint8_t* below, int x) {
    return static_cast<unsigned>(above[x]) | static_cast<unsigned>(here[x]) << 3 |
           static_cast<unsigned>(below[x]) << 6;
  };
  for (int y = 0; y < side; ++y) {
    const uint8_t* above = board + (y == 0 ? side - 1 : y - 1) * side;
    const uint8_t* here = board + y * side;
    const uint8_t* below = board + (y == side - 1 ? 0 : y + 1) * side;
    // A window slides along: its left column falls out, the others move one place down.
    unsigned window = column(above, here, below, side - 1) << 1 | column(above, here, below, 0) << 2;
    for (int x = 0; x < side; ++x) {
      window = (window >> 1 & 0333) | column(above, here, below, x + 1 == side ? 0 : x + 1) << 2;
      ++counts[window];
    }
  }
}

Result<LifeFound> search_life(const LifeSearch& search) {
  TRY(check_life(search));
  if (search.prune_to > 0) return prune_life(search);
  LifeFound found;
  TRY_ASSIGN(found.network, first_network(search));
  draw_life_values(found.network, search.seed);
  flip_signs(found.network, search.flips, search.seed);
  // At a rate that is too high a network ends as no numbers: it has not learnt it, which is an answer.
  TRY_ASSIGN(static_cast<LifeTaught&>(found), teach_life(search, found.network, 0, search.updates));
  return found;
}

Result<std::array<bool, 512>> life_answers(LifeFound& found) { return answers_of_network(found.network); }

Result<Network> board_network(const Network& found, int width, int side) {
  TRY_ASSIGN(Graph graph, board_graph(1, width, side));
  TRY_ASSIGN(Network network, Network::create(std::move(graph), SparsityConfig(), 1));
  for (Param& param : network.params) {
    const auto from = std::find_if(found.params.begin(), found.params.end(),
                                   [&](const Param& other) { return other.name() == param.name(); });
    if (from == found.params.end() || from->total() != param.total())
      return invalid("'" + param.name() + "' is not in the network, or has another size");
    // Rows of 9 cells are kernels of 3x3: both are [outputs][cells].
    param.set_canonical(param.value, from->canonical(from->value));
  }
  return network;
}

}  // namespace coppice
