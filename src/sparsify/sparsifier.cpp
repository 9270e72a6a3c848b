// SPDX-License-Identifier: Apache-2.0
#include "sparsify/sparsifier.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/text.h"
#include "sparse/select.h"
#include "sparsify/flow.h"
#include "sparsify/growth.h"

namespace coppice {

namespace {

// What stays of a layer so far.
struct Left {
  Pattern pattern;
  std::vector<float> value;  // canonical
};

Left left_of(const Pattern& pattern, const std::vector<bool>& kept, std::span<const float> value) {
  const auto size = static_cast<size_t>(pattern.block().size());
  std::vector<int32_t> indptr{0}, indices;
  std::vector<float> values;
  size_t block = 0;
  for (int64_t row = 0; row < pattern.block_rows(); ++row) {
    for (const int32_t column : pattern.row(row)) {
      if (kept[block]) {
        indices.push_back(column);
        const auto of_block = value.subspan(block * size, size);
        values.insert(values.end(), of_block.begin(), of_block.end());
      }
      ++block;
    }
    indptr.push_back(static_cast<int32_t>(indices.size()));
  }
  return {Pattern::of_canonical(pattern.rows(), pattern.cols(), pattern.block(), std::move(indptr),
                                std::move(indices)),
          std::move(values)};
}

}  // namespace

// A layer that may change, while it does.
struct Sparsifier::Layer {
  Param* param;
  Share share;
  Pattern pattern;
  std::vector<float> value, gradient;  // canonical
  std::vector<float> score;            // [blocks]
  std::vector<bool> kept;              // [blocks], so far
  int64_t kept_blocks;
  int64_t to_grow;  // blocks
  const TopologySchedule& schedule;
  double run_share;
  uint64_t seed;
  int64_t step;

