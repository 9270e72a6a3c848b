// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "base/result.h"
#include "dataset/dataset.h"
#include "io/image.h"

namespace coppice {

// Samples of one row or column are rows of numbers, not pictures.
bool has_pictures(const Dataset& data);

// Sample `index` of samples in memory as people see it: grey, or colour where there are three channels; of
// other numbers of channels the first. Numbers have no white, so each such picture spans from its least to
// its largest.
Image sample_picture(const Dataset& data, const Samples& samples, size_t index);

}  // namespace coppice
