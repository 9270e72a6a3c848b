// SPDX-License-Identifier: Apache-2.0
#include "io/jpeg.h"

#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_jpeg(std::string_view input) {
  const int orientation = exif_orientation(input);
  require(orientation >= 1 && orientation <= 8, "there are eight orientations");
  return read_picture(input).has_value();
}

}  // namespace coppice::fuzz