  LayerState state() const { return {*param, pattern, value, gradient, schedule, run_share, seed, step}; }
  LayerState state(const Left& left) const {
    return {*param, left.pattern, left.value, {}, schedule, run_share, seed, step};
  }
  int64_t positions() const { return pattern.block_rows() * pattern.block_cols(); }
  void keep_best(int64_t blocks) {
    std::vector<float> scores = score;
    for (size_t b = 0; b < scores.size(); ++b)
      if (!kept[b]) scores[b] = -1.0f;  // below any score
    std::fill(kept.begin(), kept.end(), false);
    for (const int64_t b : select_top_k(scores, blocks)) kept[static_cast<size_t>(b)] = true;
    kept_blocks = blocks;
  }
};

namespace {

int64_t at_share(double share, const RunLength& run) {
  return std::llround(share * static_cast<double>(run.updates));
}

// The density falls before an update, and so before the last one at the latest.
int64_t prune_end(const TopologySchedule& schedule, const RunLength& run) {
  return std::min(at_share(schedule.prune_end, run), std::max<int64_t>(0, run.updates - 1));
}
int64_t prune_begin(const TopologySchedule& schedule, const RunLength& run) {
  return std::min(at_share(schedule.prune_begin, run), prune_end(schedule, run));
}

int64_t interval(const TopologySchedule& schedule, const RunLength& run) {
  return std::max<int64_t>(1, schedule.update_every > 0 ? schedule.update_every : run.epoch);
}

int64_t blocks_at(double density, int64_t positions) {
  return std::clamp<int64_t>(std::llround(density * static_cast<double>(positions)), 1, positions);
}

// The live entries of a dense gradient, in canonical order.
void take_live(const Pattern& pattern, const DenseGradientBlock& rows, std::vector<float>& live) {
  const BlockShape block = pattern.block();
  for (int64_t row = 0; row < rows.rows; row += block.rows) {
    const int64_t block_row = (rows.first_row + row) / block.rows;
    auto at = static_cast<size_t>(pattern.indptr()[static_cast<size_t>(block_row)]) *
              static_cast<size_t>(block.size());
    for (const int32_t column : pattern.row(block_row))
      for (int r = 0; r < block.rows; ++r)
        for (int c = 0; c < block.cols; ++c) live[at++] = rows.at(row + r, column * block.cols + c);
  }
}

TopologyEdit edit_of(const Pattern& pattern, const std::vector<bool>& kept,
                     const std::vector<int64_t>& grown) {
  TopologyEdit edit;
  size_t next = 0;
  int32_t block = 0;
  for (int64_t row = 0; row < pattern.block_rows(); ++row)
    for (const int32_t column : pattern.row(row)) {
      const int64_t position = row * pattern.block_cols() + column;
      while (next < grown.size() && grown[next] < position) edit.grow.push_back(grown[next++]);
      // What is dropped and grown in one edit stays, with its state.
      const bool again = next < grown.size() && grown[next] == position;
      next += again;
      if (!kept[static_cast<size_t>(block)] && !again) edit.drop.push_back(block);
      ++block;
    }
  edit.grow.insert(edit.grow.end(), grown.begin() + static_cast<std::ptrdiff_t>(next), grown.end());
  return edit;
}

Status check(const MethodDef& method, const TopologySchedule& s, double initial, double target) {
  if (!method.keep && !method.reconstructs && (s.initial_density > 0 || s.drop_fraction > 0))
    return invalid(std::string("method: ") + method.name + " never changes a pattern");
  if (initial < target)
    return invalid("initial_density: " + shortest(initial) + " is below the density of " + shortest(target) +
                   " that the run ends with; raise it");
  if (s.prune_begin > s.prune_end) return invalid("prune_begin: lies after prune_end; lower it");
  if (s.drop_fraction > 0 && !method.grows())
    return invalid(std::string("drop_fraction: ") + method.name +
                   " grows nothing in place of what it drops; leave it out");
  if ((method.keep || method.reconstructs) && target >= 1.0)
    return invalid(std::string("method: ") + method.name +
                   " has nothing to do at density 1; lower --density");
  return {};
}

}  // namespace

SparsityConfig Sparsifier::initial(const SparsifyConfig& config, const SparsityConfig& target) {
  SparsityConfig start = target;
  if (config.schedule.initial_density <= 0) return start;
  start.density = config.schedule.initial_density;
  // Densities that were asked for by name are those of the end, but for layers that are dense all along.
  std::erase_if(start.layers, [](const auto& layer) { return layer.second < 1.0; });
  return start;
}

Result<Sparsifier> Sparsifier::create(const SparsifyConfig& config, const SparsityConfig& target,
                                      const Graph& graph, uint64_t seed) {
  Sparsifier out;
  const MethodDef* method = find_method(config.method);
  if (!method) return invalid("method: " + unknown_method(config.method));
  const SparsityConfig start = initial(config, target);
  TRY(check(*method, config.schedule, start.density, target.density));
  if (!method->keep) return out;
  out.method_ = method;
  out.schedule_ = config.schedule;
  out.initial_density_ = start.density;
  out.target_density_ = target.density;
  out.seed_ = seed;
  TRY_ASSIGN(const std::vector<LayerChoice> from, distribute(graph, start));
  TRY_ASSIGN(const std::vector<LayerChoice> to, distribute(graph, target));
  for (size_t i = 0; i < to.size(); ++i) {
    const std::string& name = to[i].weight;
    const bool frozen = graph.value(graph.find(name)).frozen;
    const bool alone = names_layer(target, name);
    if (frozen || (alone && to[i].density >= 1.0)) continue;
    out.shares_[name] = {from[i].density, to[i].density, alone};
  }
  if (method->removes_chains) out.chains_ = find_chains(graph);
  if (out.shares_.empty())
    return invalid("method: every layer is frozen or kept dense, so no pattern may change");
  return out;
}

bool Sparsifier::wants_gradients() const {
  return method_ && (method_->grows_by_gradient || method_->keep_gradient == KeepGradient::kBatch);
}

bool Sparsifier::wants_gradient_of(const Param& param) const {
  return wants_gradients() && may_change(param);
}

// ---- when

double Sparsifier::progress(int64_t step, const RunLength& run) const {
  const int64_t begin = prune_begin(schedule_, run), end = prune_end(schedule_, run);
  if (step >= end) return 1.0;
  if (step < begin) return 0.0;
  const double left = 1.0 - static_cast<double>(step - begin) / static_cast<double>(end - begin);
  if (schedule_.prune_curve == PruneCurve::kCubic) return 1.0 - left * left * left;
  // From 0 to 1, which a sigmoid only comes close to.
  const auto sigmoid = [this](double x) { return 1.0 / (1.0 + std::exp(-schedule_.prune_steepness * x)); };
  return (sigmoid(1.0 - 2.0 * left) - sigmoid(-1.0)) / (sigmoid(1.0) - sigmoid(-1.0));
}

bool Sparsifier::prunes(int64_t step, const RunLength& run) const {
  if (!falls()) return false;
  const int64_t begin = prune_begin(schedule_, run), end = prune_end(schedule_, run);
  return step >= begin && step <= end && ((step - begin) % interval(schedule_, run) == 0 || step == end);
}

bool Sparsifier::moves(int64_t step, const RunLength& run) const {
  return method_ && method_->grows() && schedule_.drop_fraction > 0 && step > 0 &&
         step < at_share(schedule_.update_until, run) && step % interval(schedule_, run) == 0;
}

bool Sparsifier::due(int64_t step, const RunLength& run) const {
  return prunes(step, run) || moves(step, run);
}

bool Sparsifier::takes_batch(int64_t step, const RunLength& run) const {
  return (method_ && method_->keep_gradient == KeepGradient::kBatch && prunes(step, run)) ||
         (method_ && method_->grows_by_gradient && moves(step, run));
}

bool Sparsifier::is_final(int64_t step, const RunLength& run) const {
  return !falls() || step >= prune_end(schedule_, run);
}

double Sparsifier::drop_fraction(int64_t step, const RunLength& run) const {
  if (schedule_.drop_decay == Decay::kConstant) return schedule_.drop_fraction;
  const double end = schedule_.update_until * static_cast<double>(run.updates);
  return schedule_.drop_fraction / 2 * (1 + std::cos(std::numbers::pi * static_cast<double>(step) / end));
}

// ---- how much, and what

// Gradients of the synaptic flow through what stays so far.
Status Sparsifier::score_by_flow(std::vector<Layer>& layers, Network& network) {
  std::map<std::string, std::vector<double>> weights;
  for (const Layer& layer : layers) {
    std::vector<double>& dense = weights[layer.param->name()];
    dense.assign(static_cast<size_t>(layer.pattern.total()), 0.0);
    const std::vector<size_t> places = live_places(layer.pattern);
    const auto size = static_cast<size_t>(layer.pattern.block().size());
    for (size_t k = 0; k < places.size(); ++k)
      if (layer.kept[k / size]) dense[places[k]] = layer.value[k];
  }
  TRY_ASSIGN(const auto gradients, flow_gradients(network, std::move(weights)));
  for (Layer& layer : layers) {
    const std::vector<double>& dense = gradients.at(layer.param->name());
    const std::vector<size_t> places = live_places(layer.pattern);
    layer.gradient.resize(places.size());
    for (size_t k = 0; k < places.size(); ++k) layer.gradient[k] = static_cast<float>(dense[places[k]]);
  }
  return {};
}

std::vector<Sparsifier::Layer> Sparsifier::layers_of(Network& network, int64_t step,
                                                     const RunLength& run) const {
  const double run_share = static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, run.updates));
  std::vector<Layer> layers;
  for (Param& param : network.params) {
    const auto share = shares_.find(param.name());
    if (share == shares_.end()) continue;
    Layer layer{&param,
                share->second,
                param.pattern(),
                param.canonical(param.value),
                {},
                {},
                {},
                0,
                0,
                schedule_,
                run_share,
                seed_,
                step};
    layer.kept_blocks = layer.pattern.blocks();
    layer.kept.assign(static_cast<size_t>(layer.kept_blocks), true);
    layers.push_back(std::move(layer));
  }
  return layers;
}

