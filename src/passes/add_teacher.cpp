// SPDX-License-Identifier: Apache-2.0
#include "passes/add_teacher.h"

#include "passes/nodes.h"

namespace coppice {

Status add_teacher(Graph& graph, double share, double temperature) {
  const NodeId at = graph.loss == kNoValue ? -1 : graph.producer(graph.loss);
  if (at < 0 || !is(graph.node(at), "softmax_cross_entropy"))
    return invalid("a teacher helps to tell classes apart; this network learns something else");
  Value teacher;
  teacher.name = "teacher";
  while (graph.find(teacher.name) != kNoValue) teacher.name += "'";
  teacher.kind = ValueKind::kInput;
  teacher.shape = graph.value(graph.logits).shape;
  graph.teacher = graph.add_value(std::move(teacher));
  Node& loss = graph.nodes_for_pass()[static_cast<size_t>(at)];
  loss.inputs.push_back(graph.teacher);
  loss.attributes["teacher_share"] = share;
  loss.attributes["temperature"] = temperature;
  return verify(graph);
}

}  // namespace coppice
