// SPDX-License-Identifier: Apache-2.0
#include "structure/rearrange.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "graph/op.h"

namespace coppice {
namespace {

using Indices = std::vector<int64_t>;

// The optimizer state moves with the values.
constexpr Floats Param::*kArrays[] = {&Param::value, &Param::moment1, &Param::moment2, &Param::born};

int64_t taps_of(const Param& weight) {
  int64_t taps = 1;
  for (size_t d = 2; d < weight.dims().size(); ++d) taps *= weight.dims()[d];
  return taps;
}

// Number k of `to` is number source[k] of `from`, in canonical order.
void copy_arrays(const Param& from, Param& to, const Indices& source) {
  for (const auto array : kArrays) {
    if ((from.*array).empty()) continue;
    const std::vector<float> before = from.canonical(from.*array);
    std::vector<float> after;
    after.reserve(source.size());
    for (const int64_t at : source) after.push_back(before[static_cast<size_t>(at)]);
    to.set_canonical(to.*array, after);
  }
}

// Row and column k of the result are `rows[k]` and `columns[k]` of the parameter. Takes some rows at a time,
// so that memory follows the live weights.
Result<Param> rearrange_weight(const Param& param, std::vector<int64_t> dims, const Indices& rows,
                               const Indices& columns) {
  const Pattern pattern = param.pattern();
  const BlockShape block = pattern.block();
  const auto height = static_cast<size_t>(block.rows), width = static_cast<size_t>(block.cols);
  const Status torn = invalid("weight '" + param.name() + "': a block of " + block.text() + " would be torn");
  if (rows.size() % height != 0 || columns.size() % width != 0) return torn;
  const TransposedPattern single = unblocked(pattern);
  std::vector<Indices> places(height, Indices(static_cast<size_t>(pattern.cols())));
  std::vector<int32_t> indptr{0}, indices;
  Indices source;
  for (size_t row = 0; row < rows.size(); row += height) {
    for (size_t r = 0; r < height; ++r) {
      std::fill(places[r].begin(), places[r].end(), -1);
      const auto from = static_cast<size_t>(rows[row + r]);
      for (auto k = static_cast<size_t>(single.pattern.indptr()[from]);
           k < static_cast<size_t>(single.pattern.indptr()[from + 1]); ++k)
        places[r][static_cast<size_t>(single.pattern.indices()[k])] = single.source[k];
    }
    for (size_t column = 0; column < columns.size(); column += width) {
      size_t live = 0;
      for (const Indices& of_row : places)
        for (size_t c = 0; c < width; ++c) {
          const int64_t place = of_row[static_cast<size_t>(columns[column + c])];
          if (place < 0) continue;
          source.push_back(place);
          ++live;
        }
      if (live != 0 && live != height * width) return torn;
      if (live != 0) indices.push_back(static_cast<int32_t>(column / width));
    }
    indptr.push_back(static_cast<int32_t>(indices.size()));
  }
  TRY_ASSIGN(Pattern left,
             Pattern::from_indices(static_cast<int64_t>(rows.size()), static_cast<int64_t>(columns.size()),
                                   block, std::move(indptr), std::move(indices)));
  Param out = Param::weight(param.name(), std::move(dims), std::move(left));
  copy_arrays(param, out, source);
  return out;
}

// Along its first axis: vectors have one, and those of layer norm are shaped as what it normalises.
Param rearrange_vector(const Param& param, std::vector<int64_t> dims, const Indices& kept) {
  const int64_t length = param.dims().empty() ? 1 : param.total() / param.dims()[0];
  Indices source;
  for (const int64_t i : kept)
    for (int64_t k = 0; k < length; ++k) source.push_back(i * length + k);
  Param out = Param::vector(param.name(), std::move(dims));
  copy_arrays(param, out, source);
  return out;
}

// Puts a network together from those units of each axis that are wanted, in the order in which they are
// wanted.
class Rearranger {
 public:
  Rearranger(const Network& network, const AxisMap& map) : network_(network), map_(map) {}

  // Whether what is linked would still be linked: units that lie on the same axes may yet be joined another
  // way.
  bool keeps_links() const {
    const auto source = [this](UnitId unit) {
      const AxisMap::Axis& axis = map_.axis_of(unit);
      return axis.first +
             static_cast<UnitId>(wanted(axis.value, axis.name)[static_cast<size_t>(unit - axis.first)]);
    };
    std::set<std::tuple<NodeId, UnitId, UnitId>> links;
    for (const AxisMap::Link& link : map_.links()) links.emplace(link.node, link.from, link.to);
    return std::all_of(map_.links().begin(), map_.links().end(), [&](const AxisMap::Link& link) {
      return links.contains({link.node, source(link.from), source(link.to)});
    });
  }

  Indices& wanted(const AxisMap::Axis& axis) { return wanted_[{axis.value, axis.name}]; }

  Result<Network> run(bool cuts) const {
    Network out;
    TRY(make_graph(out.graph, cuts));
    for (const auto& [from, to] :
         {std::pair(&network_.params, &out.params), std::pair(&network_.states, &out.states)})
      for (const Param& param : *from) {
        TRY_ASSIGN(Param made, make_param(param, out.graph));
        to->push_back(std::move(made));
      }
    out.choices = network_.choices;
    for (LayerChoice& choice : out.choices) choice.density = out.find(choice.weight)->pattern().density();
    out.cost_table = network_.cost_table;
    return out;
  }

 private:
  const Indices& wanted(ValueId value, char axis) const { return wanted_.at({value, axis}); }