// How much each live block is worth to the method, of those that stay so far.
Status Sparsifier::score(std::vector<Layer>& layers, Network& network,
                         const GradientSource& gradients) const {
  if (method_->keep_gradient == KeepGradient::kBatch) {
    for (Layer& layer : layers) layer.gradient.resize(layer.value.size());
    TRY(gradients([&](const DenseGradientBlock& rows) {
      for (Layer& layer : layers)
        if (layer.param == &rows.param) take_live(layer.pattern, rows, layer.gradient);
    }));
  }
  if (method_->keep_gradient == KeepGradient::kFlow) TRY(score_by_flow(layers, network));
  for (Layer& layer : layers) {
    layer.score = method_->keep(layer.state());
    for (float& score : layer.score) score = orderly(score);
  }
  return {};
}

// Cuts to the density at that progress of the schedule, or a share of the way there.
void Sparsifier::cut(std::vector<Layer>& layers, const Network& network, double progress, double way) const {
  const auto between = [progress](double from, double to) { return from + (to - from) * progress; };
  const auto on_the_way = [way](double from, double to) {
    return way < 1.0 && from > to ? from * std::pow(to / from, way) : to;
  };
  const auto total = static_cast<double>(network.total_weights());
  const int64_t live = network.live_weights();
  const double density =
      on_the_way(static_cast<double>(live) / total, between(initial_density_, target_density_));
  int64_t budget = std::llround(density * total) - live;
  for (Layer& layer : layers) {
    const int64_t size = layer.pattern.block().size();
    budget += (layer.pattern.blocks() - layer.kept_blocks) * size;
    if (schedule_.ranking == Ranking::kNetwork && !layer.share.alone) {
      budget += layer.kept_blocks * size;
      continue;
    }
    const double share =
        on_the_way(layer.pattern.density(), between(layer.share.initial, layer.share.target));
    const int64_t blocks = std::min(layer.kept_blocks, blocks_at(share, layer.positions()));
    budget += (layer.kept_blocks - blocks) * size;
    layer.keep_best(blocks);
  }
  if (schedule_.ranking == Ranking::kNetwork) cut_network(layers, budget);
}

