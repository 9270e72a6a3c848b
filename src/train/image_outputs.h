// SPDX-License-Identifier: Apache-2.0
// What a packed network says about samples, for the same metrics as what the network itself says.
#pragma once

#include <string>

#include "pack/image_file.h"
#include "train/evaluate.h"

namespace coppice {

// All samples of a split, in their own order, each alone; threads share them out. Without losses: an image
// has none. Fails where samples or outputs are not as many numbers as the image takes and gives.
Result<Outputs> image_outputs(const PackedImage& image, const Dataset& data, const Split& split, int threads,
                              const std::string& isa, const Watch& watch = {});

}  // namespace coppice
