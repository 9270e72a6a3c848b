// SPDX-License-Identifier: Apache-2.0
// LeNet-5 (LeCun et al. 1998) as it is built today: relu and max pooling. Images of 28x28 are padded to
// 32x32.
#include "models/models.h"
#include "models/support/learning.h"
#include "ops/build.h"

namespace coppice {
namespace {

Result<Graph> make_lenet(const std::string& arguments, const ModelInput& input) {
  const std::string place = "model 'lenet" + arguments + "'";
  if (arguments != "5") return not_found(place + ": there is lenet5 only");
  if (input.height != input.width || (input.height != 28 && input.height != 32))
    return invalid(place + ": takes images of 28 x 28 or 32 x 32, the data has " +
                   std::to_string(input.height) + " x " + std::to_string(input.width));

  NetworkBuilder net;
  ValueId x = net.input({"chw", {input.channels, input.height, input.width}});
  add_target(net, input);
  const Attributes halve = {{"kernel", int64_t{2}}, {"stride", int64_t{2}}};
  const ConvOptions first{.kernel = 5, .padding = (32 - input.height) / 2}, second{.kernel = 5, .padding = 0};
  x = net.apply("max_pool", "pool1", {net.relu("relu1", net.conv("conv1", x, 6, first))}, halve);
  x = net.apply("max_pool", "pool2", {net.relu("relu2", net.conv("conv2", x, 16, second))}, halve);
  x = net.flatten("flatten", x);
  x = net.relu("relu3", net.linear("fc1", x, 120));
  x = net.relu("relu4", net.linear("fc2", x, 84));
  add_loss(net, net.linear("fc3", x, input.outputs), input);
  return net.finish();
}

}  // namespace

ModelDef lenet_model() { return {"lenet", "lenet5", "two convolutions and three linear layers", make_lenet}; }

}  // namespace coppice