// Keeps the best blocks of all layers together, of at most `budget` weights; the best of each layer in any
// case.
void Sparsifier::cut_network(std::vector<Layer>& layers, int64_t budget) const {
  struct Block {
    float score;
    size_t layer, index;
    bool first;  // the best of its layer
  };
  std::vector<Block> blocks;
  for (size_t l = 0; l < layers.size(); ++l) {
    const std::vector<float>& score = layers[l].score;
    if (layers[l].share.alone) continue;
    const size_t first = blocks.size();
    for (size_t b = 0; b < score.size(); ++b)
      if (layers[l].kept[b]) blocks.push_back({score[b], l, b, false});
    const auto best = std::max_element(blocks.begin() + static_cast<std::ptrdiff_t>(first), blocks.end(),
                                       [](const Block& a, const Block& b) { return a.score < b.score; });
    if (best != blocks.end()) best->first = true;
    std::fill(layers[l].kept.begin(), layers[l].kept.end(), false);
    layers[l].kept_blocks = 0;
  }
  const auto size_of = [&layers](const Block& block) { return layers[block.layer].pattern.block().size(); };
  const auto keep = [&](const Block& block) {
    budget -= size_of(block);
    layers[block.layer].kept[block.index] = true;
    ++layers[block.layer].kept_blocks;
  };
  // Where all are alike, as mostly, nothing has to be sorted.
  if (std::all_of(blocks.begin(), blocks.end(),
                  [&](const Block& block) { return size_of(block) == size_of(blocks.front()); })) {
    std::vector<float> scores;
    std::vector<size_t> others;
    for (size_t b = 0; b < blocks.size(); ++b) {
      if (blocks[b].first) {
        keep(blocks[b]);
        continue;
      }
      scores.push_back(blocks[b].score);
      others.push_back(b);
    }
    if (others.empty()) return;
    const int64_t fit = std::clamp<int64_t>(budget / size_of(blocks.front()), 0, std::ssize(others));
    for (const int64_t at : select_top_k(scores, fit)) keep(blocks[others[static_cast<size_t>(at)]]);
    return;
  }
  std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) {
    if (a.first != b.first) return a.first;
    if (a.score != b.score) return a.score > b.score;
    return a.layer != b.layer ? a.layer < b.layer : a.index < b.index;
  });
  for (const Block& block : blocks)
    if (block.first || size_of(block) <= budget) keep(block);
}

// As many grow as are dropped: the live count stays.
void Sparsifier::drop(Layer& layer, double fraction) const {
  if (method_->hold) {
    const Left left = left_of(layer.pattern, layer.kept, layer.value);
    const std::vector<float> scores = method_->hold(layer.state(left));
    for (size_t b = 0, next = 0; b < layer.score.size(); ++b)
      if (layer.kept[b]) layer.score[b] = orderly(scores[next++]);
  }
  const auto wanted = static_cast<int64_t>(fraction * static_cast<double>(layer.kept_blocks));
  layer.to_grow = std::min(wanted, layer.positions() - layer.kept_blocks);
  layer.keep_best(layer.kept_blocks - layer.to_grow);
}

