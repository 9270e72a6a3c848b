// SPDX-License-Identifier: Apache-2.0
#include "study/life_prune.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "study/life_lesson.h"

namespace coppice {
namespace {

// Neurons that are tried as the next to go, and cuts that nothing came of before a start is given up: a new
// start is cheaper than a long way back. (m = 8, 128 seeds, within 10,000 updates: 3 dead ends led to 128
// networks, 8 to 121; a third neuron changed nothing.)
constexpr size_t kTried = 2;
constexpr int kMostDeadEnds = 3;
// A wide network may take longer than one that is already right but for a filter.
constexpr int64_t kStartCuts = 10;
// Most cuts are mended within a few updates; a check costs less than half of one.
constexpr int64_t kMostBetweenChecks = 10;

constexpr size_t kCells = 9, kArrays = 3;  // value, moment1, moment2
enum Layer : size_t { kCount, kCountBias, kDecide, kDecideBias, kOut, kOutBias, kParams };

// A network of one step as arrays from which neurons can be taken.
struct Neurons {
  std::vector<int> filters, decides;                                // which of the wide network's
  std::array<std::array<std::vector<float>, kParams>, kArrays> at;  // in canonical order
  int64_t age = 0;                                                  // updates

  size_t counts() const { return filters.size(); }
  size_t decided() const { return decides.size(); }
  int64_t weights() const {
    return static_cast<int64_t>(kCells * counts() + counts() * decided() + decided());
  }
};

std::vector<int> first_numbers(size_t count) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// Takes what they are now from the network; which they are, they know.
void read(Network& network, Neurons& neurons) {
  for (size_t p = 0; p < kParams; ++p) {
    Param& param = network.params[p];
    size_t array = 0;
    for (Floats* const floats : {&param.value, &param.moment1, &param.moment2}) {
      param.ensure(*floats);
      neurons.at[array++][p] = param.canonical(*floats);
    }
  }
}

Result<Network> network_of(const Neurons& neurons) {
  TRY_ASSIGN(Network network, neighbourhood_network(static_cast<int>(neurons.counts()),
                                                    static_cast<int>(neurons.decided()), 0));
  for (size_t p = 0; p < kParams; ++p) {
    Param& param = network.params[p];
    size_t array = 0;
    for (Floats* const floats : {&param.value, &param.moment1, &param.moment2}) {
      param.ensure(*floats);
      param.set_canonical(*floats, neurons.at[array++][p]);
    }
  }
  return network;
}

void erase_row(std::vector<float>& matrix, size_t row, size_t columns) {
  const auto first = matrix.begin() + static_cast<std::ptrdiff_t>(row * columns);
  matrix.erase(first, first + static_cast<std::ptrdiff_t>(columns));
}

void erase_column(std::vector<float>& matrix, size_t column, size_t columns) {
  for (size_t row = matrix.size() / columns; row-- > 0;)
    matrix.erase(matrix.begin() + static_cast<std::ptrdiff_t>(row * columns + column));
}

Neurons without_filter(Neurons neurons, size_t filter) {
  for (auto& array : neurons.at) {
    erase_row(array[kCount], filter, kCells);
    erase_row(array[kCountBias], filter, 1);
    erase_column(array[kDecide], filter, neurons.counts());
  }
  neurons.filters.erase(neurons.filters.begin() + static_cast<std::ptrdiff_t>(filter));
  return neurons;
}

Neurons without_decide(Neurons neurons, size_t decide) {
  for (auto& array : neurons.at) {
    erase_row(array[kDecide], decide, neurons.counts());
    erase_row(array[kDecideBias], decide, 1);
    erase_column(array[kOut], decide, neurons.decided());
  }
  neurons.decides.erase(neurons.decides.begin() + static_cast<std::ptrdiff_t>(decide));
  return neurons;
}

// Those of a wide network that are listed, with their first values.
Result<Neurons> first_neurons(const LifeSearch& search, uint64_t seed, const std::vector<int>& filters,
                              const std::vector<int>& decides) {
  TRY_ASSIGN(Network network, neighbourhood_network(2 * search.width, search.width, seed));
  draw_life_values(network, seed);
  Neurons neurons{first_numbers(static_cast<size_t>(2 * search.width)),
                  first_numbers(static_cast<size_t>(search.width)),
                  {},
                  0};
  read(network, neurons);
  const auto kept = [](const std::vector<int>& list, size_t number) {
    return std::find(list.begin(), list.end(), static_cast<int>(number)) != list.end();
  };
  for (size_t filter = neurons.counts(); filter-- > 0;)
    if (!kept(filters, filter)) neurons = without_filter(std::move(neurons), filter);
  for (size_t decide = neurons.decided(); decide-- > 0;)
    if (!kept(decides, decide)) neurons = without_decide(std::move(neurons), decide);
  return neurons;
}

// What the neurons make of each neighbourhood, kept so that a neuron's part can be taken out again.
class Answers {
 public:
  explicit Answers(const Neurons& neurons)
      : values_(neurons.at[0]),
        filters_(neurons.counts()),
        decides_(neurons.decided()),
        rules_(all_neighbourhoods()),
        counted_(filters_ * kLifeRules),
        decided_(decides_ * kLifeRules),
        logits_(kLifeRules, values_[kOutBias][0]) {
    for (size_t f = 0; f < filters_; ++f)
      for (size_t n = 0; n < kLifeRules; ++n) {
        double sum = values_[kCountBias][f];
        for (size_t cell = 0; cell < kCells; ++cell)
          sum += values_[kCount][f * kCells + cell] * rules_[n].cells[cell];
        counted_[f * kLifeRules + n] = std::max(sum, 0.0);
      }
    for (size_t d = 0; d < decides_; ++d)
      for (size_t n = 0; n < kLifeRules; ++n) {
        double sum = values_[kDecideBias][d];
        for (size_t f = 0; f < filters_; ++f) sum += part(f, d, n);
        decided_[d * kLifeRules + n] = sum;
        logits_[n] += values_[kOut][d] * std::max(sum, 0.0);
      }
  }

