// SPDX-License-Identifier: Apache-2.0
#include "models/graph_json.h"
#include "models/models.h"

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
                   std::to_string(input.outputs) + (input.dense_targets ? " targets" : " classes"));
  if (target.integer == input.dense_targets)
    return invalid("target '" + target.name + "' is " + (target.integer ? "a class label" : "dense") +
                   ", the data has " + (input.dense_targets ? "dense targets" : "class labels"));
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
