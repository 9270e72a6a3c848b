// SPDX-License-Identifier: Apache-2.0
#include "sparsify/reconstruct.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "base/cholesky.h"
#include "base/rng.h"
#include "graph/op.h"
#include "passes/nodes.h"
#include "sparse/select.h"
#include "sparsify/ticket.h"

namespace coppice {
namespace {

constexpr double kDamping = 0.01;
constexpr int64_t kColumns = 128;  // whose errors are made up for before the next are chosen
// Places of a picture that are looked at: neighbours say nearly the same.
constexpr int64_t kPlaces = 32;
// Rows that are enough for a Hessian of a thousand columns and more.
constexpr int64_t kRows = 16384;

bool is_product(const Node& node) { return is(node, "linear") || is(node, "conv2d"); }

// Reads what a layer multiplies with its weights: a row of numbers for each sample or place of one.
class Rows {
 public:
  Rows(const Graph& graph, const Node& node) : node_(node) {
    const Shape &x = graph.value(node.inputs[0]).shape, &w = graph.value(node.inputs[1]).shape;
    const Shape& y = graph.value(node.outputs[0]).shape;
    spatial_ = w.has('h');
    channels_ = spatial_ ? x.size('c') : x.elements();
    height_ = x.size('h');
    width_ = x.size('w');
    kernel_h_ = w.size('h');
    kernel_w_ = w.size('w');
    out_h_ = y.size('h');
    out_w_ = y.size('w');
  }
  int64_t columns() const { return spatial_ ? channels_ * kernel_h_ * kernel_w_ : channels_; }
  int64_t places() const { return spatial_ ? out_h_ * out_w_ : 1; }

  // [columns], of one sample at one place of the output.
  void read(const coppice_tiled& x, int64_t sample, int64_t place, float* row) const {
    const float* tile = x.base + sample / x.width * x.tile_stride + sample % x.width;
    if (!spatial_) {
      for (int64_t c = 0; c < channels_; ++c) row[c] = tile[c * x.width];
      return;
    }
    const int64_t stride = node_.integer("stride", 1), padding = node_.integer("padding", 0),
                  dilation = node_.integer("dilation", 1);
    const bool wrap = node_.integer("wrap", 0) != 0;
    const int64_t line = width_ + 2 * x.halo, plane = (height_ + 2 * x.halo) * line;
    for (int64_t c = 0; c < channels_; ++c)
      for (int64_t ky = 0; ky < kernel_h_; ++ky)
        for (int64_t kx = 0; kx < kernel_w_; ++kx) {
          int64_t iy = place / out_w_ * stride - padding + ky * dilation;
          int64_t ix = place % out_w_ * stride - padding + kx * dilation;
          if (wrap) {
            iy = (iy % height_ + height_) % height_;
            ix = (ix % width_ + width_) % width_;
          }
          const bool inside = iy >= 0 && iy < height_ && ix >= 0 && ix < width_;
          *row++ = inside ? tile[(c * plane + (iy + x.halo) * line + ix + x.halo) * x.width] : 0.0f;
        }
  }

