// SPDX-License-Identifier: Apache-2.0
// The network of Springer and Kenyon (2020) for n steps of the Game of Life, m times wider than it has to be:
// each step is a 3x3 convolution that can count neighbours and a 1x1 convolution that can decide. The board
// is a torus.
#include "models/models.h"
#include "ops/build.h"

namespace coppice {
namespace {

Result<Graph> make_life(const std::string& arguments, const ModelInput& input) {
  const std::string spec = "life:" + arguments, place = "model '" + spec + "'";
  TRY_ASSIGN(const std::vector<int64_t> numbers, parse_sizes(spec, arguments, ','));
  if (numbers.size() != 2) return invalid(place + ": wants steps and width, such as life:1,8");
  if (input.task != Task::kLabels || input.channels != 1 || input.outputs != input.size())
    return invalid(place +
                   ": says one number per cell of a board with one channel; train it with --data life");
  const int64_t steps = numbers[0], width = numbers[1];

  NetworkBuilder net;
  const Shape board{"chw", {1, input.height, input.width}};
  ValueId x = net.input(board);
  net.dense_target(board);
  const ConvOptions neighbours{.kernel = 3, .padding = 1, .wrap = true}, cell{.kernel = 1, .padding = 0};
  for (int64_t step = 1; step <= steps; ++step) {
    const std::string prefix = "step" + std::to_string(step) + ".";
    x = net.relu(prefix + "relu1", net.conv(prefix + "count", x, 2 * width, neighbours));
    x = net.relu(prefix + "relu2", net.conv(prefix + "decide", x, width, cell));
  }
  net.binary_cross_entropy(net.conv("out", x, 1, cell));
  return net.finish();
}

}  // namespace

ModelDef life_model() {
  return {"life", "life:1,8", "n steps of the Game of Life with m times the filters it takes", make_life};
}

}  // namespace coppice
