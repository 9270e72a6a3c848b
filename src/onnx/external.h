// SPDX-License-Identifier: Apache-2.0
// Tensors whose numbers lie in files beside the model: what large exports are made of, and a way to make a
// program read any file of its user. So only where somebody asked for it, and only from the model's
// directory.
#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"
#include "onnx/model.h"

namespace coppice::onnx {

// A sentence where tensors lie outside, with the first of them and the flag that reads it.
Status refuse_external(const Model& model);

// Reads them from files in `directory` or below; no link is followed. What a tensor takes is what its
// dimensions and type say, at most what is there, and the tensors of a file together are not larger than it.
// Memory: that of the numbers. Failures name tensor and file.
Status read_external(Env& env, const std::string& directory, Model& model);

}  // namespace coppice::onnx