 private:
  const Node& node_;
  bool spatial_;
  int64_t channels_, height_, width_, kernel_h_, kernel_w_, out_h_, out_w_;
};

// 2 sum of x x^T, its lower half. [columns][columns]
Result<std::vector<double>> hessian_of(const Network& network, const Node& node, Executor& executor,
                                       const Calibration& calibration) {
  const Rows rows(network.graph, node);
  const int64_t n = rows.columns();
  std::vector<double> hessian(static_cast<size_t>(n * n));
  std::vector<float> together;  // rows that are added at once, so that H is read seldom
  constexpr int64_t kTogether = 64;
  int64_t count = 0, all = 0;
  const auto add = [&] {
    for (int64_t i = 0; i < n; ++i) {
      double* h = hessian.data() + i * n;
      for (int64_t r = 0; r < count; ++r) {
        const float* x = together.data() + r * n;
        const double factor = 2.0 * static_cast<double>(x[i]);
        if (factor == 0) continue;
        for (int64_t j = 0; j <= i; ++j) h[j] += factor * static_cast<double>(x[j]);
      }
    }
    all += count;
    count = 0;
  };
  together.resize(static_cast<size_t>(kTogether * n));
  for (int64_t b = 0; b < calibration.batches && all < kRows; ++b) {
    TRY_ASSIGN(const BatchView batch, calibration.batch(b));
    TRY(executor.evaluate(batch).status());
    const coppice_tiled x = executor.view(node.inputs[0]);
    coppice_tiled input = x;
    if (input.base == nullptr) {  // of the network itself
      input.base = static_cast<float*>(batch.x);
      input.tile_stride = network.graph.value(node.inputs[0]).shape.elements() * input.width;
    }
    Rng rng(calibration.seed, stream_id("calibrate " + node.name, static_cast<uint64_t>(b)));
    for (int64_t sample = 0; sample < batch.samples; ++sample)
      for (int64_t p = 0; p < std::min(kPlaces, rows.places()); ++p) {
        const int64_t place = rows.places() <= kPlaces
                                  ? p
                                  : static_cast<int64_t>(rng.below(static_cast<uint64_t>(rows.places())));
        rows.read(input, sample, place, together.data() + count * n);
        if (++count == kTogether) add();
      }
  }
  add();
  return hessian;
}

// One layer at work. Weights [rows][columns], all positions.
class Layer {
 public:
  Layer(Param& param, const Pattern& pattern, int64_t blocks)
      : param_(param), pattern_(pattern), blocks_(blocks), kept_(positions(), false) {
    const std::vector<float> value = param.canonical(param.value);
    weights_.resize(static_cast<size_t>(pattern.total()));
    size_t k = 0;
    for (const size_t place : live_places(pattern)) weights_[place] = static_cast<double>(value[k++]);
  }

  Status prune(std::vector<double> hessian) {
    const int64_t n = pattern_.cols();
    double mean = 0;
    for (int64_t j = 0; j < n; ++j) mean += hessian[static_cast<size_t>(j * n + j)] / static_cast<double>(n);
    if (!std::isfinite(mean))
      return {Code::kDiverged, "layer '" + param_.name() + "': gets numbers that are not finite"};
    // A layer that gets nothing but zeros has no errors to make up for.
    const double raise = mean > 0 ? kDamping * mean : 1.0;
    for (int64_t j = 0; j < n; ++j) hessian[static_cast<size_t>(j * n + j)] += raise;
    auto factor = upper_factor_of_inverse(std::move(hessian), n);
    if (!factor.ok()) return factor.status().within("layer '" + param_.name() + "'");
    factor_ = factor.take();
    const std::vector<int64_t> quota = quota_of_groups();
    for (int64_t begin = 0; begin < n; begin += kColumns) {
      const int64_t end = std::min(n, begin + kColumns);
      choose(begin, end, quota[static_cast<size_t>(begin / kColumns)]);
      make_up(begin, end);
    }
    return finish();
  }

 private:
  size_t positions() const { return static_cast<size_t>(pattern_.block_rows() * pattern_.block_cols()); }
  bool lives(int64_t block_row, int64_t column) const {
    const auto row = pattern_.row(block_row);
    return std::binary_search(row.begin(), row.end(), static_cast<int32_t>(column));
  }

  // The squared error that the layer makes without the block, with the others making up for it as well as
  // they can; of the columns from `first` on, as those before are settled. [H^-1]_jj of what is left is the
  // square of U_jj.
  float score(int64_t block_row, int64_t column, std::span<const double> inverse_diagonal) const {
    const BlockShape block = pattern_.block();
    double sum = 0;
    for (int r = 0; r < block.rows; ++r)
      for (int c = 0; c < block.cols; ++c) {
        const int64_t j = column * block.cols + c;
        const double w = weights_[static_cast<size_t>((block_row * block.rows + r) * pattern_.cols() + j)];
        sum += w * w / inverse_diagonal[static_cast<size_t>(j)];
      }
    return static_cast<float>(sum);
  }

