// SPDX-License-Identifier: Apache-2.0
#include "pack/packer.h"

#include <algorithm>
#include <cmath>

#include "graph/lowering.h"
#include "models/json.h"
#include "pack/image_file.h"
#include "passes/nodes.h"

namespace coppice::pack {
namespace {

constexpr Quantisation kOfFloats{1.0f, 0};

coppice_cpk_value value_of(const Shape& shape, std::optional<Quantisation> quantisation) {
  const coppice_extent e = extent_of(shape);
  coppice_cpk_value value{};
  value.kind = COPPICE_CPK_SCRATCH;
  value.type = quantisation ? COPPICE_CPK_I8 : COPPICE_CPK_F32;
  value.channels = e.channels;
  value.height = e.height;
  value.width = e.width;
  value.scale = quantisation.value_or(kOfFloats).scale;
  value.zero_point = quantisation.value_or(kOfFloats).zero_point;
  return value;
}

}  // namespace

Packer::Packer(const Network& network, const PackOptions& options)
    : network_(network), graph_(network.graph), options_(options) {
  find_live();
  // Pictures that are only read as lists come as lists: inputs cannot change their shape on the way.
  const std::vector<NodeId>& readers = readers_[static_cast<size_t>(graph_.input)];
  const bool list = !readers.empty() && std::all_of(readers.begin(), readers.end(), [this](NodeId reader) {
    return is(graph_.node(reader), "flatten");
  });
  const ValueId shown = list ? graph_.node(readers[0]).outputs[0] : graph_.input;
  coppice_cpk_value input = value_of(graph_.value(shown).shape, std::nullopt);
  input.kind = COPPICE_CPK_INPUT;
  at_[graph_.input] = add_value(graph_.value(graph_.input).name, input);
}

// Nodes that the answer depends on, and who reads what.
void Packer::find_live() {
  live_.assign(graph_.nodes().size(), false);
  done_.assign(graph_.nodes().size(), false);
  readers_.resize(graph_.values().size());
  std::vector<bool> wanted(graph_.values().size(), false);
  wanted[static_cast<size_t>(graph_.logits)] = true;
  for (size_t n = graph_.nodes().size(); n-- > 0;) {
    const Node& node = graph_.nodes()[n];
    live_[n] = std::any_of(node.outputs.begin(), node.outputs.end(),
                           [&](ValueId out) { return wanted[static_cast<size_t>(out)]; });
    if (!live_[n]) continue;
    for (const ValueId in : node.inputs) wanted[static_cast<size_t>(in)] = true;
  }
  for (size_t n = 0; n < live_.size(); ++n)
    if (live_[n])
      for (const ValueId in : graph_.nodes()[n].inputs)
        readers_[static_cast<size_t>(in)].push_back(static_cast<NodeId>(n));
}

Status Packer::run() {
  std::string problems;
  for (size_t n = 0; n < graph_.nodes().size(); ++n) {
    if (!live_[n] || done_[n]) continue;
    const Node& node = graph_.nodes()[n];
    const PackOp op = pack_op(node.op->name);
    // Behind a node that was refused nothing can be said.
    const bool reached = std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId in) {
      const ValueKind kind = graph_.value(in).kind;
      return (kind != ValueKind::kTiled && kind != ValueKind::kInput) || at_.contains(in);
    });
    if (!reached) continue;
    const Status status = op ? op(*this, node) : unsupported("images have no step for it");
    if (!status.ok())
      problems += std::string(problems.empty() ? "" : "; ") + "'" + node.name + "' (" + node.op->name +
                  "): " + status.message();
  }
  if (!problems.empty()) return unsupported("cannot be packed: " + problems);
  answer();
  return {};
}

// The caller gets floats, in memory of the caller.
void Packer::answer() {
  const int32_t made = at_.at(graph_.logits);
  if (value(made).kind == COPPICE_CPK_OUTPUT) return;
  const Node& last = graph_.node(std::max(graph_.producer(graph_.logits), NodeId{0}));
  coppice_cpk_value output = value(made);
  output.kind = COPPICE_CPK_OUTPUT;
  output.type = COPPICE_CPK_F32;
  output.halo = output.wrap = 0;
  output.scale = 1.0f;
  output.zero_point = 0;
  const int32_t y = add_value(graph_.value(graph_.logits).name, output);
  if (value(made).type == COPPICE_CPK_I8)
    step(last, COPPICE_CPK_CONVERT, made, -1, y);
  else
    copy(last, made, y, {0, 1, 0, output.channels, 0, 0, 1, 1, 1}, false);
}

