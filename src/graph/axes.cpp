// SPDX-License-Identifier: Apache-2.0
#include "graph/axes.h"

#include <algorithm>
#include <string_view>

#include "graph/op.h"

namespace coppice {
namespace {

constexpr std::string_view kUnitAxes = "cfoi";

}  // namespace

AxisMap::AxisMap(const Graph& graph) : graph_(graph), mixes_(graph.nodes().size(), false) {
  UnitId units = 0;
  for (size_t v = 0; v < graph.values().size(); ++v) {
    const Shape& shape = graph.values()[v].shape;
    first_axis_.push_back(static_cast<int32_t>(axes_.size()));
    for (size_t d = 0; d < shape.axes.size(); ++d) {
      if (shape.axes.size() > 1 && kUnitAxes.find(shape.axes[d]) == std::string_view::npos) continue;
      axes_.push_back({static_cast<ValueId>(v), shape.axes[d], units, shape.sizes[d]});
      units += static_cast<UnitId>(shape.sizes[d]);
    }
  }
  first_axis_.push_back(static_cast<int32_t>(axes_.size()));
  for (UnitId u = 0; u < units; ++u) parent_.push_back(u);

  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    node_ = static_cast<NodeId>(n);
    if (node.op->axes) {
      node.op->axes(*this, node);
      continue;
    }
    const std::string why = "is touched by " + std::string(node.op->name) + " '" + node.name +
                            "', which does not say how its units hang together";
    mix(why);
    pin_node(why);
  }
  const std::pair<ValueId, const char*> roles[] = {{graph.input, "the network's input"},
                                                   {graph.target, "what the network learns"},
                                                   {graph.logits, "the network's output"}};
  for (const auto& [value, what] : roles)
    if (value != kNoValue) pin(value, std::string("belongs to ") + what);
}

const AxisMap::Axis& AxisMap::axis_of(UnitId unit) const {
  const auto after = std::upper_bound(axes_.begin(), axes_.end(), unit,
                                      [](UnitId u, const Axis& axis) { return u < axis.first; });
  return *(after - 1);
}

const AxisMap::Axis* AxisMap::find(ValueId value, char name) const {
  const auto v = static_cast<size_t>(value);
  for (int32_t a = first_axis_[v]; a < first_axis_[v + 1]; ++a)
    if (axes_[static_cast<size_t>(a)].name == name) return &axes_[static_cast<size_t>(a)];
  return nullptr;
}

char AxisMap::channel_axis(ValueId value) const {
  const std::string& axes = graph_.value(value).shape.axes;
  return axes.size() == 1 ? axes[0] : 'c';
}

bool AxisMap::fits(ValueId value, int64_t size) {
  const Axis* axis = find(value, channel_axis(value));
  if (axis && axis->size == size && axis->name == graph_.value(value).shape.axes[0]) return true;
  pin_node("hangs together with '" + graph_.value(value).name + "', which is shaped unlike its layer");
  return false;
}

void AxisMap::pin_node(const std::string& why) {
  const Node& node = graph_.node(node_);
  for (const std::vector<ValueId>* list : {&node.inputs, &node.outputs})
    for (const ValueId value : *list) pin(value, why);
}

UnitId AxisMap::root(UnitId unit) const {
  auto at = static_cast<size_t>(unit);
  while (parent_[at] != static_cast<UnitId>(at)) {
    parent_[at] = parent_[static_cast<size_t>(parent_[at])];
    at = static_cast<size_t>(parent_[at]);
  }
  return static_cast<UnitId>(at);
}

// The lower one becomes the root, so that components come in the order of their first units.
void AxisMap::join(UnitId a, UnitId b) {
  const UnitId x = root(a), y = root(b);
  parent_[static_cast<size_t>(std::max(x, y))] = std::min(x, y);
}

void AxisMap::link(ValueId input, int64_t i, ValueId output, int64_t j) {
  const UnitId from = unit(input, channel_axis(input), i), to = unit(output, channel_axis(output), j);
  join_and_record(from, to);
}

void AxisMap::join_and_record(UnitId from, UnitId to) {
  join(from, to);
  links_.push_back({node_, from, to});
}

