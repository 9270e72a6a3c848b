// SPDX-License-Identifier: Apache-2.0
#include "io/jpeg.h"

#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_jpeg(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  auto info = read_image_info(env, kPath);
  (void)taken(info.status());
  const int orientation = exif_orientation(input);
  require(orientation >= 1 && orientation <= 8, "there are eight orientations");
  auto image = read_image(env, kPath);
  if (!taken(image.status())) return false;
  require(info.ok() && image->info == *info, "a picture is as large as its header says");
  require(image->pixels.size() ==
              size_t(image->info.height) * size_t(image->info.width) * size_t(image->info.channels),
          "a picture is whole");
  return true;
}

}  // namespace coppice::fuzz