// ---- values

int32_t Packer::add_value(const std::string& name, const coppice_cpk_value& value) {
  const auto id = static_cast<int32_t>(plan_.values.size());
  plan_.values.push_back({value, name, id});
  return id;
}

std::vector<float> Packer::numbers(ValueId parameter) const {
  const Param& of = param(parameter);
  return of.canonical(of.value);
}

const Param& Packer::param(ValueId parameter) const { return *network_.find(graph_.value(parameter).name); }

bool Packer::may_be_integers(ValueId value) const {
  if (!integers() || value == graph_.logits) return false;
  return own_rounding(value) || options_.ranges.contains(graph_.value(value).name);
}

Quantisation Packer::quantisation(ValueId value) const {
  const std::optional<Quantisation> own = own_rounding(value);
  return own ? *own : quantisation_of(options_.ranges.at(graph_.value(value).name));
}

std::optional<Quantisation> Packer::own_rounding(ValueId value) const {
  const NodeId maker = graph_.producer(value);
  if (maker >= 0 && is(graph_.node(maker), "fake_quantise")) return rounding_of(graph_.node(maker));
  for (const NodeId reader : readers_[static_cast<size_t>(value)])
    if (is(graph_.node(reader), "fake_quantise")) return rounding_of(graph_.node(reader));
  return std::nullopt;
}

const Node* Packer::only_reader(ValueId value, const char* op) const {
  const std::vector<NodeId>& readers = readers_[static_cast<size_t>(value)];
  if (value == graph_.logits || readers.size() != 1) return nullptr;
  const Node& reader = graph_.node(readers[0]);
  return is(reader, op) && !done_[static_cast<size_t>(readers[0])] ? &reader : nullptr;
}

void Packer::take_over(const Node& node) {
  done_[static_cast<size_t>(graph_.producer(node.outputs[0]))] = true;
}

Packer::Halo Packer::wanted_halo(ValueId value) const {
  Halo halo;
  const auto widen = [&](const Halo& other) {
    if (other.width > halo.width) halo = other;
  };
  // Sums are one run over planes of one pitch: they widen each other's halos. What a relu or a rounding gives
  // may be what the layer before it writes.
  const auto passes_on = [](const Node& node) {
    return is(node, "add") || is(node, "relu") || is(node, "fake_quantise");
  };
  const auto made = [&](const Node& node) {
    for (const ValueId in : node.inputs)
      if (const auto at = at_.find(in); at != at_.end())
        widen({this->value(at->second).halo, this->value(at->second).wrap != 0});
  };
  if (value == graph_.logits) return {};
  for (const NodeId reader : readers_[static_cast<size_t>(value)]) {
    const Node& node = graph_.node(reader);
    if (is(node, "flatten")) return {};  // numbers have to follow each other
    if (passes_on(node)) widen(wanted_halo(node.outputs[0]));
    if (is(node, "add")) made(node);
    if (is(node, "conv2d") && node.inputs[0] == value)
      widen({node.integer("padding", 0), node.integer("wrap", 0) != 0});
  }
  NodeId maker = graph_.producer(value);
  while (maker >= 0 && passes_on(graph_.node(maker)) && !is(graph_.node(maker), "add"))
    maker = graph_.producer(graph_.node(maker).inputs[0]);
  if (maker >= 0 && is(graph_.node(maker), "add")) made(graph_.node(maker));
  return halo;
}

void Packer::put_halo(coppice_cpk_value& value, const Halo& halo) {
  value.halo = static_cast<int32_t>(halo.width);
  value.wrap = halo.wraps ? 1 : 0;
}

int32_t Packer::make(ValueId id, std::optional<Quantisation> quantisation) {
  coppice_cpk_value made = value_of(graph_.value(id).shape, quantisation);
  put_halo(made, wanted_halo(id));
  if (id == graph_.logits && !quantisation) made.kind = COPPICE_CPK_OUTPUT;
  at_[id] = add_value(graph_.value(id).name, made);
  return at_[id];
}

int32_t Packer::reshaped(int32_t image_value, const Shape& shape, const std::string& name) {
  coppice_cpk_value made = value_of(shape, integers_of(value(image_value)));
  made.kind = value(image_value).kind;
  const int32_t id = add_value(name, made);
  plan_.values.back().root = plan_.values[static_cast<size_t>(image_value)].root;
  return id;
}