void AxisMap::link_all(ValueId input, ValueId output) {
  const Axis* axis = find(output, channel_axis(output));
  const int64_t size = axis ? axis->size : 0;
  if (!fits(input, size)) return;
  for (int64_t i = 0; i < size; ++i) link(input, i, output, i);
}

void AxisMap::product(Product p) {
  p.node = node_;
  const char x_axis = channel_axis(p.x), y_axis = channel_axis(p.y);
  const int64_t columns = find(p.weight, 'i')->size, outputs = find(p.weight, 'o')->size;
  const int64_t rows = outputs / p.groups;  // of a group
  const bool biased = p.bias != kNoValue && fits(p.bias, outputs);
  for (int64_t o = 0; o < outputs; ++o) {
    const UnitId y = unit(p.y, y_axis, o);
    join_and_record(y, unit(p.weight, 'o', o));
    if (biased) join_and_record(y, unit(p.bias, channel_axis(p.bias), o));
  }
  if (p.groups > 1 && columns == 1) {
    // A group has one input, and goes with it. The only column stands for all groups.
    for (int64_t o = 0; o < outputs; ++o) join_and_record(unit(p.x, x_axis, o / rows), unit(p.y, y_axis, o));
  } else {
    // All groups keep as many inputs, and as many outputs.
    for (int64_t g = 0; g < p.groups; ++g) {
      for (int64_t i = 0; i < columns; ++i)
        join_and_record(unit(p.weight, 'i', i), unit(p.x, x_axis, g * columns + i));
      for (int64_t o = 0; o < rows; ++o)
        join_and_record(unit(p.y, y_axis, o), unit(p.y, y_axis, g * rows + o));
    }
  }
  products_.push_back(p);
}

void AxisMap::mix(const std::string& why) {
  mixes_[static_cast<size_t>(node_)] = true;
  const Node& node = graph_.node(node_);
  for (const std::vector<ValueId>* list : {&node.inputs, &node.outputs})
    for (const ValueId value : *list)
      for (const Axis& axis : axes_)
        if (axis.value == value)
          for (int64_t i = 0; i < axis.size; ++i)
            stays_.emplace_back(axis.first + static_cast<UnitId>(i), why);
}

void AxisMap::pin(ValueId value, const std::string& why) {
  for (const Axis& axis : axes_)
    if (axis.value == value)
      for (int64_t i = 0; i < axis.size; ++i) pins_.emplace_back(axis.first + static_cast<UnitId>(i), why);
}

void AxisMap::tie(ValueId value, char axis, int64_t first, int64_t count) {
  for (int64_t i = first + 1; i < first + count; ++i) join(unit(value, axis, first), unit(value, axis, i));
}

AxisMap::Components AxisMap::components() const {
  Components out;
  out.of.resize(parent_.size());
  std::vector<bool> computed;  // has a unit of an activation
  for (const Axis& axis : axes_) {
    const ValueKind kind = graph_.value(axis.value).kind;
    for (int64_t i = 0; i < axis.size; ++i) {
      const UnitId u = axis.first + static_cast<UnitId>(i), r = root(u);
      if (r == u) {
        out.of[static_cast<size_t>(u)] = static_cast<int32_t>(out.list.size());
        out.list.emplace_back();
        computed.push_back(false);
      }
      const int32_t c = out.of[static_cast<size_t>(u)] = out.of[static_cast<size_t>(r)];
      out.list[static_cast<size_t>(c)].units.push_back(u);
      if (kind == ValueKind::kTiled || kind == ValueKind::kInput) computed[static_cast<size_t>(c)] = true;
    }
  }
  const auto component = [&out](UnitId u) -> Component& {
    return out.list[static_cast<size_t>(out.of[static_cast<size_t>(u)])];
  };
  for (const auto& [unit, why] : pins_) component(unit).pinned = why;
  for (const auto& [unit, why] : stays_) component(unit).stays = why;
  for (size_t c = 0; c < out.list.size(); ++c)
    if (!computed[c]) out.list[c].pinned = "is shared by all units";
  return out;
}

}  // namespace coppice
