// SPDX-License-Identifier: Apache-2.0
#include "dataset/picture.h"

#include <algorithm>
#include <cmath>

namespace coppice {

bool has_pictures(const Dataset& data) { return data.features.height > 1 && data.features.width > 1; }

Image sample_picture(const Dataset& data, const Samples& samples, size_t index) {
  const Features& f = data.features;
  const auto plane = static_cast<size_t>(f.plane()), size = static_cast<size_t>(f.size());
  Image image{{f.height, f.width, f.channels == 3 ? 3 : 1}, {}};
  const auto channels = static_cast<size_t>(image.info.channels);
  image.pixels.resize(plane * channels);
  std::vector<uint8_t> bytes(size);
  if (data.numbers) {
    const auto begin = samples.numbers.begin() + static_cast<std::ptrdiff_t>(index * size);
    const auto ends = std::minmax_element(begin, begin + static_cast<std::ptrdiff_t>(size));
    const float low = *ends.first, span = std::max(*ends.second - low, 1e-30f);
    std::transform(begin, begin + static_cast<std::ptrdiff_t>(size), bytes.begin(), [&](float value) {
      return static_cast<uint8_t>(std::lround((value - low) / span * 255));
    });
  } else {
    std::copy_n(samples.pixels.begin() + static_cast<std::ptrdiff_t>(index * size), size, bytes.begin());
  }
  for (size_t i = 0; i < plane; ++i)
    for (size_t c = 0; c < channels; ++c) image.pixels[i * channels + c] = bytes[c * plane + i];
  return image;
}

}  // namespace coppice