int32_t Packer::copied(int32_t image_value) {
  coppice_cpk_value made = value(image_value);
  made.kind = COPPICE_CPK_SCRATCH;
  Node node;  // the copy stands for no node
  node.name = plan_.values[static_cast<size_t>(image_value)].name + " in the arena";
  const int32_t id = add_value(node.name, made);
  copy(node, image_value, id, {0, 1, 0, made.channels, 0, 0, 1, 1, 1}, false);
  return id;
}

int32_t Packer::rescaled(int32_t image_value, Quantisation quantisation) {
  coppice_cpk_value made = value(image_value);
  made.scale = quantisation.scale;
  made.zero_point = quantisation.zero_point;
  made.kind = COPPICE_CPK_SCRATCH;
  return add_value(plan_.values[static_cast<size_t>(image_value)].name + " rescaled", made);
}

int32_t Packer::operand(ValueId id, coppice_cpk_type type) {
  const int32_t made = at_.at(id);
  if (value(made).type == type) return made;
  if (const auto at = converted_.find(id); at != converted_.end()) return at->second;
  coppice_cpk_value other = value(made);
  other.kind = COPPICE_CPK_SCRATCH;
  other.type = static_cast<uint8_t>(type);
  put_halo(other, wanted_halo(id));
  const Quantisation q = type == COPPICE_CPK_I8 ? quantisation(id) : kOfFloats;
  other.scale = q.scale;
  other.zero_point = q.zero_point;
  const std::string& name = graph_.value(id).name;
  const int32_t y = add_value(name + (type == COPPICE_CPK_I8 ? " as integers" : " as floats"), other);
  const NodeId maker = graph_.producer(id);
  step(graph_.node(maker < 0 ? readers_[static_cast<size_t>(id)][0] : maker), COPPICE_CPK_CONVERT, made, -1,
       y);
  described().name = plan_.values[static_cast<size_t>(y)].name;
  converted_[id] = y;
  return y;
}

int32_t Packer::windowed(int32_t x, Windows& w) {
  const coppice_cpk_value from = value(x);
  const bool has_slack = from.kind != COPPICE_CPK_INPUT && from.kind != COPPICE_CPK_OUTPUT;
  const bool padded = w.padding == 0 || (from.halo >= w.padding && (from.wrap != 0) == w.wrap);
  if (w.stride == 1 && has_slack && padded) return x;
  coppice_cpk_value to = from;
  to.kind = COPPICE_CPK_SCRATCH;
  to.halo = to.wrap = 0;
  coppice_cpk_copy window{0, 1, 0, from.channels, 0, 0, 1, 1, 1};
  if (w.stride == 1) {
    to.halo = static_cast<int32_t>(w.padding);
    to.wrap = w.wrap ? 1 : 0;
  } else {
    const auto stride = static_cast<int32_t>(w.stride);
    const bool single = w.kernel_y == 1 && w.kernel_x == 1;  // other phases are never read
    window.phases = single ? 1 : stride;
    window.step_y = window.step_x = stride;
    window.top = window.left = -static_cast<int32_t>(w.padding);
    to.channels *= window.phases * window.phases;
    to.height = static_cast<int32_t>(w.out_height + (w.kernel_y - 1) * w.dilation / stride);
    to.width = static_cast<int32_t>(w.out_width + (w.kernel_x - 1) * w.dilation / stride);
    if (single) w.stride = 1;
    w.padding = 0;
  }
  const auto key = std::tuple(x, int64_t{window.phases}, int64_t{window.step_y},
                              int64_t{to.halo} + window.top * int64_t{1 << 20}, w.wrap);
  if (const auto at = windowed_.find(key);
      at != windowed_.end() && value(at->second).height == to.height && value(at->second).width == to.width)
    return at->second;
  const std::string name = plan_.values[static_cast<size_t>(x)].name;
  const int32_t y = add_value(name + (w.stride == 1 ? " in a frame" : " in phases"), to);
  Node node;  // the copy stands for no node
  node.name = plan_.values[static_cast<size_t>(y)].name;
  copy(node, x, y, window, w.wrap);
  windowed_[key] = y;
  return y;
}

// ---- steps

