// SPDX-License-Identifier: Apache-2.0
// A change of topology: which blocks of a pattern die and which positions come to life. Who decides it is not
// its business; what happens to values and optimizer state is Param::apply (sparse/param.h).
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "sparse/pattern.h"

namespace coppice {

struct TopologyEdit {
  std::vector<int32_t> drop;  // canonical block indices of the old pattern, ascending
  std::vector<int64_t>
      grow;  // block positions (block row * block columns + block column), ascending, not live before
};

struct EditedPattern {
  Pattern pattern;
  std::vector<int32_t> source;  // [new blocks], the old block it was, or -1 for a grown one
};

// Fails if the edit is not ascending, out of range, or grows a live position. A position dropped and grown in
// one edit is an error too: it would silently lose its optimizer state.
Result<EditedPattern> apply_edit(const Pattern& pattern, const TopologyEdit& edit);

}  // namespace coppice