// What it takes out of a layer grows elsewhere in that layer.
void Sparsifier::remove_chains(std::vector<Layer>& layers, Network& network) const {
  std::map<std::string, Pattern> fixed;
  std::map<std::string, size_t> index;
  std::vector<Links> links;
  std::vector<std::pair<size_t, size_t>> pairs;
  for (const Layer& layer : layers) {
    index[layer.param->name()] = links.size();
    links.push_back({layer.pattern, layer.kept});
  }
  const auto at = [&](const std::string& name) {
    if (const auto known = index.find(name); known != index.end()) return known->second;
    const Pattern& pattern = fixed.emplace(name, network.find(name)->pattern()).first->second;
    index[name] = links.size();
    links.push_back({pattern, std::vector<bool>(static_cast<size_t>(pattern.blocks()), true), true});
    return links.size() - 1;
  };
  for (const Chain& chain : chains_) pairs.emplace_back(at(chain.before), at(chain.after));
  coppice::remove_chains(links, pairs);
  for (size_t l = 0; l < layers.size(); ++l) {
    layers[l].kept = std::move(links[l].kept);
    const int64_t kept = std::count(layers[l].kept.begin(), layers[l].kept.end(), true);
    layers[l].to_grow += layers[l].kept_blocks - kept;
    layers[l].kept_blocks = kept;
  }
}

Result<std::vector<std::vector<int64_t>>> Sparsifier::grow_by_gradient(
    const std::vector<Layer>& layers, const GradientSource& gradients) const {
  std::map<const Param*, Growth> growth;
  for (const Layer& layer : layers) growth.try_emplace(layer.param, layer.pattern, layer.kept, layer.to_grow);
  TRY(gradients([&](const DenseGradientBlock& rows) {
    const auto at =
        std::find_if(layers.begin(), layers.end(), [&](const Layer& l) { return l.param == &rows.param; });
    if (at == layers.end() || at->to_grow == 0) return;
    growth.at(at->param).offer(rows);
  }));
  std::vector<std::vector<int64_t>> grown;
  grown.reserve(layers.size());
  for (const Layer& layer : layers) grown.push_back(growth.at(layer.param).take());
  return grown;
}

// The positions that grow, ascending, for each layer.
Result<std::vector<std::vector<int64_t>>> Sparsifier::grow(const std::vector<Layer>& layers,
                                                           const GradientSource& gradients) const {
  if (!method_->grow) return grow_by_gradient(layers, gradients);
  std::vector<std::vector<int64_t>> grown;
  for (const Layer& layer : layers) {
    const Left left = left_of(layer.pattern, layer.kept, layer.value);
    grown.push_back(method_->grow(layer.state(left), layer.to_grow));
  }
  return grown;
}

std::vector<float> Sparsifier::grown_values(const Layer& layer, const Network& network,
                                            const TopologyEdit& edit) const {
  if (schedule_.grown_value == GrownValue::kZero) return {};
  const auto size = static_cast<size_t>(layer.pattern.block().size());
  const std::string& name = layer.param->name();
  const int64_t live = layer.pattern.live() +
                       (static_cast<int64_t>(edit.grow.size()) - static_cast<int64_t>(edit.drop.size())) *
                           static_cast<int64_t>(size);
  Rng rng(seed_, stream_id("grown " + name, static_cast<uint64_t>(layer.step)));
  return initial_values(network.graph.value(network.graph.find(name)), live, edit.grow.size() * size, rng);
}

Result<EditReport> Sparsifier::edit(Network& network, int64_t step, const RunLength& run,
                                    const GradientSource& gradients, const EditWatch& on_round) const {
  EditReport report;
  if (!due(step, run)) return report;
  std::vector<Layer> layers = layers_of(network, step, run);
  const bool cuts = prunes(step, run);
  const int64_t rounds = cuts ? schedule_.rounds : 1;
  for (int64_t round = 1; round <= rounds; ++round) {
    if (on_round) TRY(on_round(round - 1, rounds));
    TRY(score(layers, network, gradients));
    if (cuts)
      cut(layers, network, progress(step, run), static_cast<double>(round) / static_cast<double>(rounds));
  }
  std::vector<std::vector<int64_t>> grown(layers.size());
  if (moves(step, run)) {
    for (Layer& layer : layers) drop(layer, drop_fraction(step, run));
    if (method_->removes_chains) remove_chains(layers, network);
    TRY_ASSIGN(grown, grow(layers, gradients));
  }
  const int64_t first_update = step + (takes_batch(step, run) ? 1 : 0);
  for (size_t l = 0; l < layers.size(); ++l) {
    const TopologyEdit edit = edit_of(layers[l].pattern, layers[l].kept, grown[l]);
    const int64_t size = layers[l].pattern.block().size();
    report.dropped += static_cast<int64_t>(edit.drop.size()) * size;
    report.grown += static_cast<int64_t>(edit.grow.size()) * size;
    if (!edit.drop.empty() || !edit.grow.empty())
      TRY(layers[l].param->apply(edit, first_update, grown_values(layers[l], network, edit)));
  }
  return report;
}

}  // namespace coppice
