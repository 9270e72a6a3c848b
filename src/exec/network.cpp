// SPDX-License-Identifier: Apache-2.0
#include "exec/network.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string_view>

#include "base/rng.h"
#include "graph/op.h"

namespace coppice {
namespace {

bool is_weight(const Value& value) {
  return value.kind == ValueKind::kParam && value.role == ParamRole::kWeight;
}

int64_t groups_of(const Graph& graph, const Value& weight) {
  for (const Node& node : graph.nodes())
    for (const ValueId in : node.inputs)
      if (&graph.value(in) == &weight) return node.integer("groups", 1);
  return 1;
}

// The largest allowed block not above the wish that divides the matrix, and the outputs of each group, as
// those of two groups share no input. 16x4 joins four inputs, so it is for weights without a window.
BlockShape fitting_block(BlockShape wish, const Shape& shape, int64_t groups) {
  const int64_t rows = shape.size('o') / groups, cols = shape.elements() / shape.size('o');
  const bool window = shape.size('h') * shape.size('w') > 1;
  const bool depthwise = groups > 1 && shape.size('i') == 1;
  for (const BlockShape block : {BlockShape{16, 4}, BlockShape{16, 1}, BlockShape{4, 1}}) {
    if (block.rows > wish.rows || block.cols > wish.cols || depthwise) continue;
    if (rows % block.rows == 0 && cols % block.cols == 0 && !(block.cols > 1 && window)) return block;
  }
  return {};
}

// Share of a layer's weights before it is scaled to the density asked for.
double raw_density(const Shape& shape, Distribution distribution) {
  if (distribution == Distribution::kUniform) return 1.0;
  const double o = static_cast<double>(shape.size('o')), all = static_cast<double>(shape.elements());
  if (distribution == Distribution::kEr) return (o + all / o) / all;
  double sum = 0.0;
  for (const int64_t size : shape.sizes) sum += static_cast<double>(size);
  return sum / all;
}

std::string layer_of(const std::string& weight) {
  const size_t dot = weight.rfind(".weight");
  return dot == std::string::npos ? weight : weight.substr(0, dot);
}

// * stands for any characters, also none.
bool matches(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() != '*')
    return !name.empty() && name.front() == pattern.front() && matches(name.substr(1), pattern.substr(1));
  for (size_t skip = 0; skip <= name.size(); ++skip)
    if (matches(name.substr(skip), pattern.substr(1))) return true;
  return false;
}

std::string percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g %%", 100.0 * fraction);
  return text;
}

// At least one, else the layer would cut the network in two.
int64_t live_blocks(const Value& weight, const LayerChoice& choice) {
  const int64_t blocks = weight.shape.elements() / choice.block.size();
  return std::clamp<int64_t>(std::llround(choice.density * static_cast<double>(blocks)), 1, blocks);
}

void initialise(Param& param, const Value& value, uint64_t seed) {
  Rng rng(seed, stream_id("init", value.name));
  const std::vector<float> values = initial_values(value, param.live(), param.value.size(), rng);
  std::copy(values.begin(), values.end(), param.value.begin());
}

}  // namespace

std::vector<float> initial_values(const Value& parameter, int64_t live, size_t count, Rng& rng) {
  const double density = static_cast<double>(live) / static_cast<double>(parameter.shape.elements());
  const double fan_in = std::max(1.0, static_cast<double>(parameter.fan_in) * density);
  const double fan_out = static_cast<double>(parameter.shape.elements()) /
                         static_cast<double>(parameter.shape.size('i')) * density;
  std::vector<float> values(count);
  for (float& w : values) {
    switch (parameter.init) {
      case Init::kZero:
        w = 0.0f;
        break;
      case Init::kOne:
        w = 1.0f;
        break;
      case Init::kQuarter:
        w = 0.25f;
        break;
      case Init::kKaimingNormal:
        w = static_cast<float>(std::sqrt(2.0 / fan_in)) * rng.normal();
        break;
      case Init::kKaimingUniform:
        w = static_cast<float>(std::sqrt(6.0 / fan_in)) * (2.0f * rng.uniform() - 1.0f);
        break;
      case Init::kGlorotUniform:
        w = static_cast<float>(std::sqrt(6.0 / (fan_in + fan_out))) * (2.0f * rng.uniform() - 1.0f);
        break;
    }
  }
  return values;
}

