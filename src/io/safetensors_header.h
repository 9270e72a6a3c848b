// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "io/safetensors.h"

namespace coppice {

// The names that the format itself uses in its header.
inline constexpr char kMetadataKey[] = "__metadata__";
inline constexpr char kDtypeKey[] = "dtype", kShapeKey[] = "shape", kOffsetsKey[] = "data_offsets";

struct SafetensorsHeader {
  Metadata metadata;
  StoredTensors tensors;
};

// The JSON of a header, checked tensor by tensor: every key once, every field there, offsets that agree with
// type and shape. How the tensors lie beside each other is not judged here. Messages do not name the file.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view json);

}  // namespace coppice
