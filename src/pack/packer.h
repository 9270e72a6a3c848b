// SPDX-License-Identifier: Apache-2.0
// What packing a node needs: values and steps of the image that has grown so far. Private to src/pack.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "coppice_cpk.h"
#include "coppice_planes.h"
#include "models/json.h"
#include "pack/choose_packed.h"
#include "pack/data_section.h"
#include "pack/image_plan.h"
#include "pack/pack.h"

namespace coppice::pack {

inline constexpr float kNoLimit = -std::numeric_limits<float>::infinity();

// How integers of the value are meant; nothing of floats.
inline std::optional<Quantisation> integers_of(const coppice_cpk_value& value) {
  if (value.type == COPPICE_CPK_F32) return std::nullopt;
  return Quantisation{value.scale, value.zero_point};
}

// What follows a layer and is done by it: the value that comes out at the end.
struct Ending {
  ValueId y = kNoValue;
  ValueId addend = kNoValue;
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

class Packer {
 public:
  Packer(const Network& network, const PackOptions& options);

  Status run();  // all nodes; what cannot be packed is one sentence
  Result<PackedNetwork> finish();

  // ---- for the functions of ops
  const Graph& graph() const { return graph_; }
  bool integers() const { return options_.arithmetic == Arithmetic::kInt8; }
  std::vector<float> numbers(ValueId parameter) const;  // of a parameter or state, canonical
  const Param& param(ValueId parameter) const;
  const coppice_cpk_value& value(int32_t image_value) const {
    return plan_.values[static_cast<size_t>(image_value)].value;
  }

  // Whether the value may be integers: it has a quantisation, and is not the answer.
  bool may_be_integers(ValueId value) const;
  // Where the network rounds it itself, its own one; else by its range.
  Quantisation quantisation(ValueId value) const;

  int32_t stands(ValueId value) const { return at_.at(value); }  // as it was made
  int32_t operand(ValueId id, coppice_cpk_type type);            // converted where it has to be
  // As the windows of a convolution read it: with its padding in the halo, or cut into phases.
  struct Windows {
    int64_t kernel_y, kernel_x, stride, dilation, padding;
    bool wrap;
    int64_t out_height, out_width;
  };
  int32_t windowed(int32_t x, Windows& windows);

  // Values that steps make. Of integers: with this quantisation.
  int32_t make(ValueId id, std::optional<Quantisation> quantisation);
  // The same numbers under another shape.
  void stands_for(ValueId value, int32_t image_value) { at_[value] = image_value; }
  int32_t reshaped(int32_t image_value, const Shape& shape, const std::string& name);
  int32_t copied(int32_t image_value);                               // by a step, into the arena
  int32_t rescaled(int32_t image_value, Quantisation quantisation);  // yet to be filled

  // Follows the only readers of a layer's output as far as it can do their work: an addition (if `adds`),
  // then relu, or with integers any clip.
  Ending ending(ValueId output, bool adds, bool clips);

  // What alone reads the value, if it is this op and not taken over yet; and that the steps made do its work.
  const Node* only_reader(ValueId value, const char* op) const;
  void take_over(const Node& node);

  // Appends a step; fills a, b and y. The name is that of the node.
  coppice_cpk_step& step(const Node& node, coppice_cpk_op op, int32_t a, int32_t b, int32_t y);
  void copy(const Node& node, int32_t x, int32_t y, const coppice_cpk_copy& window, bool wrap);
  PackedStep& described() { return plan_.described.back(); }  // the step appended last
  DataSection& data() { return data_; }
  PackGoal goal() const { return options_.goal; }
  const CostTable& rates() const { return options_.rates ? *options_.rates : shipped_packed_rates("avx512"); }
  bool quantises_weights() const { return options_.arithmetic != Arithmetic::kFloat; }
  void computes_in_floats(const Node& node, const std::string& reason);

 private:
  struct Halo {
    int64_t width = 0;
    bool wraps = false;
  };

  void find_live();
  int32_t add_value(const std::string& name, const coppice_cpk_value& value);
  Halo wanted_halo(ValueId value) const;
  static void put_halo(coppice_cpk_value& value, const Halo& halo);
  NodeId only_reader(ValueId value) const;  // -1: there are several, or none
  std::optional<Quantisation> own_rounding(ValueId value) const;
  void answer();
  std::string text(Json json, const std::vector<ImagePlan>& plans) const;

  const Network& network_;
  const Graph& graph_;
  const PackOptions& options_;
  std::vector<std::vector<NodeId>> readers_;  // of values, live nodes only
  std::vector<bool> live_, done_;             // nodes
  ImagePlan plan_;                            // of single samples
  std::vector<std::string> float_steps_;
  std::map<ValueId, int32_t> at_;
  std::map<ValueId, int32_t> converted_;
  std::map<std::tuple<int32_t, int64_t, int64_t, int64_t, bool>, int32_t> windowed_;
  DataSection data_;
};

// Appends the steps of a node.
using PackOp = Status (*)(Packer& packer, const Node& node);
PackOp pack_op(const std::string& op);  // null: images have no such step

// Of coppice_plane_add_args: a * multiplier_a + ... of numbers with these quantisations. Fails where the
// scales are so different that 32 bits do not hold it.
Result<coppice_cpk_sum> integer_sum(Quantisation a, Quantisation b, Quantisation y);

// Of a fake_quantise node.
Quantisation rounding_of(const Node& node);

// The integer that stands for a number, within [-128, 127].
int16_t quantised(double number, Quantisation quantisation);

}  // namespace coppice::pack
