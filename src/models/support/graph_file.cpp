// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include "models/graph_json.h"
#include "models/models.h"
#include "models/support/learning.h"

namespace coppice {
namespace {

constexpr uint64_t kLargestFile = 64 << 20;

Status check_fits(const Graph& graph, const ModelInput& input) {
  const Value &x = graph.value(graph.input), &target = graph.value(graph.target);
  const Shape image{"chw", {input.channels, input.height, input.width}}, flat{"f", {input.size()}};
  if (!(x.shape == image) && !(x.shape == flat))
    return invalid("input '" + x.name + "' is " + x.shape.text() + ", a sample of the data is " +
                   image.text() + ", or flat " + flat.text());
  const Value& logits = graph.value(graph.logits);
  if (logits.shape.elements() != input.outputs)
    return invalid("logits '" + logits.name + "' are " + logits.shape.text() + ", the data has " +
                   outputs_text(input.task, input.outputs));
  if (target.integer != (input.task == Task::kClasses))
    return invalid("target '" + target.name + "' is " +
                   (target.integer ? "a class label" : "a number for each output") + ", the data has " +
                   outputs_text(input.task, input.outputs));
  for (const Node& node : graph.nodes())
    if (node.outputs[0] == graph.loss && std::string(node.op->name) != loss_of(input.task))
      return invalid("loss '" + node.name + "' is " + node.op->name + ", the data has " +
                     outputs_text(input.task, input.outputs) + "; that is learnt by " + loss_of(input.task));
  if (input.label_smoothing > 0)
    return invalid(
        "label_smoothing: belongs to named models; here it is the attribute `smoothing` of the loss");
  return {};
}

}  // namespace

bool is_graph_file(const std::string& spec) { return spec.ends_with(".json"); }

Result<Graph> read_graph(Env& env, const std::string& path, const ModelInput& input) {
  TRY_ASSIGN(const std::string text, read_all(env, path, kLargestFile));
  auto graph = graph_from_json(text);
  if (!graph.ok()) return graph.status().within(path);
  TRY(check_fits(*graph, input).within(path));
  return graph;
}

}  // namespace coppice