  // How many blocks stay in each group of columns, by the scores of the whole layer.
  std::vector<int64_t> quota_of_groups() const {
    const int64_t n = pattern_.cols();
    std::vector<double> diagonal(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i; j < n; ++j) {
        const double u = factor_[static_cast<size_t>(i * n + j)];
        diagonal[static_cast<size_t>(j)] += u * u;
      }
    std::vector<float> scores;
    std::vector<int64_t> group;
    for (int64_t row = 0; row < pattern_.block_rows(); ++row)
      for (const int32_t column : pattern_.row(row)) {
        scores.push_back(score(row, column, diagonal));
        group.push_back(int64_t{column} * pattern_.block().cols / kColumns);
      }
    std::vector<int64_t> quota(static_cast<size_t>((n + kColumns - 1) / kColumns));
    for (const int64_t b : select_top_k(scores, blocks_))
      ++quota[static_cast<size_t>(group[static_cast<size_t>(b)])];
    return quota;
  }

  void choose(int64_t begin, int64_t end, int64_t count) {
    const int64_t n = pattern_.cols(), cols = pattern_.block().cols;
    std::vector<double> diagonal(static_cast<size_t>(n));
    for (int64_t j = begin; j < end; ++j) {
      const double u = factor_[static_cast<size_t>(j * n + j)];
      diagonal[static_cast<size_t>(j)] = u * u;
    }
    std::vector<float> scores;
    std::vector<size_t> place;
    for (int64_t row = 0; row < pattern_.block_rows(); ++row)
      for (int64_t column = begin / cols; column < end / cols; ++column) {
        if (!lives(row, column)) continue;
        scores.push_back(score(row, column, diagonal));
        place.push_back(static_cast<size_t>(row * pattern_.block_cols() + column));
      }
    for (const int64_t b : select_top_k(scores, count)) kept_[place[static_cast<size_t>(b)]] = true;
  }

  bool keeps(int64_t row, int64_t column) const {
    const BlockShape block = pattern_.block();
    return kept_[static_cast<size_t>(row / block.rows * pattern_.block_cols() + column / block.cols)];
  }

  // Each weight that goes leaves an error, which the columns behind it take over.
  void make_up(int64_t begin, int64_t end) {
    const int64_t n = pattern_.cols();
    for (int64_t row = 0; row < pattern_.rows(); ++row) {
      double* w = weights_.data() + row * n;
      for (int64_t j = begin; j < end; ++j) {
        if (keeps(row, j) || w[j] == 0) continue;
        const double* u = factor_.data() + j * n;
        const double error = w[j] / u[j];
        for (int64_t k = j; k < n; ++k) w[k] -= error * u[k];
        w[j] = 0;
      }
    }
  }

  Status finish() {
    TopologyEdit edit;
    int32_t block = 0;
    for (int64_t row = 0; row < pattern_.block_rows(); ++row)
      for (const int32_t column : pattern_.row(row)) {
        if (!kept_[static_cast<size_t>(row * pattern_.block_cols() + column)]) edit.drop.push_back(block);
        ++block;
      }
    TRY(param_.apply(edit, 0));
    std::vector<float> value;
    for (const size_t place : live_places(param_.pattern()))
      value.push_back(static_cast<float>(weights_[place]));
    param_.set_canonical(param_.value, value);
    return {};
  }