Ending Packer::ending(ValueId output, bool adds, bool clips) {
  Ending ending;
  ending.y = output;
  const auto next = [&](const char* op) { return only_reader(ending.y, op); };
  const auto take = [&](const Node& node) {
    take_over(node);
    ending.y = node.outputs[0];
  };
  if (const Node* add = adds ? next("add") : nullptr; add && add->inputs[0] != add->inputs[1]) {
    const ValueId other = add->inputs[add->inputs[0] == ending.y ? 1 : 0];
    if (at_.contains(other)) {
      ending.addend = other;
      take(*add);
    }
  }
  if (const Node* relu = next("relu")) {
    ending.low = 0;
    take(*relu);
  } else if (const Node* clip = next("clip"); clip) {
    const double low = clip->real("min", ending.low), high = clip->real("max", ending.high);
    // Floats have no upper limit in a step.
    if (std::isinf(high) || (clips && may_be_integers(clip->outputs[0]))) {
      ending.low = low;
      ending.high = high;
      take(*clip);
    }
  }
  return ending;
}

coppice_cpk_step& Packer::step(const Node& node, coppice_cpk_op op, int32_t a, int32_t b, int32_t y) {
  coppice_cpk_step made{};
  made.op = static_cast<uint8_t>(op);
  made.a = a;
  made.b = b;
  made.y = y;
  made.low = kNoLimit;
  made.low_i8 = INT8_MIN;
  made.high_i8 = INT8_MAX;
  plan_.steps.push_back(made);
  plan_.described.push_back({.name = node.name});
  return plan_.steps.back();
}

void Packer::copy(const Node& node, int32_t x, int32_t y, const coppice_cpk_copy& window, bool wrap) {
  coppice_cpk_step& made = step(node, COPPICE_CPK_COPY, x, -1, y);
  made.as.copy = window;
  if (wrap) made.flags = COPPICE_CPK_WRAP;
}

void Packer::computes_in_floats(const Node& node, const std::string& reason) {
  float_steps_.push_back("'" + node.name + "' (" + node.op->name + "): " + reason);
}

// ---- the whole

// For people and for programs: what the caller says, and what each value and step is.
std::string Packer::text(Json json, const std::vector<ImagePlan>& plans) const {
  json["arithmetic"] = arithmetic_name(options_.arithmetic);
  Json values = Json::array(), steps = Json::array();
  for (const ImagePlan& plan : plans) {
    for (const ImageValue& v : plan.values) values.push_back(v.name);
    for (const PackedStep& s : plan.described) {
      Json step{{"name", s.name}};
      if (!s.weight.empty()) {
        step["weight"] = s.weight;
        step["live"] = s.live;
        step["total"] = s.total;
        step["block"] = s.block;
        step["format"] = s.format;
        step["reason"] = s.reason;
      }
      steps.push_back(std::move(step));
    }
  }
  json["values"] = std::move(values);
  json["steps"] = std::move(steps);
  return json_text(json);
}

Result<PackedNetwork> Packer::finish() {
  TRY_ASSIGN(Json json, parse_json("metadata", options_.metadata));
  std::vector<ImagePlan> plans{plan_};
  for (const int32_t width : options_.batches) {
    TRY_ASSIGN(ImagePlan tiles, tiles_of(plan_, width));
    plans.push_back(std::move(tiles));
  }
  ImageParts parts;
  for (ImagePlan& plan : plans) {
    place(plan);
    ImageParts::Plan& made = parts.plans.emplace_back();
    made.width = plan.width;
    for (const ImageValue& v : plan.values) made.values.push_back(v.value);
    made.steps = plan.steps;
    made.arena_bytes = plan.arena_bytes;
  }
  parts.data = data_.bytes();
  parts.text = text(std::move(json), plans);
  PackedNetwork packed;
  packed.file = image_bytes(parts);
  packed.steps = plan_.described;
  packed.arena_bytes = plans.front().arena_bytes;
  packed.float_steps = float_steps_;
  return packed;
}

}  // namespace coppice::pack

namespace coppice {

const char* arithmetic_name(Arithmetic arithmetic) {
  constexpr const char* kNames[] = {"float", "weights8", "int8"};
  return kNames[static_cast<size_t>(arithmetic)];
}

Result<PackedNetwork> pack_network(const Network& network, const PackOptions& options) {
  pack::Packer packer(network, options);
  TRY(packer.run());
  return packer.finish();
}

}  // namespace coppice
