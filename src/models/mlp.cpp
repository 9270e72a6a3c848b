// SPDX-License-Identifier: Apache-2.0
// Multi-layer perceptron: linear layers fc1, fc2, ... with relu between them.
#include "models/models.h"
#include "models/support/learning.h"
#include "ops/build.h"

namespace coppice {
namespace {

Result<Graph> make_mlp(const std::string& arguments, const ModelInput& input) {
  const std::string spec = "mlp:" + arguments, place = "model '" + spec + "'";
  TRY_ASSIGN(const std::vector<int64_t> sizes, parse_sizes(spec, arguments, '-'));
  if (sizes.size() < 2) return invalid(place + ": needs inputs and outputs at least, such as mlp:784-300-10");
  if (sizes.front() != input.size())
    return invalid(place + ": starts with " + std::to_string(sizes.front()) + ", but a sample has " +
                   std::to_string(input.size()) + " numbers; start with that");
  if (sizes.back() != input.outputs)
    return invalid(place + ": ends with " + std::to_string(sizes.back()) + ", but the data has " +
                   outputs_text(input.task, input.outputs) + "; end with that");

  NetworkBuilder net;
  ValueId x = net.input({"f", {sizes.front()}});
  add_target(net, input);
  for (size_t layer = 1; layer < sizes.size(); ++layer) {
    const std::string number = std::to_string(layer);
    x = net.linear("fc" + number, x, sizes[layer]);
    if (layer + 1 < sizes.size()) x = net.relu("relu" + number, x);
  }
  add_loss(net, x, input);
  return net.finish();
}

}  // namespace

ModelDef mlp_model() {
  return {"mlp", "mlp:784-300-100-10", "linear layers of these sizes with relu between them", make_mlp};
}

}  // namespace coppice