  Param& param_;
  const Pattern pattern_;
  const int64_t blocks_;
  std::vector<double> weights_, factor_;
  std::vector<bool> kept_;  // [positions of blocks]
};

// Blocks that stay in each weight that may change.
Result<std::map<std::string, int64_t>> budgets(const Network& network, const SparsityConfig& target,
                                               Ranking ranking) {
  std::map<std::string, int64_t> blocks;
  TRY_ASSIGN(const std::vector<LayerChoice> choices, distribute(network.graph, target));
  // Of a network that a file brought, with its own blocks.
  for (const LayerChoice& choice : choices)
    for (const Param& param : network.params)
      if (param.name() == choice.weight && param.pattern().block() != choice.block)
        return invalid("layer '" + param.name() + "': is sparse already, in blocks of " +
                       param.pattern().block().text() + "; choose them with --block");
  for (const LayerChoice& choice : choices) {
    const Value& value = network.graph.value(network.graph.find(choice.weight));
    if (value.frozen || (names_layer(target, choice.weight) && choice.density >= 1)) continue;
    const int64_t positions = value.shape.elements() / choice.block.size();
    blocks[choice.weight] =
        std::clamp<int64_t>(std::llround(choice.density * static_cast<double>(positions)), 1, positions);
  }
  if (ranking == Ranking::kLayer) return blocks;
  SparsityConfig dense;
  dense.block = target.block;
  TRY_ASSIGN(Network copy, Network::create(network.graph, dense, 0));
  TRY(keep_patterns(copy, network));
  for (Param& param : copy.params)
    for (const Param& from : network.params)
      if (from.name() == param.name()) param.set_canonical(param.value, from.canonical(from.value));
  TRY(take_smallest(copy, target, ranking));
  for (auto& [name, count] : blocks) count = copy.find(name)->pattern().blocks();
  return blocks;
}

Status check(const Graph& graph, const Node& node) {
  const Shape& w = graph.value(node.inputs[1]).shape;
  if (node.integer("groups", 1) != 1)
    return unsupported("layer '" + node.name +
                       "': second-order pruning of grouped convolutions is not supported; keep it dense with "
                       "--layer " +
                       node.name + "=1");
  if (w.elements() / w.size('o') > kMostReconstructed)
    return unsupported("layer '" + node.name + "': has " + std::to_string(w.elements() / w.size('o')) +
                       " inputs, and second-order pruning takes at most " +
                       std::to_string(kMostReconstructed) + "; keep it dense with --layer " + node.name +
                       "=1");
  return {};
}

}  // namespace

std::vector<ValueId> reconstruction_inputs(const Graph& graph) {
  std::vector<ValueId> inputs;
  for (const Node& node : graph.nodes())
    if (is_product(node) && graph.value(node.inputs[0]).kind == ValueKind::kTiled)
      inputs.push_back(node.inputs[0]);
  return inputs;
}

Status reconstruct(Network& network, const SparsityConfig& target, Ranking ranking, Executor& executor,
                   const Calibration& calibration) {
  TRY_ASSIGN(const auto blocks, budgets(network, target, ranking));
  if (blocks.empty()) return invalid("method: every layer is frozen or kept dense, so no pattern may change");
  for (const Node& node : network.graph.nodes())
    if (is_product(node) && blocks.contains(network.graph.value(node.inputs[1]).name))
      TRY(check(network.graph, node));
  int64_t done = 0;
  for (const Node& node : network.graph.nodes()) {
    if (!is_product(node)) continue;
    const auto budget = blocks.find(network.graph.value(node.inputs[1]).name);
    if (budget == blocks.end()) continue;
    if (calibration.on_layer) calibration.on_layer(done++, static_cast<int64_t>(blocks.size()));
    Param& param = *network.find(budget->first);
    const Pattern pattern = param.pattern();
    if (budget->second >= pattern.blocks()) continue;
    TRY_ASSIGN(std::vector<double> hessian, hessian_of(network, node, executor, calibration));
    TRY(Layer(param, pattern, budget->second).prune(std::move(hessian)));
    TRY(executor.rebind());
  }
  return {};
}

}  // namespace coppice
