// SPDX-License-Identifier: Apache-2.0
// Cuts samples into training, validation and test, class by class, so that a rare class is in all of them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dataset/dataset.h"

namespace coppice {

// 0 .. count - 1
std::vector<int32_t> all_indices(size_t count);

// Moves `share` of each class from `from` to the list that is returned, drawn by seed and purpose; both
// ascend. A class of three and more gives at least one where the share is above 0, and keeps at least one
// where it is below 1.
std::vector<int32_t> cut_by_class(std::vector<int32_t>& from, const std::vector<int32_t>& labels,
                                  double share, uint64_t seed, std::string_view purpose);

// Fills the indices of all splits of data that somebody brought, labels and quantities as if of one class.
// Test and validation samples that are not there (no samples) are cut from the training samples, test first.
void cut_own_data(Dataset& data, const DatasetOptions& options);

}  // namespace coppice
