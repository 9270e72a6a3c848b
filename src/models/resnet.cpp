// SPDX-License-Identifier: Apache-2.0
// The residual networks of He et al. (2016) for CIFAR: 6n + 2 layers in three stages of n blocks with 16, 32
// and 64 channels. Shortcuts have no weights (option A): a stage that halves the image takes every second
// pixel and puts zero channels around. Parameters are named as in the akamaster checkpoints.
#include "models/models.h"
#include "models/support/learning.h"
#include "ops/build.h"

namespace coppice {
namespace {

constexpr int64_t kStages = 3, kFirstChannels = 16, kDeepest = 1202;

class ResnetBuilder {
 public:
  explicit ResnetBuilder(const ModelInput& input)
      : x_(net_.input({"chw", {input.channels, input.height, input.width}})),
        height_(input.height),
        width_(input.width) {
    add_target(net_, input);
    x_ = net_.relu("relu1", norm("bn1", conv("conv1", x_, kFirstChannels, 1)));
  }

  void block(const std::string& name, int64_t channels, int stride) {
    const ValueId shortcut = stride == 1 ? x_ : halved(name + ".shortcut", channels);
    ValueId y = net_.relu(name + ".relu1", norm(name + ".bn1", conv(name + ".conv1", x_, channels, stride)));
    y = norm(name + ".bn2", conv(name + ".conv2", y, channels, 1));
    x_ = net_.relu(name + ".relu2", net_.apply("add", name + ".sum", {y, shortcut}));
    channels_ = channels;
  }

  Result<Graph> finish(const ModelInput& input) {
    const ValueId pooled = net_.apply("global_pool", "pool", {x_});
    add_loss(net_, net_.linear("linear", pooled, input.outputs), input);
    return net_.finish();
  }

 private:
  ValueId conv(const std::string& name, ValueId x, int64_t outputs, int stride) {
    return net_.conv(name, x, outputs, {.kernel = 3, .stride = stride, .padding = 1, .bias = false});
  }
  ValueId norm(const std::string& name, ValueId x) { return net_.batch_norm(name, x); }

  // The option A shortcut: as many zero channels before as after.
  ValueId halved(const std::string& name, int64_t channels) {
    height_ = (height_ + 1) / 2;
    width_ = (width_ + 1) / 2;
    const int64_t more = channels - channels_;
    const std::vector<int64_t> size = {channels_, height_, width_}, step = {1, 2, 2};
    const ValueId half = net_.apply("slice", name + ".half", {x_}, {{"size", size}, {"step", step}});
    const std::vector<int64_t> before = {more / 2, 0, 0}, after = {more - more / 2, 0, 0};
    return net_.apply("pad", name, {half}, {{"before", before}, {"after", after}});
  }

  NetworkBuilder net_;
  ValueId x_;
  int64_t channels_ = kFirstChannels, height_, width_;
};

Result<Graph> make_resnet(const std::string& arguments, const ModelInput& input) {
  const std::string spec = "resnet" + arguments, place = "model '" + spec + "'";
  TRY_ASSIGN(const std::vector<int64_t> depth, parse_sizes(spec, arguments, ','));
  if (depth.size() != 1 || depth[0] < 8 || depth[0] > kDeepest || (depth[0] - 2) % 6 != 0)
    return invalid(place + ": the number of layers is 6n + 2: resnet8, resnet20, resnet32, resnet56, ...");
  if (input.height < 8 || input.width < 8)
    return invalid(place + ": takes images of 8 x 8 and more, the data has " + std::to_string(input.height) +
                   " x " + std::to_string(input.width));

  ResnetBuilder net(input);
  const int64_t blocks = (depth[0] - 2) / 6;
  for (int64_t stage = 1; stage <= kStages; ++stage)
    for (int64_t block = 0; block < blocks; ++block) {
      std::string name = "layer" + std::to_string(stage);
      name += "." + std::to_string(block);
      net.block(name, kFirstChannels << (stage - 1), stage > 1 && block == 0 ? 2 : 1);
    }
  return net.finish(input);
}

}  // namespace

ModelDef resnet_model() {
  return {"resnet", "resnet20", "residual network for CIFAR with 6n + 2 layers, also resnet8 and resnet56",
          make_resnet};
}

}  // namespace coppice
