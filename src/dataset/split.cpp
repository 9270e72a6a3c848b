// SPDX-License-Identifier: Apache-2.0
#include "dataset/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include "base/rng.h"

namespace coppice {
namespace {

size_t cut_size(size_t count, double share) {
  if (share <= 0) return 0;
  if (share >= 1) return count;
  constexpr size_t kFew = 3;  // one for each of the three parts
  const auto size = static_cast<size_t>(std::lround(static_cast<double>(count) * share));
  return std::clamp<size_t>(size, count >= kFew ? 1 : 0, count - 1);
}

}  // namespace

std::vector<int32_t> all_indices(size_t count) {
  std::vector<int32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

std::vector<int32_t> cut_by_class(std::vector<int32_t>& from, const std::vector<int32_t>& labels,
                                  double share, uint64_t seed, std::string_view purpose) {
  std::map<int32_t, std::vector<int32_t>> classes;
  for (const int32_t index : from) classes[labels[static_cast<size_t>(index)]].push_back(index);
  std::vector<int32_t> cut;
  from.clear();
  for (auto& [label, members] : classes) {
    // The first steps of a Fisher-Yates shuffle are a uniform draw without replacement.
    Rng rng(seed, stream_id(purpose, static_cast<uint64_t>(label)));
    const size_t size = cut_size(members.size(), share);
    for (size_t i = 0; i < size; ++i) std::swap(members[i], members[i + rng.below(members.size() - i)]);
    const auto middle = members.begin() + static_cast<std::ptrdiff_t>(size);
    cut.insert(cut.end(), members.begin(), middle);
    from.insert(from.end(), middle, members.end());
  }
  std::sort(cut.begin(), cut.end());
  std::sort(from.begin(), from.end());
  return cut;
}

void cut_own_data(Dataset& data, const DatasetOptions& options) {
  const auto count = [&](const Samples& samples) {
    return samples.labels.size() +
           (samples.targets.size() + samples.quantities.size()) / static_cast<size_t>(data.outputs);
  };
  // Of labels and quantities no sample is rarer than another: all are of one kind.
  std::vector<int32_t> labels = data.train.samples->labels;
  labels.resize(count(*data.train.samples));
  data.train.indices = all_indices(labels.size());
  const auto fill = [&](Split& split, double share, std::string_view purpose) {
    if (split.samples) {
      split.indices = all_indices(count(*split.samples));
      return;
    }
    split.samples = data.train.samples;
    split.indices = cut_by_class(data.train.indices, labels, share, options.seed, purpose);
  };
  fill(data.test, options.test_share, "cut test");
  fill(data.validation, options.validation, "cut validation");
}

}  // namespace coppice