  double loss_without_filter(size_t filter, const std::array<double, kLifeRules>& weights) const {
    return loss(weights, [&](size_t n) {
      double logit = values_[kOutBias][0];
      for (size_t d = 0; d < decides_; ++d)
        logit += values_[kOut][d] * std::max(decided_[d * kLifeRules + n] - part(filter, d, n), 0.0);
      return logit;
    });
  }
  double loss_without_decide(size_t decide, const std::array<double, kLifeRules>& weights) const {
    return loss(weights, [&](size_t n) {
      return logits_[n] - values_[kOut][decide] * std::max(decided_[decide * kLifeRules + n], 0.0);
    });
  }

 private:
  // Of a filter in the sum of a decide.
  double part(size_t filter, size_t decide, size_t n) const {
    return values_[kDecide][decide * filters_ + filter] * counted_[filter * kLifeRules + n];
  }
  template <class Logit>
  double loss(const std::array<double, kLifeRules>& weights, const Logit& logit) const {
    double sum = 0;
    for (size_t n = 0; n < kLifeRules; ++n) {
      const double z = rules_[n].next != 0 ? -logit(n) : logit(n);
      sum += weights[n] * (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))));
    }
    return sum;
  }

  const std::array<std::vector<float>, kParams>& values_;
  size_t filters_, decides_;
  std::vector<Neighbourhood> rules_;
  std::vector<double> counted_, decided_, logits_;  // [neuron][512], decided_ before relu
};

// One start: a wide network, and the way from it down.
class Start {
 public:
  Start(const LifeSearch& search, LifeFound& found)
      : search_(search), found_(found), expected_(expected_neighbourhoods(search.density)) {}

  // Whether it got to a network of the width that is wanted.
  Result<bool> run() {
    const std::vector<int> filters = first_numbers(static_cast<size_t>(2 * search_.width)),
                           decides = first_numbers(static_cast<size_t>(search_.width));
    TRY_ASSIGN(Neurons wide, first_neurons(search_, search_.seed, filters, decides));
    TRY_ASSIGN(const bool learnt, teach(wide, kStartCuts * search_.cut_updates));
    return learnt ? cut(wide) : Result<bool>(false);
  }

 private:
  bool given_up() const {
    return dead_ends_ >= kMostDeadEnds || found_.diverged || found_.updates >= search_.updates;
  }

  Result<bool> teach(Neurons& neurons, int64_t updates) {
    TRY_ASSIGN(found_.network, network_of(neurons));
    TRY_ASSIGN(const LifeTaught taught, teach_life(search_, found_.network, neurons.age,
                                                   std::min(updates, search_.updates - found_.updates)));
    found_.updates += taught.updates;
    found_.work += taught.work;
    found_.asked = taught.asked;
    found_.wrong = taught.wrong;
    found_.diverged = taught.diverged;
    neurons.age += taught.updates;
    read(found_.network, neurons);
    return taught.solved;
  }