bool names_layer(const SparsityConfig& sparsity, const std::string& weight) {
  return sparsity.layers.contains(weight) || sparsity.layers.contains(layer_of(weight));
}

Result<std::vector<LayerChoice>> distribute(const Graph& graph, const SparsityConfig& sparsity) {
  const double density = sparsity.density;
  if (!(density > 0.0 && density <= 1.0))
    return invalid("density must be above 0 and at most 1 (0.1 keeps 10 % of the weights)");
  struct Layer {
    const Value* weight;
    double raw;
    double density = 1.0;
    bool settled = false;
    std::string reason = {};
  };
  std::vector<Layer> layers;
  double all = 0.0;
  for (const Value& value : graph.values())
    if (is_weight(value)) {
      if (value.shape.elements() > INT32_MAX)
        return unsupported("weight '" + value.name + "' of " + value.shape.text() +
                           " has 2^31 elements or more; split the layer");
      layers.push_back({&value, raw_density(value.shape, sparsity.distribution)});
      all += static_cast<double>(value.shape.elements());
    }
  double budget = density * all;
  const auto settle = [&budget](Layer& layer, double share, std::string reason) {
    layer.density = share;
    layer.settled = true;
    layer.reason = std::move(reason);
    budget -= share * static_cast<double>(layer.weight->shape.elements());
  };
  for (const auto& [name, share] : sparsity.layers) {
    if (!(share > 0.0 && share <= 1.0))
      return invalid("layer '" + name + "': density must be above 0 and at most 1");
    const auto layer = std::find_if(layers.begin(), layers.end(), [&name = name](const Layer& l) {
      return l.weight->name == name || layer_of(l.weight->name) == name;
    });
    if (layer == layers.end()) {
      std::string known;
      for (const Layer& l : layers) known += (known.empty() ? "" : ", ") + layer_of(l.weight->name);
      return not_found("layer '" + name + "': there is no such layer; this network has " + known);
    }
    if (layer->settled) return invalid("layer '" + name + "': its density is given twice; give it once");
    settle(*layer, share, "set by hand");
  }
  // Rounding of the sum, not a demand that cannot be met.
  if (budget < -1e-9 * all)
    return invalid("density " + percent(density) +
                   " cannot be reached: the layers with a fixed density use " +
                   percent((density * all - budget) / all) + "; raise the density or lower theirs");
  // Layers that would need more than all their weights become dense and leave the rest of the budget to the
  // others.
  while (true) {
    double demand = 0.0;
    for (const Layer& layer : layers)
      if (!layer.settled) demand += layer.raw * static_cast<double>(layer.weight->shape.elements());
    if (demand == 0.0) break;
    if (budget <= 1e-9 * density * all)
      return invalid("density " + percent(density) +
                     " cannot be reached: the layers with a fixed density leave nothing to "
                     "the others; raise the density or lower theirs");
    const double scale = budget / demand;
    bool clipped = false;
    for (Layer& layer : layers)
      if (!layer.settled && layer.raw * scale >= 1.0) {
        settle(layer, 1.0,
               density < 1.0 ? "dense: its share of the density exceeds its size" : "dense: density is 1");
        clipped = true;
      }
    if (clipped) continue;
    for (Layer& layer : layers)
      if (!layer.settled) {
        layer.density = layer.raw * scale;
        layer.settled = true;
        layer.reason = "its share of the density";
      }
  }

  std::vector<LayerChoice> choices;
  int64_t least = 0;  // weights in one block of each layer
  for (Layer& layer : layers) {
    const int64_t groups = groups_of(graph, *layer.weight);
    const BlockShape block = fitting_block(sparsity.block, layer.weight->shape, groups);
    if (!(block == sparsity.block))
      layer.reason += "; block " + sparsity.block.text() + " does not fit " + layer.weight->shape.text() +
                      (groups > 1 ? " in " + std::to_string(groups) + " groups" : "") + ", takes " +
                      block.text();
    if (layer.weight->frozen) layer.reason += "; frozen";
    choices.push_back({layer.weight->name, layer.density, block, layer.reason});
    least += block.size();
  }
  if (density * all < static_cast<double>(least))
    return invalid("density " + percent(density) + " cannot be reached: a single block in each of " +
                   std::to_string(layers.size()) + " layers is " + percent(static_cast<double>(least) / all) +
                   " of the weights; raise the density");
  return choices;
}

