// SPDX-License-Identifier: Apache-2.0
// How the units of a graph hang together. A unit is one channel or feature of an activation, one number of a
// bias, one row or column of a weight: an index on an axis c, f, o or i of a value. Each op says which of its
// units belong together (OpDef::axes); what is connected goes, or changes places, as one component.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace coppice {

using UnitId = int32_t;

// The units that are left of an axis, ascending.
using KeptUnits = std::function<const std::vector<int64_t>&(ValueId value, char axis)>;

class AxisMap {
 public:
  // Asks every node of a forward graph, which must outlive the map. A node whose op does not say pins all
  // that it touches, and so do the roles of the network: what it takes and what it says stays as it is.
  explicit AxisMap(const Graph& graph);

  struct Axis {
    ValueId value = kNoValue;
    char name = 0;
    UnitId first = 0;
    int64_t size = 0;
  };
  struct Component {
    std::vector<UnitId> units;  // ascending
    std::string pinned;         // why it may neither go nor change places; empty: it may
    std::string stays;          // why it may change places, but not go
    bool may_go() const { return pinned.empty() && stays.empty(); }
  };
  struct Components {
    std::vector<Component> list;  // by their first unit
    std::vector<int32_t> of;      // of each unit, its place in the list
  };
  Components components() const;

  // `node` makes the unit `to` of an output from the unit `from` of an input, and from others so linked; a
  // product links its units to the rows and columns that they belong to.
  struct Link {
    NodeId node;
    UnitId from, to;
  };
  // A matrix product: units of y are sums over those units of x that a live weight leads to.
  struct Product {
    NodeId node = -1;
    ValueId x = kNoValue, weight = kNoValue, bias = kNoValue, y = kNoValue;
    int64_t groups = 1;
    bool even = true;  // every position of y sums over all taps: no zeros around x
  };
  const std::vector<Link>& links() const { return links_; }  // in the order of the nodes
  const std::vector<Product>& products() const { return products_; }
  // Whether each output of the node depends on every unit of its inputs.
  bool mixes(NodeId node) const { return mixes_[static_cast<size_t>(node)]; }

  const Graph& graph() const { return graph_; }
  const std::vector<Axis>& axes() const { return axes_; }
  const Axis& axis_of(UnitId unit) const;
  const Axis* find(ValueId value, char name) const;  // null if the value has no such axis of units
  // The axis of the units of an activation or a vector.
  char channel_axis(ValueId value) const;

  // ---- what OpDef::axes says. All but tie() are about the node that is asked
  void link(ValueId input, int64_t i, ValueId output, int64_t j);  // on their channel axes
  void link_all(ValueId input, ValueId output);                    // i to i
  // Also links rows and columns of the weight, as its groups demand.
  void product(Product product);
  // All outputs depend on all inputs: units may change places, but none can go without changing the others.
  void mix(const std::string& why);
  void pin(ValueId value, const std::string& why);

  // Units `first` to `first + count` of the axis go together, whatever the ops say.
  void tie(ValueId value, char axis, int64_t first, int64_t count);

 private:
  bool fits(ValueId value, int64_t size);  // or else pins the node
  void pin_node(const std::string& why);
  UnitId root(UnitId unit) const;
  void join(UnitId a, UnitId b);
  void join_and_record(UnitId from, UnitId to);
  UnitId unit(ValueId value, char axis, int64_t index) const {
    return find(value, axis)->first + static_cast<UnitId>(index);
  }

  const Graph& graph_;
  std::vector<Axis> axes_;
  std::vector<int32_t> first_axis_;  // of each value, in axes_; [values + 1]
  mutable std::vector<UnitId> parent_;
  std::vector<Link> links_;
  std::vector<Product> products_;
  std::vector<bool> mixes_;
  NodeId node_ = -1;  // that is asked
  std::vector<std::pair<UnitId, std::string>> pins_, stays_;
};

}  // namespace coppice
