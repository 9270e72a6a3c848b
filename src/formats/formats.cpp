// SPDX-License-Identifier: Apache-2.0
#include "formats/formats.h"

namespace coppice {

std::span<const FormatDef* const> weight_formats() {
  static constexpr const FormatDef* kAll[] = {&kSegments, &kBlocks, &kDense};
  return kAll;
}

}  // namespace coppice