  // Networks with one neuron less, the least missed first.
  std::vector<Neurons> smaller(const Neurons& neurons) {
    const Answers answers(neurons);
    struct Choice {
      double loss;
      bool filter;
      size_t neuron;
    };
    std::vector<Choice> choices;
    const auto to = static_cast<size_t>(search_.prune_to);
    if (neurons.counts() > 2 * to)
      for (size_t f = 0; f < neurons.counts(); ++f)
        choices.push_back({answers.loss_without_filter(f, expected_), true, f});
    if (neurons.decided() > to)
      for (size_t d = 0; d < neurons.decided(); ++d)
        choices.push_back({answers.loss_without_decide(d, expected_), false, d});
    std::stable_sort(choices.begin(), choices.end(),
                     [](const Choice& a, const Choice& b) { return a.loss < b.loss; });
    // One pass to know what all said; then a filter is taken out of each decide and each decide weighed.
    found_.work += kLifeRules * (neurons.weights() + static_cast<int64_t>(2 * neurons.counts() + 1) *
                                                         static_cast<int64_t>(neurons.decided()));
    std::vector<Neurons> networks;
    for (size_t i = 0; i < std::min(kTried, choices.size()); ++i)
      networks.push_back(choices[i].filter ? without_filter(neurons, choices[i].neuron)
                                           : without_decide(neurons, choices[i].neuron));
    return networks;
  }

  Result<bool> cut(const Neurons& neurons) {
    const auto to = static_cast<size_t>(search_.prune_to);
    if (neurons.counts() == 2 * to && neurons.decided() == to) {
      found_.filters = neurons.filters;
      found_.decides = neurons.decides;
      return true;
    }
    for (Neurons& next : smaller(neurons)) {
      if (given_up()) return false;
      TRY_ASSIGN(const bool learnt, teach(next, search_.cut_updates));
      dead_ends_ += !learnt;
      if (!learnt) continue;
      TRY_ASSIGN(const bool arrived, cut(next));
      if (arrived) return true;
    }
    return false;
  }

  const LifeSearch& search_;
  LifeFound& found_;
  std::array<double, kLifeRules> expected_;
  int dead_ends_ = 0;
};

// The first start is the one of the same search without a cut.
uint64_t seed_of_start(uint64_t seed, int start) {
  if (start == 0) return seed;
  Rng rng(seed, stream_id("life start", static_cast<uint64_t>(start)));
  return uint64_t{rng.bits()} << 32 | rng.bits();
}

// `count` of the numbers below `all`, ascending.
std::vector<int> drawn(Rng& rng, size_t all, size_t count) {
  std::vector<int> numbers = first_numbers(all);
  for (size_t i = 0; i < count; ++i) std::swap(numbers[i], numbers[i + rng.below(all - i)]);
  numbers.resize(count);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

Status check_cut(const LifeSearch& search) {
  if (search.prune_to == 0) return {};
  if (search.prune_to < 0 || search.prune_to >= search.width)
    return invalid("a network of width " + std::to_string(search.width) + " cannot be cut to width " +
                   std::to_string(search.prune_to) + "; choose one below it");
  if (search.steps != 1) return unsupported("only networks of one step can be cut; leave --prune-to out");
  if (search.flips != 0)
    return unsupported("a network is cut, or signs of its first values are turned; not both");
  return {};
}

Result<LifeFound> prune_life(const LifeSearch& search) {
  LifeFound found;
  found.starts = 0;
  while (!found.solved && !found.diverged && found.updates < search.updates) {
    LifeSearch start = search;
    start.seed = found.start_seed = seed_of_start(search.seed, found.starts++);
    start.check_every = std::min(search.check_every, kMostBetweenChecks);
    TRY_ASSIGN(found.solved, Start(start, found).run());
  }
  return found;
}

Result<LifeTaught> search_ticket(const LifeSearch& search, const LifeFound& cut, LifeTicket ticket) {
  std::vector<int> filters = cut.filters, decides = cut.decides;
  if (ticket == LifeTicket::kRandom) {
    Rng rng(cut.start_seed, stream_id("life ticket", "random"));
    filters = drawn(rng, static_cast<size_t>(2 * search.width), filters.size());
    decides = drawn(rng, static_cast<size_t>(search.width), decides.size());
  }
  TRY_ASSIGN(const Neurons neurons, first_neurons(search, cut.start_seed, filters, decides));
  TRY_ASSIGN(Network network, network_of(neurons));
  LifeSearch alone = search;
  alone.seed = cut.start_seed;
  return teach_life(alone, network, 0, search.updates);
}

Result<std::vector<float>> first_kernels(const LifeSearch& search, const LifeFound& cut) {
  TRY_ASSIGN(Network network, neighbourhood_network(2 * search.width, search.width, cut.start_seed));
  draw_life_values(network, cut.start_seed);
  return network.params[kCount].canonical(network.params[kCount].value);
}

}  // namespace coppice