  Value shaped(ValueId id) const {
    Value value = map_.graph().value(id);
    for (size_t d = 0; d < value.shape.axes.size(); ++d)
      if (map_.find(id, value.shape.axes[d]))
        value.shape.sizes[d] = static_cast<int64_t>(wanted(id, value.shape.axes[d]).size());
    if (const AxisMap::Axis* inputs = map_.find(id, 'i')) {
      const auto left = static_cast<int64_t>(wanted(id, 'i').size());
      value.fan_in = std::max<int64_t>(1, value.fan_in * left / inputs->size);
    }
    return value;
  }

  // Values come again in the same order, so that they keep their ids.
  Status make_graph(Graph& out, bool cuts) const {
    const Graph& graph = map_.graph();
    out.sum = graph.sum;
    out.input = graph.input;
    out.target = graph.target;
    out.logits = graph.logits;
    out.loss = graph.loss;
    std::map<ValueId, const Node*> made_by;  // first outputs
    for (const Node& node : graph.nodes()) made_by[node.outputs[0]] = &node;
    const KeptUnits kept = [this](ValueId value, char axis) -> const Indices& { return wanted(value, axis); };
    for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) {
      const ValueKind kind = graph.value(id).kind;
      if (kind == ValueKind::kInput || kind == ValueKind::kParam || kind == ValueKind::kState) {
        out.add_value(shaped(id));
      } else if (const auto at = made_by.find(id); at != made_by.end()) {
        const Node& node = *at->second;
        TRY(out.add(*node.op, node.name, node.inputs,
                    cuts && node.op->cut ? node.op->cut(node, kept) : node.attributes)
                .status());
      }
    }
    return verify(out);
  }

  Result<Param> make_param(const Param& param, const Graph& graph) const {
    const ValueId id = graph.find(param.name());
    const std::vector<int64_t>& dims = graph.value(id).shape.sizes;
    if (param.is_weight()) {
      const int64_t taps = taps_of(param);
      Indices columns;
      for (const int64_t i : wanted(id, 'i'))
        for (int64_t tap = 0; tap < taps; ++tap) columns.push_back(i * taps + tap);
      return rearrange_weight(param, dims, wanted(id, 'o'), columns);
    }
    const std::string& axes = graph.value(id).shape.axes;
    if (!axes.empty() && map_.find(id, axes[0])) return rearrange_vector(param, dims, wanted(id, axes[0]));
    Indices all(dims.empty() ? 1 : static_cast<size_t>(dims[0]));
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    return rearrange_vector(param, dims, all);
  }

  const Network& network_;
  const AxisMap& map_;
  std::map<std::pair<ValueId, char>, Indices> wanted_;
};

}  // namespace

void tie_blocks(AxisMap& map, const Network& network) {
  for (const Param& param : network.params) {
    if (!param.is_weight()) continue;
    const Pattern pattern = param.pattern();
    const BlockShape block = pattern.block();
    const ValueId id = map.graph().find(param.name());
    for (int64_t row = 0; row < pattern.rows() && block.rows > 1; row += block.rows)
      map.tie(id, 'o', row, block.rows);
    // With a window a block may begin in the middle of an input.
    const int64_t taps = taps_of(param);
    for (int64_t column = 0; column < pattern.cols() && block.cols > 1; column += block.cols)
      map.tie(id, 'i', column / taps, (column + block.cols - 1) / taps - column / taps + 1);
  }
}

Result<Network> cut(const Network& network, const AxisMap& map, const AxisMap::Components& components,
                    const Marks& gone) {
  for (size_t c = 0; c < gone.size(); ++c) {
    const AxisMap::Component& component = components.list[c];
    if (!gone[c] || component.may_go()) continue;
    const AxisMap::Axis& axis = map.axis_of(component.units[0]);
    return invalid("unit " + std::to_string(component.units[0] - axis.first) + " of '" +
                   map.graph().value(axis.value).name + "' cannot go: it " +
                   (component.pinned.empty() ? component.stays : component.pinned));
  }
  Rearranger rearranger(network, map);
  for (const AxisMap::Axis& axis : map.axes()) {
    Indices& kept = rearranger.wanted(axis);
    for (int64_t i = 0; i < axis.size; ++i)
      if (!gone[static_cast<size_t>(components.of[static_cast<size_t>(axis.first + i)])]) kept.push_back(i);
    if (kept.empty()) return invalid("'" + map.graph().value(axis.value).name + "' would lose its last unit");
  }
  return rearranger.run(true);
}

Result<Network> permute(const Network& network, const AxisMap& map, const AxisMap::Components& components,
                        const std::vector<int32_t>& source) {
  Rearranger rearranger(network, map);
  for (const AxisMap::Axis& axis : map.axes()) {
    Indices& order = rearranger.wanted(axis);
    for (int64_t i = 0; i < axis.size; ++i) order.push_back(i);
  }
  for (size_t c = 0; c < source.size(); ++c) {
    const std::vector<UnitId>& to = components.list[c].units;
    const std::vector<UnitId>& from = components.list[static_cast<size_t>(source[c])].units;
    bool alike = to.size() == from.size();
    for (size_t u = 0; alike && u < to.size(); ++u) {
      const AxisMap::Axis& axis = map.axis_of(to[u]);
      alike = &axis == &map.axis_of(from[u]);
      if (alike) rearranger.wanted(axis)[static_cast<size_t>(to[u] - axis.first)] = from[u] - axis.first;
    }
    if (!alike) return invalid("components that lie on different axes cannot change places");
  }
  if (!rearranger.keeps_links())
    return invalid("components that are joined in different ways cannot change places");
  return rearranger.run(false);
}

}  // namespace coppice
