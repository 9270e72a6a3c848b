// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <vector>

#include "dataset/life.h"
#include "study/life_search.h"

namespace coppice {
namespace {

constexpr unsigned kRules = 512, kRowBits = 5, kRows = 1u << kRowBits;

// A layer of a network as doubles.
struct Layer {
  std::vector<double> weight, bias;  // [outputs][inputs], [outputs]
  size_t outputs() const { return bias.size(); }
  size_t inputs() const { return weight.size() / bias.size(); }
};

Result<Layer> layer_of(const Network& network, const std::string& name) {
  Layer layer;
  for (const Param& param : network.params) {
    const std::vector<float> values = param.canonical(param.value);
    if (param.name() == name + ".weight") layer.weight.assign(values.begin(), values.end());
    if (param.name() == name + ".bias") layer.bias.assign(values.begin(), values.end());
  }
  if (layer.weight.empty() || layer.bias.empty())
    return invalid("the network has no layer '" + name + "'; is it one of two steps?");
  return layer;
}

// out = relu(layer in), or without relu.
void apply(const Layer& layer, const double* in, double* out, bool relu) {
  for (size_t o = 0; o < layer.outputs(); ++o) {
    double sum = layer.bias[o];
    for (size_t i = 0; i < layer.inputs(); ++i) sum += layer.weight[o * layer.inputs() + i] * in[i];
    out[o] = relu && sum < 0 ? 0 : sum;
  }
}

// What the first step makes of each 3x3 neighbourhood, already multiplied by the kernel of the second at each
// of its 9 places: [9][512][outputs of the kernel]. So a 5x5 neighbourhood is a sum of nine rows.
std::vector<double> place_sums(const Layer& count, const Layer& decide, const Layer& second) {
  const size_t m = decide.outputs(), outputs = second.outputs();
  std::vector<double> sums(9 * kRules * outputs), cells(9), counted(count.outputs()), decided(m);
  for (unsigned rule = 0; rule < kRules; ++rule) {
    for (unsigned cell = 0; cell < 9; ++cell) cells[cell] = rule >> cell & 1;
    apply(count, cells.data(), counted.data(), true);
    apply(decide, counted.data(), decided.data(), true);
    for (size_t place = 0; place < 9; ++place)
      for (size_t o = 0; o < outputs; ++o) {
        double& sum = sums[(place * kRules + rule) * outputs + o];
        for (size_t c = 0; c < m; ++c) sum += second.weight[(o * m + c) * 9 + place] * decided[c];
      }
  }
  return sums;
}

// The three rules whose windows lie side by side in three rows of 5 cells.
std::array<unsigned, 3> rules_across(unsigned above, unsigned here, unsigned below) {
  std::array<unsigned, 3> rules;
  for (unsigned x = 0; x < 3; ++x) rules[x] = (above >> x & 7) | (here >> x & 7) << 3 | (below >> x & 7) << 6;
  return rules;
}

}  // namespace

Result<int64_t> wrong_after_two_steps(const Network& network) {
  TRY_ASSIGN(const Layer count, layer_of(network, "step1.count"));
  TRY_ASSIGN(const Layer decide, layer_of(network, "step1.decide"));
  TRY_ASSIGN(const Layer second, layer_of(network, "step2.count"));
  TRY_ASSIGN(const Layer second_decide, layer_of(network, "step2.decide"));
  TRY_ASSIGN(const Layer out, layer_of(network, "out"));
  const std::vector<double> sums = place_sums(count, decide, second);
  const std::vector<Neighbourhood> truth = all_neighbourhoods();
  const size_t outputs = second.outputs();

  // Three rows of 5 cells, 2^15 of them, decide a row of three windows: their sums as the upper, middle and
  // lower row of the second kernel, and their true cells after one step.
  const size_t triples = size_t{1} << (3 * kRowBits);
  std::vector<double> rows(3 * triples * outputs);
  std::vector<uint8_t> next(triples);
  for (unsigned triple = 0; triple < triples; ++triple) {
    const auto rules =
        rules_across(triple & (kRows - 1), triple >> kRowBits & (kRows - 1), triple >> (2 * kRowBits));
    for (unsigned x = 0; x < 3; ++x) {
      next[triple] |= static_cast<uint8_t>(truth[rules[x]].next << x);
      for (size_t y = 0; y < 3; ++y)
        for (size_t o = 0; o < outputs; ++o)
          rows[(y * triples + triple) * outputs + o] += sums[((3 * y + x) * kRules + rules[x]) * outputs + o];
    }
  }

  int64_t wrong = 0;
  std::vector<double> counted(outputs), decided(second_decide.outputs());
  for (size_t board = 0; board < size_t{1} << (5 * kRowBits); ++board) {
    const size_t top = board & (triples - 1), middle = board >> kRowBits & (triples - 1),
                 low = board >> (2 * kRowBits);
    for (size_t o = 0; o < outputs; ++o) {
      const double sum = second.bias[o] + rows[top * outputs + o] + rows[(triples + middle) * outputs + o] +
                         rows[(2 * triples + low) * outputs + o];
      counted[o] = sum < 0 ? 0 : sum;
    }
    apply(second_decide, counted.data(), decided.data(), true);
    double logit = 0;
    apply(out, decided.data(), &logit, false);
    const unsigned rule =
        next[top] | static_cast<unsigned>(next[middle]) << 3 | static_cast<unsigned>(next[low]) << 6;
    wrong += (logit > 0) != (truth[rule].next != 0);
  }
  return wrong;
}

}  // namespace coppice
