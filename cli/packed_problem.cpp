// SPDX-License-Identifier: Apache-2.0
#include "packed_problem.h"

#include "base/rng.h"
#include "coppice_cpk.h"
#include "ops/build.h"
#include "pack/pack.h"

namespace coppice::cli {
namespace {

constexpr uint64_t kSeed = 1;

// The layer, and what follows it, so that its integers stay integers. Blocks over four inputs are those of
// windows of one pixel.
Result<Graph> layer_graph(const PackedRate& rate, bool quick) {
  NetworkBuilder net;
  ValueId y = kNoValue;
  if (rate.conv) {
    const int64_t channels = quick ? 32 : 64, size = quick ? 8 : 16;
    const bool pointwise = rate.format == PackedFormat::kBlocks16x4;
    ConvOptions options;
    if (pointwise) options.kernel = 1, options.padding = 0;
    y = net.conv("layer", net.input({"chw", {pointwise ? 4 * channels : channels, size, size}}), channels,
                 options);
    net.dense_target({"chw", {channels, size, size}});
  } else {
    const int64_t size = quick ? 256 : 1024;
    y = net.linear("layer", net.input({"f", {size}}), size);
    net.dense_target({"f", {size}});
  }
  net.mean_squared_error(net.apply("leaky_relu", "behind", {y}));
  return net.finish();
}

SparsityConfig sparsity_of(const PackedRate& rate, double density) {
  SparsityConfig sparsity;
  sparsity.density = density;
  sparsity.distribution = Distribution::kUniform;
  if (rate.format == PackedFormat::kBlocks16x1) sparsity.block = {16, 1};
  if (rate.format == PackedFormat::kBlocks16x4) sparsity.block = {16, 4};
  return sparsity;
}

Arithmetic arithmetic_of(const PackedRate& rate) {
  for (const Arithmetic a : {Arithmetic::kWeights8, Arithmetic::kInt8})
    if (rate.arithmetic == arithmetic_name(a)) return a;
  return Arithmetic::kFloat;
}

}  // namespace

Result<std::unique_ptr<PackedProblem>> PackedProblem::create(const PackedRate& rate, double density,
                                                             bool quick, const std::string& isa) {
  TRY_ASSIGN(Graph graph, layer_graph(rate, quick));
  const int64_t pixels =
      rate.conv ? graph.value(graph.logits).shape.size('h') * graph.value(graph.logits).shape.size('w') : 1;
  TRY_ASSIGN(Network network, Network::create(std::move(graph), sparsity_of(rate, density), kSeed));
  auto problem = std::make_unique<PackedProblem>();
  problem->input_.resize(static_cast<size_t>(network.graph.value(network.graph.input).shape.elements()));
  problem->output_.resize(static_cast<size_t>(network.graph.value(network.graph.logits).shape.elements()));
  Rng rng(kSeed, stream_id("tune", "input"));
  for (float& number : problem->input_) number = rng.normal();
  PackOptions options;
  options.arithmetic = arithmetic_of(rate);
  TRY_ASSIGN(options.ranges, calibrate(network, problem->input_, {}));
  // A table with one row leaves no choice.
  const CostTable alone{"", {{rate.name(), density, 1}}};
  options.rates = &alone;
  TRY_ASSIGN(const PackedNetwork packed, pack_network(network, options));
  TRY_ASSIGN(PackedImage image, PackedImage::of(packed.file, rate.name()));
  problem->image_ = std::make_unique<PackedImage>(std::move(image));
  TRY_ASSIGN(PackedSession session, PackedSession::create(*problem->image_, {.isa = isa}));
  problem->session_ = std::make_unique<PackedSession>(std::move(session));
  while (packed.steps[static_cast<size_t>(problem->step_)].weight.empty()) ++problem->step_;
  problem->flops_ = 2 * network.live_weights() * pixels;
  problem->session_->run(problem->input_.data(), problem->output_.data());  // what is before the layer
  return problem;
}

}  // namespace coppice::cli