Status freeze(Graph& graph, const std::string& patterns) {
  std::vector<ValueId> trained;
  for (size_t v = 0; v < graph.values().size(); ++v)
    if (graph.values()[v].kind == ValueKind::kParam) trained.push_back(static_cast<ValueId>(v));
  std::istringstream list(patterns);
  for (std::string pattern; std::getline(list, pattern, ',');) {
    bool matched = false;
    for (const ValueId id : trained)
      if (matches(graph.value(id).name, pattern)) matched = graph.value(id).frozen = true;
    if (matched) continue;
    std::string known;
    for (const ValueId id : trained) known += (known.empty() ? "" : ", ") + graph.value(id).name;
    return invalid("'" + pattern + "' is the name of no parameter; there are " + known);
  }
  if (std::all_of(trained.begin(), trained.end(), [&graph](ValueId id) { return graph.value(id).frozen; }))
    return invalid("'" + patterns + "' leaves nothing to train");
  return {};
}

Result<Network::Size> Network::size(const Graph& graph, const SparsityConfig& sparsity) {
  TRY_ASSIGN(const std::vector<LayerChoice> choices, distribute(graph, sparsity));
  Size size;
  auto choice = choices.begin();
  for (const Value& value : graph.values())
    if (value.kind == ValueKind::kState)
      size.states += value.shape.elements();
    else if (value.kind == ValueKind::kParam) {
      int64_t numbers = value.shape.elements();
      if (is_weight(value)) numbers = live_blocks(value, *choice) * choice->block.size(), ++choice;
      size.params += numbers;
      size.trained += value.frozen ? 0 : numbers;
    }
  return size;
}

Result<Network> Network::create(Graph graph, const SparsityConfig& sparsity, uint64_t seed) {
  Network network;
  TRY_ASSIGN(network.choices, distribute(graph, sparsity));
  auto choice = network.choices.begin();
  for (const Value& value : graph.values()) {
    if (value.kind == ValueKind::kState) {
      network.states.push_back(Param::vector(value.name, value.shape.sizes));
      initialise(network.states.back(), value, seed);
    }
    if (value.kind != ValueKind::kParam) continue;
    if (is_weight(value)) {
      const int64_t rows = value.shape.size('o'), cols = value.shape.elements() / rows;
      const int64_t live = live_blocks(value, *choice);
      network.params.push_back(Param::weight(
          value.name, value.shape.sizes, random_pattern(rows, cols, choice->block, live, seed, value.name)));
      ++choice;
    } else {
      network.params.push_back(Param::vector(value.name, value.shape.sizes));
    }
    initialise(network.params.back(), value, seed);
  }
  network.graph = std::move(graph);
  return network;
}

Param* Network::find(const std::string& name) {
  for (std::vector<Param>* list : {&params, &states})
    for (Param& param : *list)
      if (param.name() == name) return &param;
  return nullptr;
}

const Param* Network::find(const std::string& name) const {
  return const_cast<Network*>(this)->find(name);  // finding changes nothing
}

bool Network::frozen(const Param& param) const { return graph.value(graph.find(param.name())).frozen; }

Param& Network::param(ValueId value) { return *find(graph.value(value).name); }

int64_t Network::live_weights() const {
  int64_t sum = 0;
  for (const Param& param : params) sum += param.is_weight() ? param.live() : 0;
  return sum;
}

int64_t Network::total_weights() const {
  int64_t sum = 0;
  for (const Param& param : params) sum += param.is_weight() ? param.total() : 0;
  return sum;
}

}  // namespace coppice
