// SPDX-License-Identifier: Apache-2.0
#include "sparsify/ticket.h"

#include <algorithm>

#include "sparsify/sparsifier.h"

namespace coppice {
namespace {

// Blocks of `pattern` that `like` has not; those that only `like` has are counted.
std::vector<int32_t> beyond(const Pattern& pattern, const Pattern& like, int64_t* missing) {
  std::vector<int32_t> out;
  int32_t block = 0;
  for (int64_t row = 0; row < pattern.block_rows(); ++row) {
    const auto kept = like.row(row);
    size_t found = 0;
    for (const int32_t column : pattern.row(row)) {
      const bool stays = std::binary_search(kept.begin(), kept.end(), column);
      found += stays;
      if (!stays) out.push_back(block);
      ++block;
    }
    *missing += static_cast<int64_t>(kept.size() - found);
  }
  return out;
}

Status keep(Param& param, const Pattern& wanted) {
  const Pattern pattern = param.pattern();
  if (pattern.rows() != wanted.rows() || pattern.cols() != wanted.cols() || pattern.block() != wanted.block())
    return invalid("weight '" + param.name() + "': the patterns are of two different networks");
  int64_t missing = 0;
  TopologyEdit edit;
  edit.drop = beyond(pattern, wanted, &missing);
  if (missing > 0)
    return invalid("weight '" + param.name() + "': " + std::to_string(missing) +
                   " blocks that shall live have no value to begin with");
  return edit.drop.empty() ? Status() : param.apply(edit, 0);
}

}  // namespace

Status take_smallest(Network& network, const SparsityConfig& target, Ranking ranking) {
  SparsifyConfig config{"magnitude", {}};
  config.schedule.initial_density = 1;
  config.schedule.ranking = ranking;
  TRY_ASSIGN(const Sparsifier sparsifier, Sparsifier::create(config, target, network.graph, 0));
  return sparsifier.edit(network, 0, {1, 1}, nullptr).status();
}

Status keep_patterns(Network& network, const Network& like) {
  for (const Param& from : like.params) {
    Param* param = network.find(from.name());
    if (param == nullptr) return invalid("weight '" + from.name() + "': only one of the networks has it");
    if (from.is_weight()) TRY(keep(*param, from.pattern()));
  }
  return {};
}

Status keep_as_many(Network& network, const Network& like, uint64_t seed) {
  for (const Param& from : like.params) {
    Param* param = network.find(from.name());
    if (param == nullptr) return invalid("weight '" + from.name() + "': only one of the networks has it");
    if (!from.is_weight()) continue;
    const Pattern pattern = from.pattern();
    if (pattern.is_full()) continue;
    TRY(keep(*param, random_pattern(pattern.rows(), pattern.cols(), pattern.block(), pattern.blocks(), seed,
                                    from.name())));
  }
  return {};
}

void forget_moments(Network& network) {
  for (Param& param : network.params)
    for (Floats* array : {&param.moment1, &param.moment2})
      std::fill(array->data(), array->data() + array->size(), 0.0f);
}

}  // namespace coppice
