// SPDX-License-Identifier: Apache-2.0
// channel_sum: the gradient of a bias: dy summed over samples and positions. dy, bias (for its shape) ->
// dbias {c}.
#include "ops/support/common.h"

namespace coppice {
namespace {

Result<std::vector<Value>> infer(const Graph& graph, const Node& node) {
  TRY(expect_inputs(node, 2, 2));
  return one(whole_value(graph.value(node.inputs[1]).shape));
}
void reference(const ReferenceCall& call) {
  const auto channels = static_cast<int64_t>(call.out[0]->data.size());
  const int64_t positions = call.in[0]->shape.elements() / channels;
  for (int64_t n = 0; n < call.batch; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < positions; ++p)
        call.out[0]->data[static_cast<size_t>(c)] +=
            call.in[0]->data[static_cast<size_t>((n * channels + c) * positions + p)];
}
Status lower(Lowering& lowering, const Node& node) {
  const Param& bias = lowering.param(node.inputs[1]);
  auto call = lowering.call<coppice_channel_sum_args>(node.name, lowering.pointwise->channel_sum,
                                                      lowering.width(node.inputs[0]));
  call.in(&coppice_channel_sum_args::dy, node.inputs[0]);
  call.args().extent = lowering.extent(node.inputs[0]);
  call.args().part_channels = bias.part_start()[1] - bias.part_start()[0];
  gradient_parts(call, bias, &coppice_channel_sum_args::gradient, node.outputs[0]);
  return {};
}

}  // namespace

std::vector<OpDef> channel_sum_ops() {
  return {{.name = "channel_sum",
           .summary = "gradient of a bias",
           .infer = infer,
           .reference = reference,
           .lower = lower}};
}

}  // namespace coppice
