// SPDX-License-Identifier: Apache-2.0
#include "exec/binding.h"

#include <cstdlib>
#include <string_view>

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

// Who multiplies with the weight decides which formats it may have.
enum class Use { kNone, kLinear, kConv };
Use use_of(const Graph& graph, ValueId weight) {
  for (const Node& node : graph.nodes())
    for (const ValueId in : node.inputs)
      if (in == weight) return std::string_view(node.op->name) == "conv2d" ? Use::kConv : Use::kLinear;
  return Use::kNone;
}

bool has_dx(const Graph& graph, ValueId weight) {
  for (const Node& node : graph.nodes())
    if (std::string_view(node.op->name) == "linear_dx" && node.inputs[1] == weight) return true;
  return false;
}

void call_optimizer(Lowering& lowering, const Param& param, const ExecOptions& options, CallSpec*& made) {
  const OptimizerConfig& optimizer = options.optimizer;
  const bool adam = optimizer.kind != OptimizerKind::kSgd;
  {
    auto call = lowering.call<coppice_update_args>("update " + param.name(),
                                                   adam ? lowering.train->adam : lowering.train->sgd, 16);
    coppice_update_args& args = call.args();
    args.part_start = param.part_start().data();
    args.value = param.value.data();
    args.gradient = param.gradient.data();
    args.moment1 = param.moment1.data();
    args.moment2 = param.moment2.data();
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

Result<Binding> bind_parameters(Network& network, const Graph& graph, const ExecOptions& options,
                                const KernelTables& tables) {
  Binding binding;
  for (size_t v = 0; v < graph.values().size(); ++v) {
    const Value& value = graph.values()[v];
    if (value.kind != ValueKind::kParam) continue;
    const auto id = static_cast<ValueId>(v);
    Param& param = network.param(id);
    if (param.is_weight()) {
      const Use use = use_of(graph, id);
      if (use == Use::kNone) return invalid("weight '" + value.name + "' is not used by any node");
      const Pattern pattern = param.pattern();
      const FormatChoice choice =
          use == Use::kConv ? choose_conv(pattern) : choose_linear(pattern, shipped_cost_table(), param.format());
      Tiling tiling = tables.tiling;
      tiling.width = tile_width({"f", {1}}, options.batch);
      const bool transposed = options.training && use == Use::kLinear && has_dx(graph, id);
      const bool encoded = param.format() == choice.format;
      // Not anew what is there: another executor may be using it.
      if (!encoded) param.encode(*choice.format, tiling);
      if (transposed && param.encoding().dx_parts() == 0 && !param.transposed()) param.add_transposed();
      binding.choices.push_back({value.name, choice.format->name, choice.reason, param.live(), param.total()});
    }
    if (!options.training) continue;
    if (options.optimizer.moments() >= 1) param.ensure(param.moment1);
    if (options.optimizer.moments() >= 2) param.ensure(param.moment2);
    if (options.keep_gradients || options.clip_norm > 0) param.ensure(param.gradient);
    param.refresh_transposed();
  }
  return binding;
}

std::vector<PlanValue> plan_values(const Graph& graph, int batch) {
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
    out.input = value.kind != ValueKind::kInput ? -1 : id == graph.input ? 0 : 1;
    out.keep = id == graph.logits || id == graph.loss;
    values.push_back(std::move(out));
  }
  // Loss and target have the tiles of what they belong to.
  if (graph.logits != kNoValue)
    for (const ValueId id : {graph.target, graph.loss})
      if (id != kNoValue) values[static_cast<size_t>(id)].width = values[static_cast<size_t>(graph.logits)].width;
  return values;
}

void append_updates(Lowering& lowering, Network& network, const std::vector<ValueId>& gradient_of,
                    const ExecOptions& options, bool fused) {
  // The value that holds this parameter's gradient; a parameter without one is left as it is.
  const auto gradient_value = [&](const Param& param) {
    return gradient_of[static_cast<size_t>(network.graph.find(param.name()))];
  };
  std::vector<ValueId> gradients;
  for (const Param& param : network.params) {
    const ValueId gradient = gradient_value(param);
    if (gradient == kNoValue) continue;
    gradients.push_back(gradient);
    // It lies with its parameter, or nowhere; never in the arena.
    lowering.values_[static_cast<size_t>(gradient)].elements = 0;
  }
  for (Param& param : network.params) {
    const ValueId gradient = gradient_value(param);
    if (gradient == kNoValue) continue;
    CallSpec* update = nullptr;
    call_optimizer(lowering, param, options, update);
    const ValueId updated = lowering.temporary("updated " + param.name(), 0, 16);
    lowering.values_[static_cast<size_t>(updated)].kind = ValueKind::kWhole;
    update->writes.push_back(updated);
    for (CallSpec& call : lowering.calls_) {
      if (call.writes.empty() || call.writes[0] != gradient) continue;
      if (fused) {
        call.updates = &param;
        call.then.push_back(std::move(lowering.calls_.back()));
        lowering.calls_.pop_back();
      } else {
        for (auto& [field, id] : call.whole)
          if (id == gradient) *field = param.gradient.data();
        // Clipping needs the norm of all gradients before the first update.
        update->reads = gradients;
      }
      break;
    }
    if (!param.transposed()) continue;
    auto call = lowering.call<coppice_refresh_args>("refresh " + param.name(), lowering.train->refresh, 16);
    call.args().target = param.transposed()->value.data();
    call.args().source = param.value.data();
    call.args().position = param.transposed()->position.data();
    call.args().count = static_cast<int32_t>(param.transposed()->position.size());
    call.args().part_weights = kRefreshPart;
    call.reduces().parts((call.args().count + kRefreshPart - 1) / kRefreshPart);
    call.spec().reads.push_back(updated);
  }
}

}  // namespace coppice
