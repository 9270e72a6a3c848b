// SPDX-License-Identifier: Apache-2.0
#include "sparse/edit.h"

#include <string>

namespace coppice {

Result<EditedPattern> apply_edit(const Pattern& pattern, const TopologyEdit& edit) {
  const int64_t width = pattern.block_cols(), positions = pattern.block_rows() * width;
  for (size_t i = 0; i < edit.drop.size(); ++i)
    if (edit.drop[i] < 0 || edit.drop[i] >= pattern.blocks() || (i > 0 && edit.drop[i] <= edit.drop[i - 1]))
      return invalid("topology edit: drop list is not ascending within 0.." +
                     std::to_string(pattern.blocks() - 1));
  for (size_t i = 0; i < edit.grow.size(); ++i)
    if (edit.grow[i] < 0 || edit.grow[i] >= positions || (i > 0 && edit.grow[i] <= edit.grow[i - 1]))
      return invalid("topology edit: grow list is not ascending within 0.." + std::to_string(positions - 1));

  std::vector<int32_t> indptr{0}, indices, source;
  const size_t most = static_cast<size_t>(pattern.blocks()) + edit.grow.size();
  indptr.reserve(static_cast<size_t>(pattern.block_rows()) + 1);
  indices.reserve(most);
  source.reserve(most);
  size_t dropped = 0, grown = 0;
  for (int64_t r = 0; r < pattern.block_rows(); ++r) {
    int32_t k = pattern.indptr()[static_cast<size_t>(r)];
    const int32_t end = pattern.indptr()[static_cast<size_t>(r) + 1];
    const auto grows_here = [&] { return grown < edit.grow.size() && edit.grow[grown] < (r + 1) * width; };
    while (k < end || grows_here()) {
      const int64_t live = k < end ? r * width + pattern.indices()[static_cast<size_t>(k)] : INT64_MAX;
      const int64_t fresh = grows_here() ? edit.grow[grown] : INT64_MAX;
      if (fresh == live)
        return invalid("topology edit: grows position " + std::to_string(fresh) + ", which is live already");
      if (fresh < live) {
        indices.push_back(static_cast<int32_t>(fresh - r * width));
        source.push_back(-1);
        ++grown;
        continue;
      }
      if (dropped < edit.drop.size() && edit.drop[dropped] == k) {
        ++dropped;
      } else {
        indices.push_back(static_cast<int32_t>(live - r * width));
        source.push_back(k);
      }
      ++k;
    }
    indptr.push_back(static_cast<int32_t>(indices.size()));
  }
  return EditedPattern{Pattern::of_canonical(pattern.rows(), pattern.cols(), pattern.block(),
                                             std::move(indptr), std::move(indices)),
                       std::move(source)};
}

}  // namespace coppice
