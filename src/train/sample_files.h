// SPDX-License-Identifier: Apache-2.0
// Samples from files, as a network takes them.
#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "train/checkpoint.h"

namespace coppice {

// [samples][numbers of one], normalised. By the content or name of the file:
//   a picture (PNG, JPEG)   one sample; it gets the size and colours that the network takes
//   .npy                    one sample or several; bytes, or floats: numbers as the network was trained on,
//                           for a network of pictures v / 255 of a byte v
//   .csv                    a sample a row; of a network of a table its columns by name, whatever others
//                           there are, else all columns in order
// Fails with a sentence that names the file.
Result<std::vector<float>> read_samples(Env& env, const std::string& path, const Preprocessing& model);

}  // namespace coppice
