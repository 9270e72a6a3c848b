// SPDX-License-Identifier: Apache-2.0
#include "exec/binding.h"

#include <algorithm>
#include <string_view>

#include "formats/gather.h"
#include "host/cpu.h"
#include "kernels/choose.h"
#include "kernels/select.h"

namespace coppice {
namespace {

// The optimizer's items for a refresh of the transposed copy: 64 kB of targets.
constexpr int32_t kRefreshPart = 16384;

const coppice_pointwise_table& pointwise_table(std::string_view isa) {
#if defined(COPPICE_HAVE_SIMD) && defined(__x86_64__)
  if (isa == "avx512") return coppice_pointwise_avx512;
  if (isa == "avx2") return coppice_pointwise_avx2;
#elif defined(COPPICE_HAVE_SIMD) && defined(__aarch64__)
  if (isa == "neon") return coppice_pointwise_neon;
#endif
  (void)isa;
  return coppice_pointwise_c;
}

// The forward node that multiplies with the weight decides which formats it may have.
const Node* user_of(const Graph& graph, ValueId weight) {
  for (const Node& node : graph.nodes())
    for (const ValueId in : node.inputs)
      if (in == weight) return &node;
  return nullptr;
}

bool is(const Node& node, std::string_view op) { return op == node.op->name; }

bool has_linear_dx(const Graph& graph, ValueId weight) {
  for (const Node& node : graph.nodes())
    if (is(node, "linear_dx") && node.inputs[1] == weight) return true;
  return false;
}

// Geometry of a conv2d node; its halos are the least that its gathers read.
ConvGeometry conv_geometry(const Graph& graph, const Node& node) {
  const Shape &x = graph.value(node.inputs[0]).shape, &w = graph.value(node.inputs[1]).shape;
  const Shape& y = graph.value(node.outputs[0]).shape;
  const auto size = [](const Shape& shape, char axis) { return static_cast<int>(shape.size(axis)); };
  ConvGeometry g;
  g.channels = size(x, 'c');
  g.height = size(x, 'h');
  g.width = size(x, 'w');
  g.outputs = size(y, 'c');
  g.out_height = size(y, 'h');
  g.out_width = size(y, 'w');
  g.kernel_h = size(w, 'h');
  g.kernel_w = size(w, 'w');
  g.stride = static_cast<int>(node.integer("stride", 1));
  g.padding = static_cast<int>(node.integer("padding", 0));
  g.dilation = static_cast<int>(node.integer("dilation", 1));
  g.groups = static_cast<int>(node.integer("groups", 1));
  g.wrap = node.integer("wrap", 0) != 0;
  g.x_halo = gather_x_halo(g);
  g.dy_halo = gather_dy_halo(g);
  return g;
}

void call_optimizer(Lowering& lowering, const Param& param, const ExecOptions& options,
                    const Corrections& corrections, CallSpec*& made) {
  const OptimizerConfig& optimizer = options.optimizer;
  const bool adam = optimizer.kind != OptimizerKind::kSgd;
  {
    auto call = lowering.call<coppice_update_args>("update " + param.name(),
                                                   adam ? lowering.train->adam : lowering.train->sgd, 16);
    coppice_update_args& args = call.args();
    args.part_start = param.part_start().data();
    args.value = param.value.data();
    call.spec().arrays = {
        {&args.moment1, &param.moment1}, {&args.moment2, &param.moment2}, {&args.born, &param.born}};
    args.correction1 = corrections.first.data();
    args.correction2 = corrections.second.data();
    args.corrections = static_cast<int32_t>(corrections.first.size());
    // Another executor may have left one there that this one does not write.
    if (stores_gradients(options)) call.spec().arrays.emplace_back(&args.gradient, &param.gradient);
    args.beta1 = adam ? optimizer.beta1 : optimizer.momentum;
    args.beta2 = optimizer.beta2;
    args.epsilon = optimizer.epsilon;
    args.decay = param.is_weight() ? optimizer.weight_decay : 0.0f;
    args.nesterov = optimizer.nesterov;
    args.decoupled = optimizer.kind == OptimizerKind::kAdamW;
    call.reduces().parts(static_cast<int>(param.part_start().size()) - 1);
    call.spec().updates = &param;
  }
  made = &lowering.calls_.back();
}

// What the choice of a format starts from: the one that the weight lies in, or lay in when it was saved.
const FormatDef* current_format(const Network& network, const Param& param) {
  if (param.format()) return param.format();
  for (const LayerChoice& choice : network.choices)
    for (const FormatCandidate& candidate : format_candidates())
      if (choice.weight == param.name() && choice.format == candidate.format->name) return candidate.format;
  return nullptr;
}

// Those that training with these options needs.
template <class P>
auto state_arrays(const Network& network, P& param, const ExecOptions& options) {
  std::vector<decltype(&param.value)> arrays;
  if (network.frozen(param)) return arrays;
  if (options.training && options.optimizer.moments() >= 1) arrays.push_back(&param.moment1);
  if (options.training && options.optimizer.moments() >= 2) arrays.push_back(&param.moment2);
  if (stores_gradients(options)) arrays.push_back(&param.gradient);
  return arrays;
}

}  // namespace

Result<KernelTables> kernel_tables(const std::string& isa) {
  TRY_ASSIGN(const Kernels kernels, select_kernels(isa));
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  KernelTables tables;
  tables.rt = kernels.forward;
  tables.train = kernels.train;
  tables.pointwise = &pointwise_table(kernels.forward->isa);
  tables.tiling.l1_bytes = cpu.l1d_bytes;
  tables.tiling.l2_bytes = cpu.l2_bytes;
  return tables;
}

Result<Binding> bind_parameters(Network& network, const Graph& graph, const std::vector<PlanValue>& values,
                                const ExecOptions& options, const KernelTables& tables) {
  Binding binding;
  for (size_t v = 0; v < graph.values().size(); ++v) {
    const Value& value = graph.values()[v];
    if (value.kind != ValueKind::kParam) continue;
    const auto id = static_cast<ValueId>(v);
    Param& param = network.param(id);
    if (param.is_weight()) {
      const Node* user = user_of(graph, id);
      if (!user) return invalid("weight '" + value.name + "' is not used by any node");
      Tiling tiling = tables.tiling;
      tiling.width = tile_width({"f", {1}}, options.batch);
      const Pattern pattern = param.pattern();
      FormatChoice choice;
      bool with_copy = true;
      const FormatDef* current = current_format(network, param);
      if (is(*user, "conv2d")) {
        tiling.conv = conv_geometry(graph, *user);
        // The offsets depend on the halo that x really has; where that is of the other kind, the op makes a
        // copy of x.
        const PlanValue& x = values[static_cast<size_t>(user->inputs[0])];
        if (x.wrap == tiling.conv.wrap) tiling.conv.x_halo = std::max(tiling.conv.x_halo, x.halo);
        choice = choose_conv(pattern, tiling.conv, network.cost_table, current);
      } else {
        choice = choose_linear(pattern, network.cost_table, current);
        with_copy = has_linear_dx(graph, id);
      }
      // Not anew what is there: another executor may be using it.
      if (param.format() != choice.format) param.encode(*choice.format, tiling);
      if (with_copy && !param.copy()) param.add_copy();
      binding.choices.push_back(
          {value.name, choice.format->name, choice.reason, param.live(), param.total()});
    }
    param.refresh_copy();
  }
  return binding;
}

bool stores_gradients(const ExecOptions& options) {
  return options.training && (options.keep_gradients || options.clip_norm > 0);
}

int64_t missing_state_bytes(const Network& network, const ExecOptions& options) {
  size_t floats = 0;
  for (const Param& param : network.params)
    for (const Floats* array : state_arrays(network, param, options))
      floats += array->empty() ? param.value.size() : 0;
  return static_cast<int64_t>(floats * sizeof(float));
}

Corrections adam_corrections(const OptimizerConfig& optimizer) {
  constexpr int64_t kMost = 1 << 20;
  const double beta1 = optimizer.beta1, beta2 = optimizer.beta2;
  Corrections corrections;
  if (optimizer.kind == OptimizerKind::kSgd) return corrections;
  double power1 = 1.0, power2 = 1.0;
  do {
    power1 *= beta1;
    power2 *= beta2;
    corrections.first.push_back(static_cast<float>(1.0 / (1.0 - power1)));
    corrections.second.push_back(static_cast<float>(1.0 / (1.0 - power2)));
  } while ((corrections.first.back() > 1.0f || corrections.second.back() > 1.0f) &&
           static_cast<int64_t>(corrections.first.size()) < kMost);
  return corrections;
}

void allocate_state(Network& network, const ExecOptions& options) {
  for (Param& param : network.params)
    for (Floats* array : state_arrays(network, param, options)) param.ensure(*array);
}

std::vector<PlanValue> plan_values(const Graph& graph, int batch, const std::vector<ValueId>& keep) {
  std::vector<PlanValue> values;
  for (size_t v = 0; v < graph.values().size(); ++v) {
    const Value& value = graph.values()[v];
    const auto id = static_cast<ValueId>(v);
    PlanValue out;
    out.name = value.name;
    out.kind = value.kind;
    out.elements = value.shape.elements();
    out.extent = extent_of(value.shape);
    out.width = tile_width(value.shape, batch);
    out.input = value.kind != ValueKind::kInput ? -1 : id == graph.input ? 0 : id == graph.teacher ? 2 : 1;
    out.keep = id == graph.logits || id == graph.loss;
    values.push_back(std::move(out));
  }
  for (const ValueId id : keep) values[static_cast<size_t>(id)].keep = true;
  // Loss, target and teacher have the tiles of what they belong to.
  if (graph.logits != kNoValue)
    for (const ValueId id : {graph.target, graph.teacher, graph.loss})
      if (id != kNoValue)
        values[static_cast<size_t>(id)].width = values[static_cast<size_t>(graph.logits)].width;

  const auto want = [&values](ValueId id, int halo, bool wrap) {
    PlanValue& value = values[static_cast<size_t>(id)];
    // The first to ask decides between zeros and a torus; the others make copies.
    if (value.kind != ValueKind::kTiled || halo == 0 || (value.halo > 0 && value.wrap != wrap)) return;
    value.halo = std::max(value.halo, halo);
    value.wrap = wrap;
  };
  for (const Node& node : graph.nodes())
    if (is(node, "conv2d")) {
      const ConvGeometry g = conv_geometry(graph, node);
      want(node.inputs[0], g.x_halo, g.wrap);
      for (const Node& back : graph.nodes())
        if ((is(back, "conv2d_grad") || is(back, "conv2d_dw")) && back.inputs[2] == node.inputs[1])
          want(back.inputs[1], g.dy_halo, g.wrap);
    }
  // Gradients in blocks read x by the offsets of the forward pass, also where it was computed anew for them.
  for (const Node& node : graph.nodes())
    for (const Node& back : graph.nodes())
      if (is(node, "conv2d") && (is(back, "conv2d_grad") || is(back, "conv2d_dw")) &&
          back.inputs[2] == node.inputs[1] && back.inputs[0] != node.inputs[0]) {
        const PlanValue& x = values[static_cast<size_t>(node.inputs[0])];
        values[static_cast<size_t>(back.inputs[0])].halo = x.halo;
        values[static_cast<size_t>(back.inputs[0])].wrap = x.wrap;
      }
  return values;
}

std::vector<ValueId> live_gradients(const Network& network, const std::vector<ValueId>& gradient_of) {
  std::vector<ValueId> gradients;
  for (const Param& param : network.params) {
    const ValueId gradient = gradient_of[static_cast<size_t>(network.graph.find(param.name()))];
    if (gradient != kNoValue) gradients.push_back(gradient);
  }
  return gradients;
}

void append_updates(Lowering& lowering, Network& network, const std::vector<ValueId>& gradient_of,
                    const ExecOptions& options, const Corrections& corrections) {
  // The value that holds this parameter's gradient; a parameter without one is left as it is.
  const auto gradient_value = [&](const Param& param) {
    return gradient_of[static_cast<size_t>(network.graph.find(param.name()))];
  };
  const std::vector<ValueId> gradients = live_gradients(network, gradient_of);
  // They lie with their parameter, or nowhere; never in the arena.
  for (const ValueId gradient : gradients) lowering.values_[static_cast<size_t>(gradient)].elements = 0;
  for (Param& param : network.params) {
    const ValueId gradient = gradient_value(param);
    if (gradient == kNoValue) continue;
    CallSpec* update = nullptr;
    call_optimizer(lowering, param, options, corrections, update);
    const ValueId updated = lowering.temporary("updated " + param.name(), 0, 16);
    lowering.values_[static_cast<size_t>(updated)].kind = ValueKind::kWhole;
    update->writes.push_back(updated);
    for (CallSpec& call : lowering.calls_) {
      if (std::find(call.writes.begin(), call.writes.end(), gradient) == call.writes.end()) continue;
      if (!stores_gradients(options)) {
        call.updates = &param;
        call.then.push_back(std::move(lowering.calls_.back()));
        lowering.calls_.pop_back();
      } else {
        for (auto& [field, id] : call.whole)
          if (id == gradient) call.arrays.emplace_back(field, &param.gradient);
        // Clipping needs the norm of all gradients before the first update.
        update->reads = gradients;
      }
      break;
    }
    if (!param.copy()) continue;
    auto call = lowering.call<coppice_refresh_args>("refresh " + param.name(), lowering.train->refresh, 16);
    call.args().target = param.copy()->value.data();
    call.args().source = param.value.data();
    call.args().position = param.copy()->position.data();
    call.args().count = static_cast<int32_t>(param.copy()->position.size());
    call.args().part_weights = kRefreshPart;
    call.reduces().parts((call.args().count + kRefreshPart - 1) / kRefreshPart);
    call.spec().reads.push_back(updated);
  }
}

}  // namespace coppice
