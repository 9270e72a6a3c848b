// SPDX-License-Identifier: Apache-2.0
// What a packed network says about itself.
#pragma once

#include <string>
#include <vector>

#include "models/json.h"
#include "pack/image_file.h"
#include "train/checkpoint.h"

namespace coppice::cli {

bool is_packed(const std::string& path);  // by its name: it ends in .cpk, or in .cpk.zst

// The text of an image: what its steps are called, and what `coppice pack` knew.
struct PackedText {
  Json json;
  Preprocessing preprocessing;
  std::string model, arithmetic;
  std::vector<std::string> values;  // names

  std::string step(int32_t index) const { return json["steps"][static_cast<size_t>(index)]["name"]; }
};
Result<PackedText> packed_text(const PackedImage& image, const std::string& path);

std::string sizes_text(const coppice_cpk_value& value);  // "16 x 32 x 32"
const char* op_name(const coppice_cpk_step& step);       // "linear"

// `coppice inspect NET.cpk`: what lies in the file, byte by byte.
Result<int> inspect_packed(Env& env, const std::string& path, bool json);

// `coppice explain NET.cpk`: a line for each step with its time, and why each layer has its format.
Result<int> explain_packed(Env& env, const std::string& path);

}  // namespace coppice::cli
